# SPDX-License-Identifier: Apache-2.0
"""What a module calls things: to what it gives a name, whose names it says, and which of them a look-up may meet.

For shorten.py, which calls things otherwise. What nobody can know before it runs is refused: a name from a text, all
names at once, arguments from a dictionary, a class that inherits from another's.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Set

from host_tools.build.stage import StageError

BUILTINS = frozenset(dir(builtins))
ERRORS = frozenset(
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
)
_BY_TEXT = ("getattr", "hasattr", "setattr", "namedtuple")  # not delattr: where there is no such name it is an error
_ALL_NAMES = ("__dict__", "compile", "dir", "eval", "exec", "globals", "locals", "vars")


class Naming:
    """The words of a module, in a firmware that has these modules. Raises StageError."""

    def __init__(self, where: str, text: str, modules: Set[str]) -> None:
        self.given: set[str] = set()
        """What has a name on a board: not the variables of a function, but its arguments."""
        self.scopes: list[set[str]] = []
        """What is said where a name is looked up: in the module, and in each function and class beside the module's."""
        self.attributes: set[str] = set()
        self.others: set[str] = set()
        """The attributes of what may be another's: of anything but self and the firmware's modules."""
        self.functions: set[str] = set()
        """What a traceback may name: classes too."""
        self.keywords: set[tuple[str, str]] = set()
        """What is called, and by which keyword it gets an argument."""
        self.kept: set[str] = set()
        """What is found by a text, or in a module of another's; modules."""
        self.beginnings: set[str] = set()
        """Of names that are found by a text with more put to it."""
        self.bases: dict[str, set[str]] = {}
        """Its classes, with what they inherit from."""
        self.parents: set[str] = set()
        """The modules of the firmware where that is."""
        self.constants: set[str] = set()
        """What MicroPython puts the values for: private ones are in no compiled file."""
        tree = ast.parse(text)
        self._read(where, tree, modules)
        values = {
            id(node.value.func)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        }
        for each in ast.walk(tree):
            _refuse(where, each)
            if isinstance(each, ast.Name) and each.id == "const" and id(each) not in values:
                raise StageError(f"{where}:{each.lineno}: const is called where a module gives a name to a value only")

    @property
    def words(self) -> set[str]:
        """All of them."""
        return self.attributes.union(*self.scopes)

    def _read(self, where: str, tree: ast.Module, modules: Set[str]) -> None:
        top = list(_of(tree.body))
        by_functions = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
        everywhere = _said(top) | by_functions
        self.scopes.append(everywhere)
        self.given |= _bound(top) | by_functions
        self.constants |= _constants(tree)
        imported = _imported(tree)
        known = {"self"} | {name for name, what in imported.items() if what in modules} - _bound_anew(tree)
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    self.scopes.append(everywhere | _said(ast.walk(node)))
                    self.given.update(inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg))
                    if not isinstance(node, ast.Lambda):
                        self.given.add(node.name)
                        self.functions.add(node.name)
                case ast.ClassDef(name=name):
                    inside = list(_of(node.body))
                    self.scopes.append(everywhere | _said(inside))
                    self.attributes |= _bound(inside)
                    self.given |= _bound(inside)
                    self.functions.add(name)
                    self.bases[name] = {ast.unparse(base) for base in node.bases}
                case ast.Attribute(attr=name, value=ast.Name(id=owner)) if owner in known:
                    self.attributes.add(name)
                    if isinstance(node.ctx, ast.Store):
                        self.given.add(name)
                case ast.Attribute(attr=name):
                    self.attributes.add(name)
                    self.others.add(name)
                case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                    self.keywords.update((called, keyword.arg or "") for keyword in node.keywords)
                    if called in _BY_TEXT:
                        self._note_texts(where, node)
                case ast.ImportFrom(module=str(module), names=names) if module.partition(".")[0] not in modules:
                    self.kept.update(module.split("."), (each.name for each in names))
                case ast.ImportFrom(module=module, names=names):
                    self.kept.update(each.name for each in names if f"{module}.{each.name}" in modules)
                case ast.Import(names=names):
                    self.kept.update(*(each.name.split(".") for each in names))
        for base in set().union(*self.bases.values()) - self.bases.keys() - BUILTINS:
            module = imported.get(base, "").rpartition(".")[0]
            if module not in modules:
                raise StageError(f"{where}: {base} is no class of a module of the firmware")
            self.parents.add(module)

    def _note_texts(self, where: str, call: ast.Call) -> None:
        """What getattr and the like are asked for."""
        match call.args[1]:
            case ast.Constant(value=str(text)):
                self.kept.add(text)
            case ast.Tuple(elts=elements) if all(isinstance(each, ast.Constant) for each in elements):
                self.kept.update(ast.literal_eval(call.args[1]))
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()) if text.index("%"):
                self.beginnings.add(text[: text.index("%")])
            case asked:
                raise StageError(
                    f"{where}:{call.lineno}: {ast.unparse(asked)} may be a name, which is shorter on a board"
                )


def _refuse(where: str, node: ast.AST) -> None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _ALL_NAMES:
            why = f"{name} gives names, which are shorter on a board"
        case ast.keyword(arg=None) | ast.arguments(kwarg=ast.arg()):
            why = "arguments in a dictionary have names, which are shorter on a board"
        case ast.alias(name="*"):
            why = "* gives names, which are shorter on a board"
        case _:
            return
    raise StageError(f"{where}:{getattr(node, 'lineno', '')}: {why}")


def _of(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All that runs with the module or the class that has this body: nothing of what is in its functions or classes."""
    for node in body:
        yield node
        match node:
            case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments) | ast.Lambda(args=arguments):
                inner: Iterable[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
            case ast.ClassDef(bases=bases):
                inner = bases
            case _:
                inner = ast.iter_child_nodes(node)
        yield from _of(each for each in inner if each is not None)
        yield from _of(getattr(node, "decorator_list", ()))


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that are given to something in there."""
    found: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                found.add(name)
    return found


def _said(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that are looked up in there, or given to something."""
    nodes = list(nodes)
    found = _bound(nodes)
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
    return found


def _constants(tree: ast.Module) -> set[str]:
    return {
        target.id
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) and ast.unparse(line.value.func) == "const"
        for target in line.targets if isinstance(target, ast.Name)
    }  # fmt: skip


def _imported(tree: ast.Module) -> dict[str, str]:
    """What is imported from a module: its whole name, by that which it has here."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {each.asname or each.name: f"{node.module}.{each.name}" for node in nodes for each in node.names}


def _bound_anew(tree: ast.Module) -> set[str]:
    """The names of variables and arguments, wherever they are."""
    nodes = list(ast.walk(tree))
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return arguments | _bound(node for node in nodes if isinstance(node, ast.Name))
