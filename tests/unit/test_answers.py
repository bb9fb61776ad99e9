# SPDX-License-Identifier: Apache-2.0
"""What is said of keys: one word for the end of each operation, and no more entries than a message holds."""

import named as messages
from latchkey.keys import answers
from latchkey.wire.schema import InformationRequest, InformationRequestType
from named import decode
from support import Keys, other_key, owner

FULL = 4


def status(information, signer):
    told = decode(messages.FROM_VCSEC, answers.whitelist_status(information, signer))["commandStatus"]
    operation = told["whitelistOperationStatus"]
    return told.get("operationStatus"), operation.get("operationStatus"), operation


def test_a_change_that_was_made_is_no_error_and_names_who_signed_it():
    whole, of_operation, operation = status(0, b"abcd")
    assert whole is None and of_operation is None, "OK, which is 0, is left out"
    assert operation == {"signerOfOperation": {"publicKeySHA1": b"abcd"}}


def test_a_refusal_is_an_error_with_its_reason_and_who_did_not_sign_is_not_named():
    whole, of_operation, operation = status(FULL, None)
    assert whole == of_operation == 2
    assert operation == {"whitelistOperationInformation": FULL, "operationStatus": 2}


def test_as_many_entries_are_listed_as_the_mask_of_slots_has_bits():
    keys = Keys(*[owner(other_key(n)) for n in range(40)])
    request = {InformationRequest.informationRequestType: InformationRequestType.WHITELIST_INFO}
    told = answers.information(request, keys)
    assert decode(messages.FROM_VCSEC, told)["whitelistInfo"]["numberOfEntries"] == 40
    assert [record.id in told for record in keys.records] == [True] * 32 + [False] * 8
