# SPDX-License-Identifier: Apache-2.0
"""Write what changed, and take away what is over, many files at a time.

What a version says is put down before anybody can see it, and that the store has it afterwards. So a publication that
was cut off or half refused is completed by the next one, with the very same bytes: a car never sees one version twice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.authority import parcels, plan
from host_tools.authority.database import Database
from host_tools.authority.models import Car
from host_tools.authority.plan import Plan, Rules, Why
from host_tools.authority.store import Store
from host_tools.phone import parcelfile

PARALLEL = 32  # files on their way at a time
_HOPELESS = 20  # as many refusals without one success: the store is not there


@dataclass
class Published:
    """What became of a publication."""

    cars: int = 0
    written: Counter[Why] = field(default_factory=Counter)
    bytes: int = 0
    refused: int = 0  # by the store
    reason: str = ""  # of the first refusal
    given_up: bool = False  # before all cars had their turn


class Publication:
    """One run of `publish`: the store, the signing key, and what has been done so far."""

    def __init__(self, database: Database, store: Store, signer: Callable[[bytes], ec.EllipticCurvePrivateKey]) -> None:
        self._database = database
        self._store = store
        self._signer = signer  # by its public key
        self._lock = threading.Lock()
        self.done = Published()

    def run(self, now: int, progress: Callable[[int], object] = lambda cars: None) -> Published:
        """Publish; `progress` hears how many cars have had their turn. Raises Busy, DatabaseFault."""
        key: ec.EllipticCurvePrivateKey | None = None
        with self._database.alone(), ThreadPoolExecutor(PARALLEL) as threads:
            for rules, plans in plan.batches(self._database, now):
                key = key or self._signer(rules.signer)
                wanted = [it for it in plans if it.why]
                self._intend(it for it in wanted if it.why not in (Why.UNFINISHED, Why.GONE))
                stored = [it for it in threads.map(partial(self._write, rules, key), wanted) if it]
                if stored:
                    self._store.settle()
                    self._keep(stored)
                self.done.cars += len(plans)
                progress(len(plans))
                if self.done.given_up:
                    break
        return self.done

    def _intend(self, plans: Iterable[Plan]) -> None:
        self._update([
            {
                "id": it.car,
                "version": it.roster.version,
                "digest": it.digest,
                "issued": it.roster.issued,
                "expires": it.roster.expires,
                "stored": False,
            }
            for it in plans
        ])

    def _keep(self, plans: Iterable[Plan]) -> None:
        self._update([{"id": it.car, "stored": True} for it in plans if it.why is not Why.GONE])
        gone = [it.car for it in plans if it.why is Why.GONE]
        if gone:
            with self._database.writing() as session:
                session.execute(sa.delete(Car).where(Car.id.in_(gone), Car.role == 0))

    def _update(self, rows: list[dict[str, object]]) -> None:
        if rows:
            with self._database.writing() as session:
                session.execute(sa.update(Car), rows)

    def _write(self, rules: Rules, key: ec.EllipticCurvePrivateKey, it: Plan) -> Plan | None:
        """Make one file and store it, or remove one; None when the store refuses. In one of several threads."""
        if self.done.given_up:
            return None
        name, file = parcelfile.name_of(it.seal.address), b""
        try:
            if it.why is Why.GONE:
                self._store.remove(name)
            else:
                file = parcels.roster_file(it.seal, rules.delegations_for(it.added), it.roster, key)
                self._store.put(name, file)
        except Exception as error:  # noqa: BLE001 - each store's library has its own
            with self._lock:
                self.done.refused += 1
                self.done.reason = self.done.reason or f"{type(error).__name__}: {error}"
                self.done.given_up = self.done.refused >= _HOPELESS and not self.done.bytes
            return None
        with self._lock:
            self.done.written[it.why] += 1
            self.done.bytes += len(file)
        return it
