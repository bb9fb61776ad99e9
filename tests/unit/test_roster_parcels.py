# SPDX-License-Identifier: Apache-2.0
"""A parcel looked at, opened and read: what is wrong is declined by its own code, and the vectors are right."""

import authority_vectors as vectors
from latchkey.clock import Clock
from latchkey.roster import kept, lookup, parcels
from latchkey.roster.held import Roster
from latchkey.store import formats
from latchkey.wire import authoritymessages as messages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import Decline, Parcel, Signed
from ramflash import ROOT

_NUMBERS = {
    "address": Parcel.address, "generation": Parcel.generation, "version": Parcel.version, "part": Parcel.part,
    "sealed": Parcel.sealed,
}  # fmt: skip

SEAL = bytes.fromhex(vectors.SEAL)
DELEGATION, HEAD, PART = (
    decode(messages.PARCEL, bytes.fromhex(parcel))
    for parcel in (vectors.DELEGATION_PARCEL, vectors.HEAD_PARCEL, vectors.PART_PARCEL)
)


def state(made=0, version=0, **more):
    now = kept.State(bytes.fromhex(vectors.ROOT), SEAL, 3, b"")
    now.generation, now.made, now.version = 1, made, version
    for name, value in more.items():
        setattr(now, name, value)
    return now


def roster(now, coming=None, floor=(0, 0)):
    made = Roster(ROOT, Clock(), now, floor)
    made.coming = coming
    return made


def declined(do, *arguments):
    """The Decline that it raises; 0: none."""
    try:
        do(*arguments)
        return 0
    except parcels.Declined as error:
        return error.code


def bent(parcel, **other):
    made = dict(parcel)
    made.update({_NUMBERS[name]: value for name, value in other.items()})
    return made


def test_order_is_looked_at_first():
    there = roster(state(1, 5))
    for version, code in ((4, Decline.OLD), (5, 0), (6, 0)):
        assert declined(parcels.check, there, bent(HEAD, version=version)) == code, version
    assert declined(parcels.check, roster(state(1, 5), floor=(1, 7)), bent(HEAD, version=6)) == Decline.OLD
    for generation, code in ((0, Decline.OLD), (1, 0), (2, 0)):
        assert declined(parcels.check, there, bent(DELEGATION, generation=generation)) == code, generation
    assert declined(parcels.check, there, bent(HEAD, address=b"a" * 16)) == Decline.ADDRESS
    assert declined(parcels.check, there, {}) == Decline.ADDRESS


def test_of_parts_only_the_one_that_is_wanted_is_let_through():
    wanted = bent(PART, generation=1, version=6, part=3)
    assert declined(parcels.check, roster(state(1, 5)), wanted) == Decline.PART
    for made, version, part in ((1, 6, 2), (1, 7, 3), (2, 6, 3)):
        there = roster(state(1, 5), state(made, version, part=part))
        assert declined(parcels.check, there, wanted) == Decline.PART
    assert declined(parcels.check, roster(state(1, 5), state(1, 6, part=3)), wanted) == 0


def test_the_seal_is_that_of_these_numbers_and_this_car():
    assert parcels.signed(parcels.opened(SEAL, DELEGATION))[1] == bytes.fromhex(vectors.DELEGATION_BODY)
    assert parcels.signed(parcels.opened(SEAL, HEAD))[1] == bytes.fromhex(vectors.HEAD_BODY)
    assert parcels.opened(SEAL, PART) == bytes.fromhex(vectors.PART)
    sealed = bytes(HEAD[Parcel.sealed])
    for other in ({"part": 1}, {"version": 2}, {"generation": 2}, {"address": b"a" * 16}):
        assert declined(parcels.opened, SEAL, bent(HEAD, **other)) == Decline.SEAL, other
    for wrong in (b"", bytes(27), bytes(28), sealed[:-1], bytes((sealed[0] ^ 1,)) + sealed[1:]):
        assert declined(parcels.opened, SEAL, bent(HEAD, sealed=wrong)) == Decline.SEAL, wrong
    assert declined(parcels.opened, b"x" * 16, HEAD) == Decline.SEAL


def test_what_the_car_has_is_known_and_another_one_in_its_place_is_not_taken():
    plain = {"delegation": parcels.opened(SEAL, DELEGATION), "head": parcels.opened(SEAL, HEAD)}
    mine = formats.digest(bytes.fromhex(vectors.DELEGATION_BODY))
    assert parcels.known(roster(state(delegation=mine)), DELEGATION, plain["delegation"])
    assert declined(parcels.known, roster(state()), DELEGATION, plain["delegation"]) == Decline.CONTENT
    assert not parcels.known(roster(state(delegation=mine)), bent(DELEGATION, generation=2), plain["delegation"])

    mine = formats.digest(bytes.fromhex(vectors.HEAD_BODY))
    assert not parcels.known(roster(state()), HEAD, plain["head"])
    assert parcels.known(roster(state(1, 1, digest=mine)), HEAD, plain["head"])
    assert parcels.known(roster(state(), state(1, 1, digest=mine)), HEAD, plain["head"]), "under way"
    assert declined(parcels.known, roster(state(1, 1)), HEAD, plain["head"]) == Decline.CONTENT
    assert declined(parcels.known, roster(state(), state(1, 1)), HEAD, plain["head"]) == Decline.CONTENT
    there = roster(state(1, 1, digest=mine))
    assert not parcels.known(there, bent(HEAD, part=1), b"a part is looked at by its hash")
    assert not parcels.known(there, bent(HEAD, version=2), plain["head"])


def test_a_roster_whose_entries_are_lost_may_be_brought_again():
    mine = formats.digest(bytes.fromhex(vectors.HEAD_BODY))
    there, head = roster(state(1, 1, digest=mine, keys=2)), parcels.opened(SEAL, HEAD)
    real = lookup.lost
    try:
        for lost in (True, False):
            lookup.lost = lambda root, place, keys: lost and keys == 2  # noqa: B023 - called at once
            assert parcels.known(there, HEAD, head) != lost
    finally:
        lookup.lost = real


def test_there_is_one_encoding():
    whole = parcels.opened(SEAL, HEAD)
    fields = parcels.read(messages.SIGNED, whole)
    body = encode(messages.SIGNED, {Signed.body: fields[Signed.body]})
    assert parcels.read(messages.SIGNED, body)
    for wrong in (whole[len(body) :] + body, whole + b"\x20\x00", whole + b"\x7a\x01\x00", whole[:-1]):
        assert declined(parcels.read, messages.SIGNED, wrong) == Decline.ENCODING, wrong


async def test_a_signature_is_of_this_domain_this_body_and_this_key():
    fields, body = parcels.signed(parcels.opened(SEAL, HEAD))
    signer, signature = bytes.fromhex(vectors.SIGNER), fields[Signed.signature]
    await parcels.verify(signer, b"latchkey roster", body, signature)
    root = bytes.fromhex(vectors.ROOT)
    for key, domain, said, mark in (
        (root, b"latchkey roster", body, signature),
        (signer, b"latchkey delegation", body, signature),
        (signer, b"latchkey roster", body + b"\0", signature),
        (signer, b"latchkey roster", body, bytes(64)),
        (signer, b"latchkey roster", body, b""),
        (b"", b"latchkey roster", body, signature),
    ):
        try:
            await parcels.verify(key, domain, said, mark)
            raise AssertionError("it counted")
        except parcels.Declined as error:
            assert error.code == Decline.SIGNATURE
