# SPDX-License-Identifier: Apache-2.0
"""What is done at an authority's desk: it is set up, cars and keys are added, keys revoked, its own keys changed.

Each is one transaction. Nothing of it reaches a car before it is published.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from host_tools.authority import keys, parcels
from host_tools.authority.database import Database
from host_tools.authority.models import Authority, Car, Delegation, Key, Listing
from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.carfile import SEAL_BYTES, CarFile
from host_tools.phone.keyfile import public_bytes

MOST_KEYS = 4096  # on one roster: what a car has room for
_CHUNK = 500  # of values in a query
_UNSEEN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def begin(
    database: Database, root: ec.EllipticCurvePrivateKey, signer: bytes, store: str, url: str, days: int, interval: int
) -> bool:
    """Set up an authority whose first delegation is by `root`. False when there was one already, which stays."""
    with database.writing() as session:
        if session.get(Authority, 1) is not None:
            return False
        session.add(Authority(id=1, store=store, url=url, days=days, interval=interval))
        _delegate(session, 1, signer, root)
        return True


def newest(session: Session) -> Delegation:
    """The delegation that counts."""
    found = session.scalar(sa.select(Delegation).order_by(Delegation.generation.desc()).limit(1))
    if found is None:
        raise Misuse("there is no authority in this database yet", "make one: `latchkey authority init`")
    return found


def rotate(
    database: Database,
    root: ec.EllipticCurvePrivateKey,
    signer: bytes | None = None,
    successor: ec.EllipticCurvePrivateKey | None = None,
) -> int:
    """Name another signer, another root, or both. The new generation: what names another root is followed by one that
    this root signs alone, for cars that were never told of the one before it.

    :param root: the private key of the root that counts now
    """
    with database.writing() as session:
        last = newest(session)
        if public_bytes(root.public_key()) != last.root:
            raise keys.WrongKey("that is not the root key that counts", f"its id is {keyfile.key_id(last.root)}")
        generation = last.generation + 1
        if successor is not None:
            _delegate(session, generation, signer or last.signer, root, successor)
            generation += 1
        _delegate(session, generation, signer or last.signer, successor or root)
        return generation


def add_cars(database: Database, vins: Iterable[str], role: int) -> list[CarFile]:
    """Their car files, in the order of the VINs. One that is there already keeps its seal, and the role it has, unless
    it was removed."""
    wanted = list(dict.fromkeys(vins))
    with database.writing() as session:
        authority, generation = session.get_one(Authority, 1), newest(session).generation
        there = {car.vin: car for car in _cars(session, wanted)}
        for car in there.values():
            car.role = car.role or role
        session.add_all(
            Car(vin=vin, seal=os.urandom(SEAL_BYTES), role=role, added=generation) for vin in wanted if vin not in there
        )
        session.flush()
        roots = dict(session.execute(sa.select(Delegation.generation, Delegation.root)).all())
        cars = {car.vin: car for car in _cars(session, wanted)}
        return [CarFile(vin, roots[cars[vin].added], cars[vin].seal, cars[vin].role, authority.url) for vin in wanted]


def remove_cars(database: Database, vins: Sequence[str]) -> int:
    """Take cars away, and what is listed for them alone. One that was told something is told once more, of nobody, and
    is there until that has expired. How many are. Raises Misuse for one that is not there: nothing has changed."""
    with database.writing() as session:
        leaving = _known(session, list(dict.fromkeys(vins)))
        for at in range(0, len(leaving), _CHUNK):
            own = Listing.car_id.in_([car.id for car in leaving[at : at + _CHUNK]])
            session.execute(sa.delete(Listing).where(own))
        session.execute(sa.delete(Key).where(Key.id.not_in(sa.select(Listing.key_id))))
        for car in leaving:
            car.role = 0
            if not car.version:
                session.delete(car)
        return sum(bool(car.version) for car in leaving)


def add_key(
    database: Database, public: bytes, label: str, role: int, permissions: int = 0, vins: Sequence[str] | None = None
) -> int:
    """Put a key on the rosters of these cars (None: of all, also those to come), in place of what it was on each.

    :returns: on how many rosters it is new or another
    """
    with database.writing() as session:
        key = session.scalar(sa.select(Key).where(Key.public == public))
        if key is None:
            key = Key(public=public, label=label)
            session.add(key)
        key.label = label or key.label
        session.flush()
        cars = [None] if vins is None else [car.id for car in _known(session, vins)]
        have = {listing.car_id: listing for listing in _listings(session, key.id, cars)}
        for car in cars:
            listing = have.get(car)
            if listing is None:
                session.add(Listing(key_id=key.id, car_id=car, role=role, permissions=permissions))
            else:
                listing.role, listing.permissions = role, permissions
        session.flush()
        if _longest(session) > MOST_KEYS:
            raise Misuse(f"a car takes at most {MOST_KEYS} keys", "revoke some first: nothing of this was kept")
        return len(cars)


def revoke(database: Database, public: bytes, vins: Sequence[str] | None = None) -> int:
    """Take a key off these cars' rosters, or off all. From how many lists it went. Raises Misuse when from none."""
    with database.writing() as session:
        key = session.scalar(sa.select(Key).where(Key.public == public))
        if key is None:
            raise Misuse(f"key {keyfile.key_id(public)} is on no roster", "was it added with another file?")
        gone = _listings(session, key.id, None if vins is None else [car.id for car in _known(session, vins)])
        if not gone:
            raise Misuse(f"key {keyfile.key_id(public)} is not listed for that car itself", "is it for all cars?")
        for listing in gone:
            session.delete(listing)
        session.flush()
        if not _listings(session, key.id, None):
            session.delete(key)
        return len(gone)


def move(database: Database, store: str) -> None:
    """Let `store` be where files are from now on: none of them is there yet."""
    with database.writing() as session:
        session.get_one(Authority, 1).store = store
        session.execute(sa.update(Car).values(stored=False))


def publics(database: Database, key_id: str) -> list[bytes]:
    """The keys with that id: 8 hex digits."""
    with database.reading() as session:
        every = session.scalars(sa.select(Key.public)).yield_per(1000)
        return [public for public in every if keyfile.key_id(public) == key_id.lower()]


def check_label(label: str) -> None:
    """Raises Misuse for a label for which a car would refuse the whole roster (docs/protocol.md, "Added")."""
    try:
        size = len(label.encode())
    except UnicodeEncodeError:
        size = messages.LABEL_BYTES + 1
    if size > messages.LABEL_BYTES or _UNSEEN.search(label):
        raise Misuse(
            f"{label!r} is no label", f"at most {messages.LABEL_BYTES} bytes of UTF-8, without control characters"
        )


def permissions(names: Iterable[str]) -> int:
    """The bits of permissions by their names in lower case. Raises Misuse."""
    known = {name.removeprefix("PERMISSION_").lower(): bit for name, bit in ours.Permission.items() if bit}
    total = 0
    for name in names:
        if name not in known:
            raise Misuse(f"there is no permission {name!r}", f"there are {', '.join(known)}")
        total |= known[name]
    return total


def _delegate(
    session: Session,
    generation: int,
    signer: bytes,
    root: ec.EllipticCurvePrivateKey,
    successor: ec.EllipticCurvePrivateKey | None = None,
) -> None:
    signed = parcels.delegation(generation, [signer], root, successor)
    named = public_bytes((successor or root).public_key())
    session.add(
        Delegation(generation=generation, root=named, signer=signer, renamed=successor is not None, signed=signed)
    )


def _cars(session: Session, vins: Sequence[str]) -> list[Car]:
    found: list[Car] = []
    for at in range(0, len(vins), _CHUNK):
        found += session.scalars(sa.select(Car).where(Car.vin.in_(vins[at : at + _CHUNK])))
    return found


def _known(session: Session, vins: Sequence[str]) -> list[Car]:
    found = [car for car in _cars(session, vins) if car.role]
    missing = sorted(set(vins) - {car.vin for car in found})
    if missing:
        raise Misuse(f"there is no car {missing[0]} here", "add it first: `latchkey authority car add VIN`")
    return found


def _listings(session: Session, key: int, cars: Sequence[int | None] | None) -> list[Listing]:
    """Those of a key: for these cars (None is all cars' own), or wherever it is listed."""
    found = session.scalars(sa.select(Listing).where(Listing.key_id == key)).all()
    return [listing for listing in found if cars is None or listing.car_id in cars]


def _longest(session: Session) -> int:
    """As many keys as the longest roster may have."""
    shared = session.scalar(sa.select(sa.func.count()).where(Listing.car_id.is_(None))) or 0
    own = (
        sa.select(sa.func.count().label("count")).where(Listing.car_id.is_not(None)).group_by(Listing.car_id).subquery()
    )
    return shared + (session.scalar(sa.select(sa.func.max(own.c.count))) or 0)
