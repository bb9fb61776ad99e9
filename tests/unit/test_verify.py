# SPDX-License-Identifier: Apache-2.0
"""Signed requests: the good one passes once, every bent one gets the protocol's own fault and changes nothing."""

import random

import codes as faults
from latchkey.faults import Fault
from latchkey.session.verify import Unverified, verify
from latchkey.wire import envelope
from support import CLIENT_PUBLIC, VIN, message, other_key, owner, sessions_of, signed

UNLOCK = b"\x10\x00"
MAX_LIFETIME = 120


def attempt(sessions, fields, now=0):
    return verify(envelope.read(message(fields)), sessions, VIN, now)


def fault_of(sessions, fields, now=0):
    """The code of the fault, and whether it carries a session to resynchronise with."""
    before = told(sessions)
    try:
        attempt(sessions, fields, now)
    except Fault as fault:
        assert told(sessions) == before, "a refused request changed a session"
        return fault.code, isinstance(fault, Unverified)
    raise AssertionError("passed")


def told(sessions):
    """All that sessions remember."""
    live = [(s, s.epoch, s.counter) for s in sessions._live if s]
    return live, sessions._generation, bytes(sessions._generations), sessions._secret


def car():
    sessions = sessions_of(owner())
    return sessions, sessions.find(CLIENT_PUBLIC)


def test_both_methods_pass_and_give_the_plaintext():
    sessions, session = car()
    assert bytes(attempt(sessions, signed(UNLOCK, session, 1, 5)).plaintext) == UNLOCK
    assert bytes(attempt(sessions, signed(UNLOCK, session, 2, 5, method="hmac")).plaintext) == UNLOCK
    assert sessions.find(CLIENT_PUBLIC).counter == 2


def test_flags_and_an_epoch_left_out_are_part_of_what_is_signed():
    sessions, session = car()
    attempt(sessions, signed(UNLOCK, session, 1, 5, flags=2))
    attempt(sessions, signed(UNLOCK, session, 2, 5, sent_epoch=b""))
    fields = signed(UNLOCK, session, 3, 5, flags=2)
    fields["flags"] = None
    assert fault_of(sessions, fields) == (faults.INVALID_SIGNATURE, True)


def test_a_handle_from_the_handshake_stands_for_the_key():
    sessions, session = car()
    attempt(sessions, signed(UNLOCK, session, 1, 5, identity={"handle": session.handle}))
    assert fault_of(sessions, signed(UNLOCK, session, 2, 5, identity={"handle": 99}))[0] == faults.INVALID_KEY_HANDLE
    assert fault_of(sessions, signed(UNLOCK, session, 2, 5, identity={"handle": 0}))[0] == faults.INVALID_KEY_HANDLE


def test_a_handle_needs_no_handshake_and_is_stale_once_its_slot_is_empty():
    sessions, session = car()
    attempt(sessions, signed(UNLOCK, session, 1, 5, identity={"handle": session.handle}))
    sessions.drop()
    again = sessions.find(CLIENT_PUBLIC)
    attempt(sessions, signed(UNLOCK, again, 1, 5, identity={"handle": session.handle}))
    sessions._keychain.records.clear()
    sessions.drop(CLIENT_PUBLIC)
    code = fault_of(sessions, signed(UNLOCK, again, 2, 5, identity={"handle": session.handle}))
    assert code == (faults.INVALID_KEY_HANDLE, False)


def test_a_bad_tag_is_told_of_before_an_expiry():
    sessions, session = car()
    for expires_at in (0, 99, 100 + MAX_LIFETIME + 1, 0xFFFFFFFF):
        for method, size in (("gcm", 16), ("hmac", 32)):
            fields = signed(UNLOCK, session, 1, expires_at, tag=bytes(size), method=method)
            assert fault_of(sessions, fields, 100) == (faults.INVALID_SIGNATURE, True), expires_at


def test_the_request_hash_is_the_method_and_16_bytes_of_the_tag():
    sessions, session = car()
    fields = signed(UNLOCK, session, 1, 5, method="hmac")
    tag = fields["signature_data"]["HMAC_Personalized_data"]["tag"]
    assert attempt(sessions, fields).request_hash == b"\x08" + tag[:16]


def test_no_request_passes_twice():
    sessions, session = car()
    fields = signed(UNLOCK, session, 7, 5)
    attempt(sessions, fields)
    assert fault_of(sessions, fields) == (faults.INVALID_TOKEN_OR_COUNTER, True)
    assert fault_of(sessions, signed(UNLOCK, session, 6, 5)) == (faults.INVALID_TOKEN_OR_COUNTER, True)
    attempt(sessions, signed(UNLOCK, session, 8, 5))


def test_counter_zero_is_no_counter():
    sessions, session = car()
    assert fault_of(sessions, signed(UNLOCK, session, 0, 5))[0] == faults.INVALID_TOKEN_OR_COUNTER


def test_a_session_made_anew_refuses_what_the_old_one_had_accepted():
    sessions, session = car()
    fields = signed(UNLOCK, session, 1, 5)
    attempt(sessions, fields)
    sessions.drop(CLIENT_PUBLIC)
    sessions.find(CLIENT_PUBLIC)
    assert fault_of(sessions, fields) == (faults.INCORRECT_EPOCH, True)


def test_the_last_counter_begins_a_new_epoch():
    sessions, session = car()
    epoch = session.epoch
    fields = signed(UNLOCK, session, 0xFFFFFFFF, 5)
    attempt(sessions, fields)
    session = sessions.find(CLIENT_PUBLIC)
    assert session.epoch != epoch and session.counter == 0
    assert fault_of(sessions, fields) == (faults.INCORRECT_EPOCH, True)


def test_expiry_is_the_vehicles_clock():
    sessions, session = car()
    assert fault_of(sessions, signed(UNLOCK, session, 1, 99), 100) == (faults.TIME_EXPIRED, True)
    assert fault_of(sessions, signed(UNLOCK, session, 1, 0), 0) == (faults.TIME_EXPIRED, True)
    attempt(sessions, signed(UNLOCK, session, 1, 100), 100)


def test_a_lifetime_that_is_too_long_is_refused():
    sessions, session = car()
    last = 100 + MAX_LIFETIME
    assert fault_of(sessions, signed(UNLOCK, session, 1, last + 1), 100) == (faults.TIME_TO_LIVE_TOO_LONG, True)
    attempt(sessions, signed(UNLOCK, session, 1, last), 100)
    assert fault_of(sessions, signed(UNLOCK, session, 2, (1 << 30) + 1), 100) == (faults.BAD_PARAMETER, True)
    assert fault_of(sessions, signed(UNLOCK, session, 2, 0xFFFFFFFF), 100) == (faults.BAD_PARAMETER, True)


def test_unknown_keys_are_refused_before_anything_is_computed():
    sessions, session = car()
    for identity in ({"public_key": other_key(9)}, {"public_key": CLIENT_PUBLIC[:64]}, {}):
        code = fault_of(sessions, signed(UNLOCK, session, 1, 5, identity=identity))
        assert code == (faults.UNKNOWN_KEY_ID, False), identity


def test_what_was_signed_for_something_else_is_refused():
    sessions, session = car()
    for bent in (
        {"vin": b"5YJ30123456789ABD"},
        {"domain": 3},
        {"key": bytes(16)},
        {"tag": bytes(16)},
        {"tag": bytes(15)},
        {"tag": b""},
        {"tag": bytes(32)},
        {"sent_counter": 2},
    ):
        assert fault_of(sessions, signed(UNLOCK, session, 1, 5, **bent)) == (faults.INVALID_SIGNATURE, True), bent
    wrong = ({"vin": b"5YJ30123456789ABD"}, {"domain": 3}, {"tag": bytes(32)}, {"tag": bytes(16)}, {"key": bytes(16)})
    for bent in wrong:
        bent["method"] = "hmac"
        assert fault_of(sessions, signed(UNLOCK, session, 1, 5, **bent)) == (faults.INVALID_SIGNATURE, True), bent


def test_every_bit_of_payload_and_tag_counts():
    sessions, session = car()
    for method in ("gcm", "hmac"):
        fields = signed(UNLOCK, session, 1, 5, method=method)
        data = fields["signature_data"]["AES_GCM_Personalized_data" if method == "gcm" else "HMAC_Personalized_data"]
        for owner_of, name in ((fields, "protobuf_message_as_bytes"), (data, "tag")):
            whole = owner_of[name]
            for bit in range(8 * len(whole)):
                bent = bytearray(whole)
                bent[bit >> 3] ^= 1 << (bit & 7)
                owner_of[name] = bytes(bent)
                assert fault_of(sessions, fields) == (faults.INVALID_SIGNATURE, True)
            owner_of[name] = whole


def test_another_epoch_or_nonce_size_or_method_has_its_own_fault():
    sessions, session = car()
    assert fault_of(sessions, signed(UNLOCK, session, 1, 5, sent_epoch=bytes(16))) == (faults.INCORRECT_EPOCH, True)
    assert fault_of(sessions, signed(UNLOCK, session, 1, 5, sent_epoch=b"e")) == (faults.INCORRECT_EPOCH, True)
    code = fault_of(sessions, signed(UNLOCK, session, 1, 5, nonce=b"n" * 13))
    assert code[0] == faults.IV_INCORRECT_LENGTH
    fields = signed(UNLOCK, session, 1, 5)
    fields["signature_data"] = {"signer_identity": {"public_key": CLIENT_PUBLIC}, "session_info_tag": {"tag": b"t"}}
    assert fault_of(sessions, fields)[0] == faults.BAD_PARAMETER
    fields["signature_data"] = {"signer_identity": {"public_key": CLIENT_PUBLIC}}
    assert fault_of(sessions, fields)[0] == faults.BAD_PARAMETER


def test_reordered_and_repeated_counters_pass_at_most_once_each_and_only_upwards():
    sessions, session = car()
    random.seed(3)
    highest = 0
    passed = []
    for _ in range(200):
        counter = random.randrange(1, 60)
        try:
            attempt(sessions, signed(UNLOCK, session, counter, 5))
        except Fault as fault:
            assert fault.code == faults.INVALID_TOKEN_OR_COUNTER
            assert counter <= highest
        else:
            assert counter > highest
            highest = counter
            passed.append(counter)
    assert passed == sorted(set(passed)) and len(passed) > 2
