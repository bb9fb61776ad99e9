# SPDX-License-Identifier: Apache-2.0
"""The tests' stand-ins for parts of the firmware have no name, and take no argument, that the real part has not.

Under MicroPython nothing says so: a stand-in that kept an old name would keep a firmware green that calls what is gone.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT, LATCHKEY = "tests/unit", "firmware/latchkey"


@dataclass
class Surface:
    """What a class shows: the arguments of its methods, and the names of all else."""

    methods: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


def surface(file: str, name: str) -> Surface:
    """The public surface of a class, with those of its bases in the same file."""
    classes = {
        node.name: node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.ClassDef)
    }
    found = Surface()
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            inherited = surface(file, base.id)
            found.methods |= inherited.methods
            found.names |= inherited.names
    for node in classes[name].body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.decorator_list:
                found.methods[node.name] = called(node)
            case ast.FunctionDef():
                found.names.add(node.name)
            case ast.Assign(targets=targets):
                found.names |= {target.id for target in targets if isinstance(target, ast.Name)}
    for inner in ast.walk(classes[name]):
        match inner:
            case ast.Attribute(value=ast.Name(id="self"), attr=attr, ctx=ast.Store()):
                found.names.add(attr)
            case ast.AnnAssign(target=ast.Name(id=attr)):
                found.names.add(attr)
    found.methods = {name: arguments for name, arguments in found.methods.items() if not name.startswith("_")}
    found.names = {name for name in found.names if not name.startswith("_")}
    return found


def called(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """How it is called: names and defaults, without types, and whether it is awaited."""
    arguments = method.args
    for argument in (*arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    return ("await " if isinstance(method, ast.AsyncFunctionDef) else "") + ast.unparse(arguments)


FAKES = [
    # the stand-in, the real one, and what is the test's own of it
    ("support.py", "Keys", "keys/keychain.py", "Keychain", {"records", "looked_up", "put"}),
    ("support.py", "Listing", "roster/held.py", "Roster", {"publics", "lapsed"}),
    ("support.py", "Log", "store/accesslog.py", "AccessLog", {"entries", "requests", "flushed"}),
    ("test_card.py", "Reply", "session/reply.py", "Reply", set()),
    (
        "test_enrolment.py",
        "Reply",
        "session/reply.py",
        "Reply",
        {"statuses", "waited", "bench", "bench_written", "information"},
    ),
    ("test_desk.py", "Enrolment", "keys/enrolment.py", "Enrolment", {"over", "ended", "asked"}),
    ("test_desk.py", "Intake", "roster/intake.py", "Intake", {"dropped"}),
    ("test_listed.py", "Hello", "session/reply.py", "Reply", {"said"}),
    ("test_listed.py", "Reply", "session/reply.py", "Reply", {"statuses"}),
    ("test_loading.py", "Reply", "session/reply.py", "Reply", {"waited", "told"}),
    ("test_radio.py", "Clock", "clock.py", "Clock", {"at"}),
    ("test_radio.py", "Link", "link/ble.py", "BleLink", {"script", "made", "closed", "after", "error", "ended"}),
    ("test_roster_contact.py", "Reply", "session/reply.py", "Reply", {"said"}),
    ("test_roster_turns.py", "Reply", "session/reply.py", "Reply", {"name"}),
    ("test_sync.py", "Clock", "clock.py", "Clock", {"at"}),
    ("test_sync.py", "Link", "link/radio.py", "Radio", set()),
    ("test_sync_status.py", "Clock", "clock.py", "Clock", set()),
    ("test_sync_poll.py", "Clock", "clock.py", "Clock", {"at"}),
    ("test_sync_poll.py", "Radio", "link/radio.py", "Radio", {"car", "comes_back"}),
    ("test_view.py", "Desk", "keys/desk.py", "Desk", set()),
    ("test_view.py", "Link", "link/radio.py", "Radio", set()),
    ("../faults/micropython/memory.py", "Tasks", "tasks.py", "Tasks", {"died", "running"}),
    ("../faults/micropython/memory.py", "Start", "start.py", "Start", set()),
]


@pytest.mark.parametrize(("file", "fake", "module", "real", "own"), FAKES, ids=[f"{f[0]}:{f[1]}" for f in FAKES])
def test_a_stand_in_has_only_what_the_real_one_has(file: str, fake: str, module: str, real: str, own: set[str]) -> None:
    standin, part = surface(f"{UNIT}/{file}", fake), surface(f"{LATCHKEY}/{module}", real)
    assert own <= standin.names | set(standin.methods), "the list is longer than what is there"
    assert not own & (part.names | set(part.methods)), "no more the test's own"
    assert standin.names - own <= part.names | set(part.methods)
    for name in set(standin.methods) - own:
        assert standin.methods[name] == part.methods.get(name), name


@pytest.mark.parametrize("file", sorted((ROOT / UNIT).glob("*.py")), ids=lambda file: file.name)
def test_what_a_test_puts_in_place_of_a_name_is_in_place_of_one(file: Path) -> None:
    """An assignment to a name that a module has not would change nothing, and the test would go on without it."""
    tree = ast.parse(file.read_text())
    modules: dict[str, Path] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("latchkey"):
            folder = ROOT / "firmware" / node.module.replace(".", "/")
            for alias in node.names:
                if (found := folder / f"{alias.name}.py").exists():
                    modules[alias.asname or alias.name] = found
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Store()) if name in modules:
                assert attr in bound(modules[name]), f"{file.name}:{node.lineno}: {name}.{attr}"


def bound(module: Path) -> set[str]:
    """The names that a module has."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
    return names
