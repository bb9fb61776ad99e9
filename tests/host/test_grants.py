# SPDX-License-Identifier: Apache-2.0
"""Grants: made by an owner alone, passed on as less, bound to one key; nothing wider comes of them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools.phone import grants, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.grants import BadGrant
from tests.host import grant_vectors
from tests.host.grant_vectors import CAR, GRANT_KEY, LIMITS, MADE, NAMED, NARROWED, PRESENTED, REVOKE_KEY, SHARED
from tests.host.rosters import private, public

GUEST, DRIVER, OWNER = (messages.ROLES[name] for name in ("guest", "driver", "owner"))
UNLOCK = ours.Permission.Value("PERMISSION_UNLOCK")


def made(**limits: Any) -> ours.Grant:
    return grants.make(GRANT_KEY, 1, 7, ours.Limits(**{"role": GUEST, **limits}))


def narrowed(grant: ours.Grant, **limits: Any) -> ours.Grant:
    return grants.narrow(grant, ours.Limits(**limits))


def test_the_cars_tests_have_these_vectors() -> None:
    assert grant_vectors.FILE.read_text("utf-8") == grant_vectors.text()


def test_a_tag_is_what_the_protocol_says() -> None:
    salt = b"\1\2\3\4"
    key = hmac.digest(SHARED, b"latchkey grant" + salt, hashlib.sha256)
    first = hmac.digest(key, b"latchkey" + b"\0\0\0\1" + b"\0\0\0\7" + LIMITS.SerializeToString(), hashlib.sha256)[:16]
    assert MADE.tag == first
    bound = ours.Limits(key=public(2)).SerializeToString()
    assert PRESENTED.tag == hmac.digest(first, bound, hashlib.sha256)[:16]
    assert PRESENTED.limits == MADE.limits + bytes([len(bound)]) + bound


def test_a_revocations_tag_is_what_the_protocol_says() -> None:
    key = hmac.digest(SHARED, b"latchkey revoke\1\2\3\4", hashlib.sha256)
    revoked = ours.Revocation(handle=1, numbers=bytes.fromhex("0000000700000009"), below=5)
    tag = hmac.digest(key, b"latchkey" + revoked.SerializeToString(), hashlib.sha256)[:16]
    assert grants.revocation(REVOKE_KEY, 1, [9, 7], below=5).tag == tag
    assert grants.numbers_of(revoked) == [7, 9]


def test_a_revocation_of_anothers_grants_is_of_that_enrolment_and_of_nobody_who_has_its_handle_later() -> None:
    key = hmac.digest(SHARED, b"latchkey revoke\1\2\3\4", hashlib.sha256)
    whose = hashlib.sha256(public(3) + b"\5\6\7\x08").digest()[:8]
    untagged = ours.Revocation(handle=1, maker=3, below=grants.ALL).SerializeToString()
    assert grants.enrolment(public(3), 0x05060708) == whose
    tag = hmac.digest(key, b"latchkey" + untagged + whose, hashlib.sha256)[:16]
    assert grant_vectors.REVOKED_ALL.tag == tag


def test_the_owner_knows_his_grants_and_what_was_made_of_them() -> None:
    assert all(grants.is_genuine(GRANT_KEY, it) for it in (MADE, PRESENTED, NARROWED, NAMED))
    other = grants.grant_key(SHARED, 1)
    assert not any(grants.is_genuine(other, it) for it in (MADE, PRESENTED, NARROWED, NAMED))


@pytest.mark.parametrize("field", ["handle", "number", "limits", "tag"])
def test_a_grant_that_was_changed_is_not_genuine(field: str) -> None:
    changed = ours.Grant()
    changed.CopyFrom(PRESENTED)
    value = getattr(changed, field)
    setattr(changed, field, value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1]))
    with contextlib.suppress(BadGrant):
        assert not grants.is_genuine(GRANT_KEY, changed)


def test_a_link_taken_off_is_noticed() -> None:
    cut = ours.Grant(handle=1, number=7, limits=MADE.limits, tag=NARROWED.tag)
    assert not grants.is_genuine(GRANT_KEY, cut)


def test_what_counts_is_what_all_limits_allow() -> None:
    grant = made(not_before=100, not_after=1000, uses=5, seconds=600, commands=0b11111, label=b"Bo")
    grant = narrowed(grant, not_before=50, not_after=2000, uses=9, seconds=700, commands=0b111000, label=b"Cy")
    told = grants.allowed(narrowed(grant, not_before=200, not_after=900, uses=2, key=public(2)))
    assert told == grants.Allowed("guest", 0b11000, 200, 900, 2, 600, public(2), "Cy")


def test_a_grant_without_limits_allows_what_its_role_may() -> None:
    told = grants.allowed(made(role=messages.ROLES["charging"]))
    assert (told.commands, told.uses, told.not_after, told.counts_starts) == (0b10001001, 0, 0, False)


def test_a_role_can_only_become_less() -> None:
    assert grants.allowed(narrowed(made(role=DRIVER), role=GUEST)).role == "guest"
    with pytest.raises(BadGrant, match="more"):
        narrowed(made(role=GUEST), role=DRIVER)
    with pytest.raises(BadGrant, match="more"):
        narrowed(narrowed(made(role=DRIVER), role=GUEST), role=DRIVER)


@pytest.mark.parametrize("role", [0, OWNER, messages.ROLES["service"], 7, 99])
def test_no_owner_and_nothing_unheard_of_is_made(role: int) -> None:
    with pytest.raises(BadGrant, match="no role"):
        made(role=role)


@pytest.mark.parametrize(
    "limits",
    [
        {"commands": ours.Permission.Value("PERMISSION_ADD_KEY")},
        {"role": messages.ROLES["monitor"], "commands": UNLOCK},
        {"not_before": 1000, "not_after": 1000},
        {"not_before": 1001, "not_after": 1000},
    ],
)
def test_a_grant_of_nothing_is_not_made(limits: dict[str, Any]) -> None:
    with pytest.raises(BadGrant, match="nothing is left"):
        made(**limits)


def test_a_key_is_named_once() -> None:
    assert grants.bind(NAMED, public(2)) == NAMED
    with pytest.raises(BadGrant, match="another key's"):
        grants.bind(NAMED, public(3))
    with pytest.raises(BadGrant, match="already"):
        narrowed(PRESENTED, key=public(2))
    with pytest.raises(BadGrant, match="already"):
        narrowed(PRESENTED, uses=1)  # who overhears it can make nothing else of it


def test_a_chain_has_an_end() -> None:
    grant = made(uses=9)
    for uses in (8, 7, 6):
        grant = narrowed(grant, uses=uses)
    with pytest.raises(BadGrant, match="one to 4"):
        narrowed(grant, uses=5)


@pytest.mark.parametrize(
    "label", [b"x" * 25, b"\xff", b"a\x1b[2J", "\u202e".encode(), b"a\nb", b"x" * 250]
)  # fmt: skip
def test_a_label_is_plain_and_short(label: bytes) -> None:
    with pytest.raises(BadGrant):
        made(label=label)


@pytest.mark.parametrize(
    "limits",
    [
        b"",
        b"\0",
        b"\5\x08\x08",  # cut off
        b"\2\x08\x08\2\x08",
        b"\4\x08\x08\x08\x08",  # twice
        b"\4\x08\x88\x80\x00",  # a longer encoding of the same
        b"\4\x10\x01\x08\x08",  # out of order
        b"\4\x08\x08\x10\x00",  # a zero
        b"\4\x08\x08\x48\x01",  # unknown
    ],
)
def test_only_one_encoding_is_read(limits: bytes) -> None:
    with pytest.raises(BadGrant):
        grants.allowed(ours.Grant(handle=1, number=7, limits=limits, tag=bytes(16)))


@pytest.mark.parametrize(
    "changed", [{"handle": 0}, {"number": 0}, {"number": grants.ALL}, {"tag": bytes(15)}, {"tag": b""}]
)
def test_a_grant_is_whole(changed: dict[str, Any]) -> None:
    fields = {"handle": 1, "number": 7, "limits": MADE.limits, "tag": bytes(16), **changed}
    with pytest.raises(BadGrant, match="is not one"):
        grants.allowed(ours.Grant(**fields))


_LIMITS = st.builds(
    ours.Limits,
    role=st.sampled_from([0, 0, DRIVER, GUEST, messages.ROLES["charging"], messages.ROLES["monitor"], OWNER]),
    commands=st.integers(0, 0xFFF),
    not_before=st.integers(0, 50),
    not_after=st.integers(0, 50),
    uses=st.integers(0, 5),
    seconds=st.integers(0, 5),
    label=st.sampled_from([b"", b"Bo", b"Cy"]),
)


@given(first=_LIMITS, further=st.lists(_LIMITS, max_size=4))
def test_nothing_that_is_made_of_a_grant_allows_more(first: ours.Limits, further: list[ours.Limits]) -> None:
    try:
        grant = grants.make(GRANT_KEY, 1, 7, first)
    except BadGrant:
        return
    for limits in further:
        before = grants.allowed(grant)
        try:
            grant = grants.narrow(grant, limits)
        except BadGrant:
            continue
        after = grants.allowed(grant)
        assert after.commands & before.commands == after.commands
        assert after.not_before >= before.not_before
        for name in ("not_after", "uses", "seconds"):
            had, has = getattr(before, name), getattr(after, name)
            assert not had or 0 < has <= had, name
    assert grants.is_genuine(GRANT_KEY, grant)


def test_a_secret_is_of_one_car_and_one_enrolment() -> None:
    keys = {grants.grant_key(SHARED, salt) for salt in range(3)}
    keys |= {grants.revoke_key(SHARED, salt) for salt in range(3)}
    assert len(keys) == 6 and grant_vectors.OWNER != CAR
    assert private(CAR) is not None
