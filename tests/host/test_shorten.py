# SPDX-License-Identifier: Apache-2.0
"""Short names: one for several words that no look-up meets together, and the words of others as they are."""

import ast
import importlib.util
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from host_tools.build import compiling, staging, theirs
from host_tools.build.shorten import short_names, shorten, translated
from host_tools.build.stage import StageError

CAR = "class Car:\n    def __init__(self):\n        self._doors = self.locks = 4\n"
FAULTS = "class Fault(Exception):\n    pass\n"
KEYS = "def find():\n    pass\n"


def short_of(text: str, theirs: Iterable[str] = (), asked: Iterable[str] = ()) -> dict[str, str]:
    """The short names of a firmware with this module and two more."""
    modules = {
        "latchkey/car.py": text,
        "latchkey/keys.py": KEYS,
        "latchkey/faults.py": "class Fault(Exception): pass\n",
    }
    return short_names(modules, set(theirs), set(asked))


def test_strangers_share_a_name() -> None:
    short = short_names({"car.py": CAR, "keys.py": KEYS})
    assert set(short) == {"Car", "_doors", "locks", "find"}
    assert short["_doors"] != short["locks"]
    assert short["find"] == short["Car"]


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("def open(door, lock): pass\n", "door lock"),
        ("doors = 4\ndef count(locks): pass\n", "doors locks"),
        ("def lock(): pass\ndef count(doors): pass\n", "lock doors"),
        ("def count(doors):\n    global locks\n    locks = 1\n", "doors locks"),
        ("def count(doors):\n    def each(lock):\n        return doors\n", "doors lock"),
        ("def count(doors):\n    return lambda lock: doors\n", "doors lock"),
        ("def count(doors):\n    class Lock: locks = doors\n", "doors locks"),
        ("doors = 4\nclass Car:\n    locks = doors\n", "doors locks"),
        ("DOORS = const(4)\ndef count(locks): pass\n", "DOORS locks"),
        ("class Car:\n    doors = 4\n    def lock(self): self.locks = 1\n", "doors lock locks"),
        (
            "class Car:\n    doors = 4\nclass Bus:\n    locks = 1\n",
            "doors locks",
        ),  # of which is it?
    ],
)
def test_what_one_look_up_may_meet_is_apart(text: str, apart: str) -> None:
    short = short_names({"car.py": text})
    assert len({short[word] for word in apart.split()}) == len(apart.split())


@pytest.mark.parametrize(
    "text",
    [
        "def count(doors): pass\ndef close(locks): pass\n",
        "class Car:\n    def __init__(self, doors): self.locks = doors\n",
        "doors = 4\nclass Car:\n    def __init__(self): self.locks = 1\n",
    ],
)
def test_what_no_look_up_meets_shares_a_name_within_a_file(text: str) -> None:
    short = short_names({"car.py": text})
    assert {"doors", "locks"} <= short.keys() and len(set(short.values())) == len(short) - 1


def test_what_a_traceback_names_is_apart_in_its_file_and_has_not_the_name_of_an_error() -> None:
    text = "class Car:\n    def lock(self): pass\nclass Bus:\n    def stop(self): pass\ndef lock_all(): pass\n"
    short = short_names({"car.py": text})
    names = {short[word] for word in ("Car", "lock", "Bus", "stop", "lock_all")}
    assert len(names) == 5 and not any(name.endswith("Error") for name in names)


def test_a_name_of_several_files_is_apart_from_all_names_there() -> None:
    short = short_names({"car.py": CAR, "keys.py": KEYS, "both.py": "find = None\n_doors = 4\nfifth = 5\n"})
    assert len({short["find"], short["_doors"], short["fifth"]}) == 3
    assert len({short["_doors"], short["locks"]}) == 2


@pytest.mark.parametrize("between", ["", "class Middle(Car):\n    pass\n"])
def test_the_names_of_a_class_are_apart_from_those_of_the_classes_it_inherits_from(between: str) -> None:
    modules = {"latchkey/car.py": CAR, "latchkey/middle.py": "from latchkey.car import Car\n" + between}
    base = "Middle" if between else "Car"
    modules["latchkey/bus.py"] = (
        f"from latchkey.middle import {base}\n"
        f"class Bus({base}):\n    def load(self):\n        self.seats = self._doors\n"
    )
    if not between:
        modules["latchkey/middle.py"] = modules.pop("latchkey/car.py")
    short = short_names(modules)
    assert len({short[word] for word in ("_doors", "locks", "load", "seats")}) == 4


def test_it_depends_on_the_modules_alone() -> None:
    modules = {"car.py": CAR, "keys.py": KEYS, "both.py": "find = None\nfifth = 5\n"}
    assert short_names(dict(reversed(modules.items()))) == short_names(modules)


def test_the_names_of_a_firmware_are_not_given_to_anything_else_in_it() -> None:
    first = short_of("def count(doors): pass\n")["doors"]
    assert first == "ArithmeticError"
    assert short_of(f"def count(doors): return doors.{first}\n")["doors"] != first
    assert short_of("def count(doors): pass\n", asked={first})["doors"] != first


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("class Car:\n    def __init__(self): self.doors = 4\n", "__init__ self"),
        ("def count(door, doors): return len(door), [].append(doors)\n", "len append"),
        ("class Car:\n    doors = 4\ndef count(car): return getattr(car, 'doors', None), car.locks\n", "doors locks"),
        ("class Car:\n    def op_lock(self): return getattr(self, 'op_%s' % self.what)\n", "op_lock"),
        ("Doors = namedtuple('Doors', ('left', 'right'))\nleft = right = Doors\n", "left right"),
        ("from faults import Fault\ndef Fault(faults): pass\n", "faults Fault"),
        ("import sys\ndef count(sys): pass\n", "sys"),
        ("from latchkey import keys\ndef count(keys): pass\n", "keys"),
        ("_DOORS = const(4)\n", "_DOORS"),
        ("class Car:\n    def _count(self): return other._count()\n", "_count"),  # aioble has private names, too
        (
            "from latchkey.faults import Fault\nclass Jam(Fault): pass\nclass More(Jam, ValueError): pass\n",
            "Fault Jam More",
        ),
        ("def count(doors, locks): return other(doors=1), count(1, locks=2)\n", "doors"),
        ("def count(make): return make(doors=1)\ndef find(doors): pass\n", "doors"),
    ],
)
def test_what_is_anothers_or_is_found_by_its_word_stays(text: str, stays: str) -> None:
    assert not set(stays.split()) & short_of(text).keys()


def test_a_modules_word_is_shortened_where_it_stands_for_something_else_but_not_in_an_import() -> None:
    text = "from latchkey.keys import find\ndef count(keys): return keys, find\n"
    short = short_of(text)
    assert "keys" in short and "keys" not in short.values()
    assert shorten("latchkey/car.py", text, short).startswith(f"from .keys import {short['find']}\n")


def test_a_constant_that_is_something_else_in_another_file_is_shortened() -> None:
    short = short_names({"car.py": "_DOORS = const(4)\nlocks = 1\n", "keys.py": "_DOORS = bytes(4)\n"})
    assert short.keys() == {"_DOORS", "locks"} and len(set(short.values())) == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("def find(car): return car.find\n", True),
        ("class Car:\n    def find(self): return self.doors.find\n", True),
        ("class Car:\n    def find(self): return self.find\n", False),  # no class inherits from another's
        ("from latchkey import keys\ndef count(): return keys.find\n", False),
        ("from latchkey import keys\ndef count(): return keys.other.find\n", True),
        ("from latchkey import keys\ndef count(keys): return keys.find\n", True),
        ("from latchkey import keys\ndef count():\n    for keys in []: keys.find\n", True),
        ("def count(find): return 4\n", False),
        ("def find(doors): pass\ndef count(): find(doors=4)\n", False),
    ],
)
def test_a_name_that_others_have_too_stays_where_it_may_be_theirs(text: str, kept: bool) -> None:
    assert ("find" not in short_of(text, theirs={"find"})) == kept


def test_the_keyword_of_anothers_function_stays_though_one_of_ours_has_its_name() -> None:
    text = "def pin(value): pass\npin(value=4)\n"
    assert "value" in short_of(text) and "value" not in short_of(text, theirs={"pin"})


def test_what_is_asked_for_from_outside_stays() -> None:
    assert "doors" not in short_of("doors = 4\n", asked={"doors"})


def test_every_line_stays_where_it_was_and_texts_say_what_they_said() -> None:
    text = (
        '"""A car.doors"""\n\ndoors = 4  # doors\n'
        'print(f"{doors} doors {doors:02x} {{doors}}", \'doors\', b"\\"doors", r\'doors\', __name__)\n'
    )
    assert shorten("car.py", text, {"doors": "a", "x": "b"}).splitlines() == [
        '"""A car.doors"""',
        "",
        "a = 4  # doors",
        'print(f"{a} doors {a:02x} {{doors}}", \'doors\', b"\\"doors", r\'doors\', __name__)',
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\ngetattr(x, name)\n", "car.py:2: name may be a name"),
        ("getattr(x, 'op' + name)\n", "car.py:1: 'op' + name may be"),
        ("getattr(x, '%s_op' % name)\n", "car.py:1: '%s_op' % name may be"),
        ("setattr(x, name, 1)\n", "car.py:1: name may be"),
        ("namedtuple('Car', names)\n", "car.py:1: names may be"),
        ("car.__dict__\n", "car.py:1: __dict__ gives"),
        ("globals()\n", "car.py:1: globals gives"),
        ("f(**doors)\n", "car.py:1: arguments in"),
        ("def f(**doors): pass\n", "arguments in"),
        ("from latchkey.keys import *\n", "car.py:1: * gives"),
        ("DOORS = const(4)\ndef f(): return const(4)\n", "car.py:2: const is called"),
        ("class Car:\n    doors = const(4)\n", "car.py:2: const is called"),
        ("from aioble import Device\nclass Car(Device): pass\n", "car.py: Device is no class of a module"),
        ("import aioble\nclass Car(aioble.Device): pass\n", "car.py: aioble.Device is no class of a module"),
    ],
)
def test_what_could_be_found_by_its_word_only_is_refused(text: str, why: str) -> None:
    with pytest.raises(StageError, match=re.escape(why)):
        short_names({"latchkey/car.py": text, "latchkey/keys.py": KEYS})


def test_a_changed_file_is_shortened_again_and_one_without_a_source_goes(tmp_path: Path) -> None:
    stage, out = tmp_path / "stage", tmp_path / "out"
    stage.mkdir()
    (stage / "car.py").write_text("doors = 4\n")
    (stage / "keys.py").write_text("find = 1\n")
    staging.shortened(out, stage)
    (stage / "car.py").write_text("doors = 5\n")
    (stage / "keys.py").unlink()
    staging.shortened(out, stage)
    assert {path.name: path.read_text() for path in out.glob("*.py")} == {"car.py": "ArithmeticError = 5\n"}


def test_what_stays_text_keeps_its_words_and_those_that_it_asks_for(tmp_path: Path) -> None:
    main = "from latchkey import car\ndoors = car.count()\n"
    (tmp_path / "stage" / "latchkey").mkdir(parents=True)
    (tmp_path / "stage" / "main.py").write_text(main)
    (tmp_path / "stage" / "latchkey" / "car.py").write_text("def count(doors=4): return doors\n")
    out = staging.shortened(tmp_path / "out", tmp_path / "stage")
    assert (out / "main.py").read_text() == main
    assert re.fullmatch(r"def count\((?!doors)(\w+)=4\): return \1\n", (out / "latchkey" / "car.py").read_text())


def test_a_program_in_words_asks_for_short_names_and_keeps_its_own() -> None:
    program = (
        "from latchkey.car import Car\n"
        "class Door:\n    open, left = 1, doors\n    def lock(self): self.open = doors\n"
        "doors = Car(open=1).doors\n"
    )
    short = {"Car": "append", "doors": "args", "open": "chr", "lock": "dir"}
    assert translated(program, short).splitlines() == [
        "from latchkey.car import append as Car",
        "",
        "class Door:",
        "    chr, left = (1, doors)",
        "",
        "    def dir(self):",
        "        self.chr = doors",
        "doors = Car(chr=1).args",
    ]


def test_what_cannot_be_shortened_is_told_as_what_cannot_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "car.py").write_text("getattr(x, name)\n")
    with pytest.raises(staging.CompileError, match="name may be"):
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


def test_const_is_not_imported_where_a_compiler_puts_values() -> None:
    text = "import os\nfrom micropython import const\n\n_DOORS = const(4)\n"
    assert shorten("car.py", text, {}).splitlines() == ["import os", "", "", "_DOORS = const(4)"]


def whole(tree: ast.Module, path: Path, short: Mapping[str, str]) -> str:
    """All that a text says, with these short names, and with whole names of the modules that it imports from."""
    package = ".".join(path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            node.module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            node.level = 0
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [short.get(name, name) for name in node.names]
        for field in ("id", "attr", "arg", "name", "asname"):
            word = getattr(node, field, None)
            if isinstance(word, str):
                setattr(node, field, short.get(word, word))
    return ast.dump(tree)


def without_annotations(text: str) -> str:
    """Which MicroPython leaves out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant("")
    return ast.unparse(tree)


def scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from scopes(child)


@pytest.fixture(scope="module")
def firmware() -> dict[Path, str]:
    staged = staging.staged()
    kept = (*staging.ENTRY_POINTS, staging.SCHEMA)
    texts = {path.relative_to(staged): path.read_text() for path in sorted(staged.rglob("*.py"))}
    return {path: text for path, text in texts.items() if path.as_posix() not in kept}


@pytest.fixture(scope="module")
def short(firmware: dict[Path, str]) -> dict[str, str]:
    programs = [(staging.staged() / name).read_text() for name in staging.ENTRY_POINTS]
    texts = {path.as_posix(): text for path, text in firmware.items()}
    return short_names(texts, theirs.names(), theirs.asked(programs))


def test_the_firmware_means_the_same_with_short_names(firmware: dict[Path, str], short: dict[str, str]) -> None:
    assert len(short) > 600 and len(set(short.values())) < 80
    shortened = staging.shortened()
    for path, text in firmware.items():
        now = (shortened / path).read_text()
        without = re.sub(r"(?m)^from micropython import const$", "", text)
        assert whole(ast.parse(now), path, {}) == whole(ast.parse(without), path, short), path


def test_no_scope_and_no_object_of_the_firmware_has_two_words_of_one_name(
    firmware: dict[Path, str], short: dict[str, str]
) -> None:
    """As CPython tells scopes."""
    for path, text in firmware.items():
        module = symtable.symtable(without_annotations(text), str(path), "exec")
        for table in scopes(module):
            names = {*module.get_identifiers(), *table.get_identifiers()}
            assert len({short.get(name, name) for name in names}) == len(names), (path, table.get_name())
        attributes = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        assert len({short.get(name, name) for name in attributes}) == len(attributes), path


def test_a_board_has_no_long_name(tmp_path: Path, firmware: dict[Path, str], short: dict[str, str]) -> None:
    texts = [
        node.value for text in firmware.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
    ]
    stay = {part for path in firmware for part in path.with_suffix("").parts}.union(texts)
    words = [word.encode() for word in short if len(word) > 2 and word not in stay]

    def found(sources: Path | None) -> int:
        files = compiling.build(tmp_path, "xtensawin", sources=sources, small=True)
        compiled = b"".join(file.read_bytes() for file in files if file.suffix == ".mpy")
        return sum(b"%c%b\0" % (2 * len(word), word) in compiled for word in words)  # as MicroPython stores a name

    assert found(staging.staged()) > 500
    assert found(None) == 0


def test_the_list_of_micropythons_names_lacks_none_that_the_firmware_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert theirs.main(check=True) == 0
    shorter = tmp_path / "theirs.txt"
    shorter.write_text(theirs.LIST.read_text().replace(" ticks_ms ", " "))
    monkeypatch.setattr(theirs, "LIST", shorter)
    assert theirs.main(check=True) == 1
    assert "lacks ticks_ms" in capsys.readouterr().err
    assert theirs.main(check=False) == 0
    assert theirs.main(check=True) == 0
    assert {"ticks_ms", "readinto", "wait_io_event", "INPUTS", "gatts_write"} <= theirs.names()
