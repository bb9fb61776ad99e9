# SPDX-License-Identifier: Apache-2.0
"""The authority's database: SQLite in a file, or PostgreSQL by URL. Whatever it says no with becomes one line."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.orm import Session

from host_tools.authority.models import REVISION
from host_tools.faults import LatchkeyError, Misuse

_PATIENCE = 5  # seconds for another command to be done
_PUBLISHING = 0x4C4B6579  # the number of our lock among PostgreSQL's
_WRITES = "latchkey_writes"


class DatabaseFault(LatchkeyError):
    """The database cannot do it now."""

    name = "DATABASE"


class NotOurs(Misuse):
    """What was given is no database of this version."""

    name = "DATABASE"


class Busy(LatchkeyError):
    """Somebody else publishes."""

    name = "PUBLISHING"


class Database:
    """Transactions on one database. All of its ways out raise DatabaseFault or NotOurs."""

    def __init__(self, url: str) -> None:
        try:
            self.url = sa.make_url(url)
            if self.url.drivername == "postgresql":
                self.url = self.url.set(drivername="postgresql+psycopg")
            if self.url.get_backend_name() not in ("sqlite", "postgresql"):
                raise NotOurs(f"{self.shown} is neither SQLite nor PostgreSQL", "sqlite:///FILE or postgresql://…")
            self.file = Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None
            options: dict[str, Any] = {"connect_args": {"timeout": _PATIENCE}} if self.file else {}
            self._engine = sa.create_engine(self.url, **options)
        except exc.ArgumentError:
            raise NotOurs("that is no database's URL", "sqlite:///FILE or postgresql://USER@HOST/NAME") from None
        except ImportError:
            raise NotOurs("the driver of PostgreSQL is missing", "install it: pip install 'psycopg[binary]'") from None
        self._writer = self._engine.execution_options(**{_WRITES: True})
        self._checked = False
        if self.file:
            event.listen(self._engine, "connect", _as_sqlite_should)
            event.listen(self._engine, "begin", _begin)

    @property
    def shown(self) -> str:
        """Its URL without the password."""
        return self.url.render_as_string(hide_password=True)

    def make(self) -> None:
        """Make its tables, or bring them up to this version. A new file is its owner's alone."""
        with self._faults():
            if self.file:
                os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            with self._writer.begin() as connection:
                self._check(connection, older_too=True)
                _upgrade(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that changes nothing."""
        with self._session(self._engine) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """One that does, whole or not at all."""
        with self._session(self._writer) as session:
            yield session
            session.commit()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Raises Busy while another process is in here: two that publish would give one version twice."""
        with contextlib.ExitStack() as stack, self._faults():
            if self.file:
                descriptor = os.open(f"{self.file}.publishing", os.O_RDWR | os.O_CREAT, 0o600)
                stack.callback(os.close, descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    got = True
                except BlockingIOError:
                    got = False
            else:
                connection = stack.enter_context(self._engine.connect()).execution_options(isolation_level="AUTOCOMMIT")
                got = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_PUBLISHING))))
                stack.callback(connection.invalidate)  # the lock ends with it, some time
                if got:
                    stack.callback(_unlock, connection)
            if not got:
                raise Busy("somebody else publishes with this database", "try again when they are done")
            yield

    @contextlib.contextmanager
    def _session(self, engine: sa.Engine) -> Iterator[Session]:
        with self._faults():
            if self.file and not self.file.exists():  # SQLite would make one
                raise NotOurs(f"there is no {self.file}", "make an authority first: `latchkey authority init`")
            with Session(engine) as session:
                if not self._checked:
                    self._check(session.connection())
                    self._checked = True
                yield session

    def _check(self, connection: sa.Connection, older_too: bool = False) -> None:
        """Raises NotOurs unless its tables are of this version."""
        if not sa.inspect(connection).has_table("alembic_version"):
            found = None
        else:
            found = connection.scalar(sa.text("select version_num from alembic_version"))
        if found is not None and found > REVISION:
            raise NotOurs(f"{self.shown} is of a newer version of Latchkey (its tables: {found})", "update Latchkey")
        if found != REVISION and not older_too:
            what = "is of an older version of Latchkey" if found else "holds no authority"
            raise NotOurs(f"{self.shown} {what}", "run `latchkey authority init`: it makes what is missing")

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise _told(error, self.shown) from None


def _told(error: exc.DBAPIError, shown: str) -> LatchkeyError:
    """What a driver said, and what to do."""
    said = " ".join(str(error.orig).split())
    for words, kind, hint in (
        ("is locked", DatabaseFault, "another command is at work with it: try again when it is done"),
        ("is full", DatabaseFault, "make room, and do it again: nothing of it was kept"),
        ("I/O error", DatabaseFault, "is its disk well, and has it room?"),
        ("not a database", NotOurs, "is --database right?"),
        ("unable to open", NotOurs, "does its folder exist, and may you write there?"),
        ("readonly", NotOurs, "may you write there?"),
    ):
        if words in said:
            return kind(f"{shown}: {said}", hint)
    return DatabaseFault(f"{shown}: {said}", "is --database right, and does its server run?")


def _unlock(connection: sa.Connection) -> None:
    with contextlib.suppress(exc.DBAPIError):  # a connection that has ended has no lock either
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_PUBLISHING)))


def _as_sqlite_should(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    connection.execute("pragma foreign_keys = on")


def _begin(connection: sa.Connection) -> None:
    """Who is going to write says so at once: who finds it out in the middle cannot wait for another any more."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing, within this transaction."""
    from alembic.config import Config  # slow to import, and seldom wanted
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    steps = ScriptDirectory(str(Path(__file__).with_name("migrations")))
    try:
        with EnvironmentContext(Config(), steps, fn=lambda found, _: steps._upgrade_revs("head", found)) as context:
            context.configure(connection=connection)
            context.run_migrations()
    except CommandError as error:
        raise NotOurs(f"its tables are of no version that there was: {error}", "is --database right?") from None
