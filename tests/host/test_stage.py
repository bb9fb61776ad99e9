# SPDX-License-Identifier: Apache-2.0
"""Staging: numbers for names, nothing for type checkers, every line where it was; and a schema that is fresh."""

import os
from pathlib import Path

import pytest

from host_tools.build import schema, staging
from host_tools.build.stage import StageError, numbers, stage

NAMES = {"MessageFault": {"BUSY": 1, "INTERNAL": 11}, "Role": {"OWNER": 2}}
IMPORT = "from latchkey.wire.schema import MessageFault, Role\n"


def test_a_name_becomes_its_number_and_the_import_goes() -> None:
    text = IMPORT + "x = (MessageFault.BUSY, Role.OWNER, MessageFault.INTERNAL)\n"
    assert stage(text, NAMES) == "\nx = (1, 2, 11)\n"


def test_a_name_after_letters_of_several_bytes_becomes_its_number() -> None:
    assert stage(IMPORT + "x = 'äö', Role.OWNER, 'ü', Role.OWNER\n", NAMES) == "\nx = 'äö', 2, 'ü', 2\n"


def test_an_import_of_several_lines_leaves_as_many_empty_ones() -> None:
    text = "from latchkey.wire.schema import (\n    MessageFault,\n    Role,\n)\nx = Role.OWNER\n"
    assert stage(text, NAMES) == "\n\n\n\nx = 2\n"


def test_a_class_of_the_same_name_from_elsewhere_is_left_alone() -> None:
    text = "from latchkey.keys.record import Role\nx = Role.OWNER\n"
    assert stage(text, NAMES) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (IMPORT + "x = Role.KING\n", r"car\.py:2: Role\.KING is not in the schema"),
        (IMPORT + "x = Role\n", r"car\.py:2: Role is no value"),
        (IMPORT + "x = f'{Role.OWNER}'\n", r"car\.py:2: Role\.OWNER cannot be staged there"),
        (IMPORT + "x = (Role\n  .OWNER)\n", r"car\.py:2: Role\.OWNER cannot be staged there"),
        ("def f():\n    from latchkey.wire.schema import Role\n", r"car\.py:2: import the schema at the top"),
        ("x = = 1\n", r"car\.py:1: invalid syntax"),
    ],
)
def test_what_cannot_be_staged_is_named(text: str, why: str) -> None:
    with pytest.raises(StageError, match=why):
        stage(text, NAMES, "car.py")


def test_the_schema_is_read_without_running_it(tmp_path: Path) -> None:
    file = tmp_path / "schema.py"
    file.write_text("class Role:  # keys.proto\n    OWNER = 2\n\n\nclass Domain:\n    BROADCAST = 0\n")
    assert numbers(file) == {"Role": {"OWNER": 2}, "Domain": {"BROADCAST": 0}}


def test_a_changed_number_stages_every_module_again(tmp_path: Path) -> None:
    sources, out = tmp_path / "sources", tmp_path / "out"
    names = sources / "latchkey" / "wire" / "schema.py"
    names.parent.mkdir(parents=True)
    (sources / "latchkey" / "car.py").write_text("from latchkey.wire.schema import Role\nx = Role.OWNER\n")
    names.write_text("class Role:\n    OWNER = 2\n")
    staging.staged(out, sources)
    assert (out / "latchkey" / "car.py").read_text() == "\nx = 2\n"
    names.write_text("class Role:\n    OWNER = 3\n")
    os.utime(names, (2_000_000_000, 2_000_000_000))
    numbers.cache_clear()
    staging.staged(out, sources)
    assert (out / "latchkey" / "car.py").read_text() == "\nx = 3\n"


def test_a_module_without_a_source_goes_from_the_stage(tmp_path: Path) -> None:
    sources, out = tmp_path / "sources", tmp_path / "out"
    sources.mkdir()
    (sources / "a.py").write_text("x = 1\n")
    (sources / "b.py").write_text("x = 1\n")
    staging.staged(out, sources)
    (sources / "b.py").unlink()
    staging.staged(out, sources)
    assert sorted(path.name for path in out.glob("*.py")) == ["a.py"]


def test_the_generated_schema_is_fresh() -> None:
    assert [path.name for path, text in schema.files().items() if path.read_text("utf-8") != text] == []


def test_no_staged_module_names_the_schema() -> None:
    stage_folder = staging.staged()
    schema_file = stage_folder / "latchkey" / "wire" / "schema.py"
    others = [path for path in stage_folder.rglob("*.py") if path != schema_file]
    assert len(others) > 40
    assert [path.name for path in others if "wire.schema" in path.read_text("utf-8")] == []
