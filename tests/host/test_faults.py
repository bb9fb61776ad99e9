# SPDX-License-Identifier: Apache-2.0
"""Every way a car can say no has a name, words, and something to do about it."""

from __future__ import annotations

import pytest
from tesla_protocol.command import errors_pb2, universal_message_pb2, vcsec_pb2

from host_tools import faults
from host_tools.phone import refusals


@pytest.mark.parametrize(
    ("enum", "table", "name_of"),
    [
        (universal_message_pb2.MessageFault_E, faults.MESSAGE_FAULTS, refusals.message_fault),
        (vcsec_pb2.WhitelistOperation_information_E, faults.KEYCHAIN_FAULTS, refusals.keychain_fault),
        (errors_pb2.GenericError_E, faults.NOMINAL_ERRORS, refusals.nominal_error),
    ],
)
def test_every_code_of_the_protocol_is_explained(enum, table, name_of) -> None:  # type: ignore[no-untyped-def]
    names = {name_of(code) for code in enum.values() if code}
    assert names == set(table)
    for words, todo in table.values():
        assert words and todo and "\n" not in words + todo


def test_one_name_never_means_two_things() -> None:
    tables = [faults.MESSAGE_FAULTS, faults.KEYCHAIN_FAULTS, faults.NOMINAL_ERRORS]
    assert len(set().union(*tables)) == sum(map(len, tables))


def test_a_code_from_the_future_still_has_a_name() -> None:
    refused = faults.Refused(refusals.message_fault(250))
    assert refused.name == "250" and refused.line().count("\n") == 0


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert faults.Refused("BUSY").exit_code == 1
    assert faults.Misuse("no").exit_code == 2
    assert faults.NoAnswer().exit_code == 3
