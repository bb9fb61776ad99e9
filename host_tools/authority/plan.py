# SPDX-License-Identifier: Apache-2.0
"""What each car's roster says now, and whether that has to be written: because it changed, because it will expire, or
because the store did not take it. Cars come in batches, so that a million of them take no more memory than a few."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from host_tools.authority import desk
from host_tools.authority.database import Database
from host_tools.authority.models import Authority, Car, Delegation, Key, Listing
from host_tools.authority.parcels import Entry, Roster, Seal
from host_tools.phone.messages import KEY_FORM

BATCH = 200  # cars
DAY = 86400


class Why(StrEnum):
    """Why a car's file has to be written."""

    NEW = "new"
    CHANGED = "changed"
    UNFINISHED = "not stored yet"
    AGED = "will expire"
    GONE = "removed"
    NOTHING = ""


@dataclass(frozen=True)
class Plan:
    """A car, the roster that it should have, and why that has to be written."""

    car: int
    seal: Seal
    added: int
    roster: Roster
    digest: bytes
    why: Why
    version: int  # what was said last, when, and until when; 0: nothing
    issued: int
    expires: int
    leaves: bool  # it was removed: its roster lists nobody, and is the last one


@dataclass(frozen=True)
class Rules:
    """What holds for all cars of this publication."""

    generation: int
    root: bytes
    signer: bytes
    life: int  # seconds
    interval: int
    delegations: tuple[tuple[int, bool, bytes], ...]  # generation, whether it names another root, and the Signed
    shared: dict[bytes, Entry]  # the keys that are for all cars

    @classmethod
    def read(cls, session: Session) -> Rules:
        """As they are now. Raises Misuse without an authority."""
        last = desk.newest(session)
        authority = session.get_one(Authority, 1)
        columns = sa.select(Delegation.generation, Delegation.renamed, Delegation.signed)
        delegations = session.execute(columns.order_by(Delegation.generation)).all()
        shared = {entry.public: entry for _, entry in _entries(session, Listing.car_id.is_(None))}
        life = authority.days * DAY
        return cls(
            last.generation,
            last.root,
            last.signer,
            life,
            authority.interval,
            tuple((number, renamed, signed) for number, renamed, signed in delegations),
            shared,
        )

    def delegations_for(self, added: int) -> list[tuple[int, bytes]]:
        """What the file of a car begins with that knows the root of that generation."""
        return [
            (generation, signed)
            for generation, renamed, signed in self.delegations
            if generation == self.generation or (renamed and generation > added)
        ]


def batches(database: Database, now: int) -> Iterator[tuple[Rules, list[Plan]]]:
    """All cars, in the order in which they were added. Nothing is open between two batches.

    :param now: seconds since 1970
    """
    after = 0
    with database.reading() as session:
        rules = Rules.read(session)
    while True:
        with database.reading() as session:
            cars = session.scalars(sa.select(Car).where(Car.id > after).order_by(Car.id).limit(BATCH)).all()
            if not cars:
                return
            own: dict[int | None, dict[bytes, Entry]] = {}
            for car, entry in _entries(session, Listing.car_id.between(cars[0].id, cars[-1].id)):
                own.setdefault(car, {})[entry.public] = entry
            plans = [_plan(rules, car, own.get(car.id, {}), now) for car in cars]
            after = cars[-1].id
        yield rules, plans


def _entries(session: Session, which: sa.ColumnElement[bool]) -> Iterator[tuple[int | None, Entry]]:
    columns = sa.select(Listing.car_id, Key.public, Listing.role, Listing.permissions, Key.label)
    for car, public, role, permissions, label in session.execute(columns.join(Key).where(which)):
        yield car, Entry(public, role, KEY_FORM, permissions, label.encode())


def _plan(rules: Rules, car: Car, own: dict[bytes, Entry], now: int) -> Plan:
    listed = [entry for _, entry in sorted({**rules.shared, **own}.items())] if car.role else []
    digest = _digest(rules, listed)
    roster = Roster(car.vin, rules.generation, car.version, car.issued, car.expires, listed, rules.interval)
    if not car.version:
        why = Why.NEW
    elif car.digest != digest:
        why = Why.CHANGED
    elif car.role and car.expires - now < rules.life // 2:
        why = Why.AGED
    elif not car.role and car.stored and now >= car.expires:
        why = Why.GONE
    else:
        why = Why.NOTHING if car.stored else Why.UNFINISHED
    if why in (Why.NEW, Why.CHANGED, Why.AGED):
        # Time never goes back in what a car is told, whatever this computer's clock says.
        issued = max(now, car.issued)
        roster = replace(roster, version=car.version + 1, issued=issued, expires=issued + rules.life)
    said = car.version, car.issued, car.expires
    return Plan(car.id, Seal(car.seal), car.added, roster, digest, why, *said, leaves=not car.role)


def _digest(rules: Rules, listed: list[Entry]) -> bytes:
    """Of all that a roster says besides its version and its times."""
    said = hashlib.sha256(b"%d %d " % (rules.generation, rules.interval))
    for entry in listed:
        said.update(entry.packed())
    return said.digest()
