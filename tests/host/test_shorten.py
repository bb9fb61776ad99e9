# SPDX-License-Identifier: Apache-2.0
"""Short private names: one for several words that never meet, and the words of others as they are."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from host_tools.build import compiling, staging
from host_tools.build.shorten import short_names, shorten
from host_tools.build.stage import StageError

CAR = "class Car:\n    def __init__(self):\n        self._doors = self._locks = 4\n"
KEYS = "def _find():\n    pass\n"


def test_the_names_of_a_file_are_apart_and_those_of_strangers_share() -> None:
    short = short_names({"car.py": CAR, "keys.py": KEYS})
    assert set(short) == {"_doors", "_locks", "_find"}
    assert short["_doors"] != short["_locks"]
    assert short["_find"] in {short["_doors"], short["_locks"]}


def test_a_name_of_several_files_is_apart_from_all_names_there() -> None:
    short = short_names({"car.py": CAR, "keys.py": KEYS, "both.py": "_find = None\n_doors = 4\n_fifth = 5\n"})
    assert len({short["_find"], short["_doors"], short["_locks"]}) == 3
    assert len({short["_find"], short["_doors"], short["_fifth"]}) == 3


@pytest.mark.parametrize("between", ["", "class Middle(Car):\n    pass\n"])
def test_the_names_of_a_class_are_apart_from_those_of_the_classes_it_inherits_from(between: str) -> None:
    modules = {"latchkey/car.py": CAR, "latchkey/middle.py": "from latchkey.car import Car\n" + between}
    base = "Middle" if between else "Car"
    modules["latchkey/bus.py"] = (
        f"from latchkey.middle import {base}\n"
        f"class Bus({base}):\n    def _open(self):\n        self._seats = self._doors\n"
    )
    if not between:
        modules["latchkey/middle.py"] = modules.pop("latchkey/car.py")
    short = short_names(modules)
    assert len({short[word] for word in ("_doors", "_locks", "_open", "_seats")}) == 4


def test_it_depends_on_the_modules_alone() -> None:
    modules = {"car.py": CAR, "keys.py": KEYS, "both.py": "_find = None\n_fifth = 5\n"}
    assert short_names(dict(reversed(modules.items()))) == short_names(modules)


@pytest.mark.parametrize(
    "text",
    [
        "characteristic._value_handle\n",
        "_value_handle = 1\ncharacteristic._value_handle\n",
        "import _value_handle\n",
        "from aioble.server import _value_handle\n",
        "f(_value_handle=1)\n",
        "from micropython import const\n_value_handle = const(1)\n",
        "class A:\n    def __value_handle__(self, _):\n        pass\n",
    ],
)
def test_what_may_be_anothers_or_is_in_no_compiled_file_stays(text: str) -> None:
    assert short_names({"car.py": text}) == {}


def test_a_short_name_is_nobody_elses() -> None:
    short = short_names({"car.py": "_doors = 4\n", "radio.py": "device._a, device._b\n"})
    assert short == {"_doors": "_c"}


def test_a_constant_that_is_something_else_in_another_file_is_shortened() -> None:
    modules = {"car.py": "_DOORS = const(4)\n_locks = 1\n", "keys.py": "_DOORS = bytes(4)\n"}
    short = short_names(modules)
    assert short.keys() == {"_DOORS", "_locks"} and len(set(short.values())) == 2


def test_every_line_stays_where_it_was_and_texts_say_what_they_said() -> None:
    text = '"""A car._doors"""\n\n_doors = 4  # four\nprint(f"{_doors} doors", "snake_doors", __name__)\n'
    assert shorten("car.py", text, short_names({"car.py": text})).splitlines()[1:] == [
        "",
        "_a = 4  # four",
        'print(f"{_a} doors", "snake_doors", __name__)',
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\ngetattr(x, '_doors')\n", "car.py:2: '_doors' may be a private name"),
        ("getattr(x, '_' + name)\n", "car.py:1: '_' may be"),
        ("x = b'say _doors'\n", "car.py:1: 'say _doors' may be"),
        ("x = f'_{name}'\n", "car.py:1: '_' may be"),
        ("from aioble import Device\nclass Car(Device): pass\n", "car.py:2: Device is no class of a module"),
        ("import aioble\nclass Car(aioble.Device): pass\n", "car.py:2: aioble.Device is no class of a module"),
    ],
)
def test_what_could_be_found_by_its_word_only_is_refused(text: str, why: str) -> None:
    with pytest.raises(StageError, match=re.escape(why)):
        short_names({"car.py": text})


def test_a_changed_file_is_shortened_again_and_one_without_a_source_goes(tmp_path: Path) -> None:
    stage, out = tmp_path / "stage", tmp_path / "out"
    stage.mkdir()
    (stage / "car.py").write_text("_doors = 4\n")
    (stage / "keys.py").write_text("_find = 1\n")
    staging.shortened(out, stage)
    (stage / "car.py").write_text("_doors = 5\n")
    (stage / "keys.py").unlink()
    staging.shortened(out, stage)
    assert {path.name: path.read_text() for path in out.glob("*.py")} == {"car.py": "_a = 5\n"}


def test_what_cannot_be_shortened_is_told_as_what_cannot_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "car.py").write_text("getattr(x, '_doors')\n")
    with pytest.raises(staging.CompileError, match="_doors"):
        staging.shortened(tmp_path / "out", tmp_path)


@pytest.mark.parametrize(
    ("path", "module", "said"),
    [
        ("latchkey/keys/desk.py", "latchkey.keys.record", ".record"),
        ("latchkey/keys/desk.py", "latchkey.keys", "."),
        ("latchkey/keys/desk.py", "latchkey.store", "..store"),
        ("latchkey/keys/desk.py", "latchkey", ".."),
        ("latchkey/keys/desk.py", "latchkey.store.files", "latchkey.store.files"),  # two words, and new ones
        ("latchkey/keys/__init__.py", "latchkey.keys.record", ".record"),
        ("latchkey/keys/desk.py", "asyncio", "asyncio"),
        ("main.py", "latchkey", "latchkey"),
    ],
)
def test_an_import_says_which_module_from_where_it_stands(path: str, module: str, said: str) -> None:
    assert shorten(path, f"def f():\n    from {module} import x\n", {}) == f"def f():\n    from {said} import x\n"


def structure(text: str, path: Path) -> list[object]:
    """What a text is made of, without its names, and which modules it imports from."""
    package = ".".join(path.parts[:-1])
    return [
        importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        if isinstance(node, ast.ImportFrom)
        else type(node)
        for node in ast.walk(ast.parse(text))
    ]


def test_the_firmware_means_the_same_with_short_names() -> None:
    staged, shortened = staging.staged(), staging.shortened()
    texts = {path: path.read_text() for path in staged.rglob("*.py") if path.name != "schema.py"}
    short = short_names({path.relative_to(staged).as_posix(): text for path, text in texts.items()})
    assert len(short) > 200 and len(set(short.values())) < 50
    for path, text in texts.items():
        now = (shortened / path.relative_to(staged)).read_text()
        assert structure(text, path.relative_to(staged)) == structure(now, path.relative_to(staged))
        inside = {word for word in short if re.search(rf"(?<!\w){word}\b", text)}
        assert len({short[word] for word in inside}) == len(inside), path


def test_a_board_has_no_long_name(tmp_path: Path) -> None:
    staged = staging.staged()
    modules = {path.relative_to(staged).as_posix(): path.read_text() for path in staged.rglob("*.py")}
    modules.pop(staging.SCHEMA)
    words = [word.encode() for word in short_names(modules) if len(word) > 2]

    def found(sources: Path | None) -> int:
        files = compiling.build(tmp_path, "xtensawin", sources=sources, small=True)
        compiled = b"".join(file.read_bytes() for file in files if file.suffix == ".mpy")
        return sum(b"%c%b\0" % (2 * len(word), word) in compiled for word in words)  # as MicroPython stores a name

    assert found(staged) > 250
    assert found(None) == 0
