# SPDX-License-Identifier: Apache-2.0
"""Who holds a narrowed grant, or hears one being presented, makes a wider one of it: limits cut off, changed, put into
another order, taken from another grant; another number or maker; the tag of less for more.

Each limit is tagged with the tag before it, which whoever has less has not.
"""

from __future__ import annotations

import hmac
import itertools
import random
from collections.abc import Iterator

from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench import support
from tests.bench.grants import DOMAIN, DRIVER, GUEST, Maker, bring, present, takes, visitor
from tests.bench.support import Property, nothing_changes

SEED = 11
FLIPS = 60
REFUSED = {"TAG", "MAKER", "ENCODING", "KEY", "LIMITS"}


def encoded(links: list[bytes]) -> bytes:
    return b"".join(bytes([len(link)]) + link for link in links)


def links_of(grant: ours.Grant) -> list[bytes]:
    found, rest = [], grant.limits
    while rest:
        found.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    return found


def with_links(grant: ours.Grant, links: list[bytes], tag: bytes = b"") -> ours.Grant:
    return ours.Grant(handle=grant.handle, number=grant.number, limits=encoded(links), tag=tag or grant.tag)


def made_wider(mine: ours.Grant, other: ours.Grant, key: bytes) -> Iterator[tuple[str, ours.Grant]]:
    """What a holder of two narrowed grants may try."""
    bound = grants.bind(mine, key)
    links = links_of(bound)
    for at in range(len(links)):
        yield f"without link {at}", with_links(bound, links[:at] + links[at + 1 :])
    for order in itertools.permutations(range(len(links))):
        if list(order) != sorted(order):
            yield f"in order {order}", with_links(bound, [links[at] for at in order])
    for at, wider in enumerate((ours.Limits(role=DRIVER), ours.Limits(uses=99))):
        changed = [*links]
        changed[at] = wider.SerializeToString()
        yield f"link {at} changed", with_links(bound, changed)
        last = hmac.digest(mine.tag, changed[at], "sha256")[:16]
        yield f"link {at} changed, tagged with the last tag", with_links(bound, changed, last)
    yield "links of another grant", with_links(bound, links_of(grants.bind(other, key)))
    yield "the tag of another grant", with_links(bound, links, grants.bind(other, key).tag)
    yield "the tag of what it was made of", with_links(bound, links, mine.tag)
    yield "cut off, with the tag of all", with_links(mine, [*links_of(mine)[:1], links[-1]])
    for field, value in (("number", mine.number + 1), ("number", other.number), ("handle", 2)):
        again = ours.Grant.FromString(bound.SerializeToString())
        setattr(again, field, value)
        yield f"another {field}", again


def test_no_holder_of_less_makes_more_of_it(car: Bench, owner: Phone, record_property: Property) -> None:
    maker, key = Maker(owner), keyfile.generate()
    less = ours.Limits(commands=ours.Permission.Value("PERMISSION_UNLOCK"), uses=1)
    mine, other = (grants.narrow(maker.grant(role=role), less) for role in (GUEST, DRIVER))
    tried = 0
    for how, wider in made_wider(mine, other, key.public):
        with nothing_changes(car, owner), visitor(car) as phone:
            assert bring(phone, ours.ToLatchkey(grant=wider)) in REFUSED, how
        tried += 1
    random.seed(SEED)
    good = grants.bind(mine, key.public).SerializeToString()
    for _ in range(FLIPS):
        at, bit = random.randrange(len(good)), 1 << random.randrange(8)
        message = b"\x42" + _length(good) + good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :]
        with nothing_changes(car, owner), visitor(car) as phone:
            assert _heard(car, phone, message) not in ("NONE", None), (at, bit)
        tried += 1
    assert takes(car, mine, key) == "NONE", "and as it is it works"
    record_property("note", f"{tried} grants made of a narrowed one, each refused, and nothing changed")


def _length(message: bytes) -> bytes:
    size = len(message)
    return bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])


def _heard(car: Bench, phone: Phone, message: bytes) -> str | None:
    """A GrantFault's name, another fault, or None for silence."""
    envelope = messages.routable(None, support.ADDRESS, support.UUID, DOMAIN)
    envelope.protobuf_message_as_bytes = message
    phone.connection.send(envelope.SerializeToString())
    reply = support.answer(phone.connection)
    if reply is None:
        return None
    if reply.envelope.signedMessageStatus.signed_message_fault:
        return support.fault(reply)
    told = ours.FromLatchkey.FromString(reply.envelope.protobuf_message_as_bytes)
    return str(ours.GrantFault.Name(told.grant.fault)).removeprefix("GRANT_FAULT_")


def test_who_hears_a_grant_cannot_present_it_as_less_before_its_guest(car: Bench, owner: Phone) -> None:
    """It would have spent the number, and left the guest with nothing."""
    maker, key = Maker(owner), keyfile.generate()
    heard = grants.bind(maker.grant(), key.public)
    for less in (ours.Limits(uses=1), ours.Limits(commands=1), ours.Limits(key=key.public), ours.Limits(label=b"x")):
        link = less.SerializeToString()
        worse = with_links(heard, [*links_of(heard), link], hmac.digest(heard.tag, link, "sha256")[:16])
        with nothing_changes(car, owner), visitor(car) as phone:
            assert bring(phone, ours.ToLatchkey(grant=worse)) == "KEY"
    with visitor(car, key) as guest:
        assert present(guest, maker.grant(number=maker.number)) == "NONE"
        guest.start()
        guest.lock()
