# SPDX-License-Identifier: Apache-2.0
"""Short private names: `_keychain` is a word for people, and a board keeps each word in its heap and in its files.

Two words get one short name where they never meet: not in a file, nor in an object, whose words are those of its
class's file and of the files that this one inherits from. What may be another's name stays as it is.

An import says which module from where it stands (`from .record import`) if one word does: a board has that anyway.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import string
from collections.abc import Container, Iterator

from host_tools.build.stage import StageError

_PRIVATE = re.compile(r"(?<!\w)_[^\W_]\w*")
_IMPORT = re.compile(r"(?m)^( *from )(\w[\w.]*)(?= import )")
_IN_TEXT = re.compile(r"(?<!\w)_(?!_)")  # also where the rest of a name is put to it while it runs


def short_names(modules: dict[str, str]) -> dict[str, str]:
    """The short name of each private name in these modules, which are given by path. Raises StageError."""
    trees = {path: ast.parse(text) for path, text in modules.items()}
    words = {path: set(_PRIVATE.findall(text)) for path, text in modules.items()}
    kept: set[str] = set()
    for path, tree in trees.items():
        _refuse_texts(path, tree)
        kept.update(_others(tree))
    folded = {path: _folded(tree) for path, tree in trees.items()}
    kept |= set().union(*folded.values()) - set().union(*(words[path] - folded[path] for path in modules))
    bases = {path: set(_bases(path, tree, trees)) for path, tree in trees.items()}
    together = [set().union(*(words[each] for each in _lineage(path, bases))) - kept for path in modules]
    meets: dict[str, set[str]] = {}
    for group in together:
        for word in group:
            meets.setdefault(word, set()).update(group)
    short: dict[str, str] = {}
    for word in sorted(meets, key=lambda word: (-len(meets[word]), word)):  # what meets most has the least choice
        taken = kept.union(short[other] for other in meets[word] if other in short)
        short[word] = next(name for name in _candidates() if name not in taken)
    return short


def shorten(path: str, text: str, short: dict[str, str]) -> str:
    """The text of the module at this path with short names, each line where it was."""
    package = path.split("/")[:-1]
    text = _IMPORT.sub(lambda found: found[1] + _from_there(package, found[2]), text)
    return _PRIVATE.sub(lambda word: short.get(word[0], word[0]), text)


def _from_there(package: list[str], module: str) -> str:
    names = module.split(".")
    common = 0
    while package[common : common + 1] == names[common : common + 1] != []:
        common += 1
    if not common or len(names) > common + 1:
        return module
    return "." * (len(package) - common + 1) + ".".join(names[common:])


def _candidates() -> Iterator[str]:
    for length in itertools.count(1):
        yield from ("_" + "".join(letters) for letters in itertools.product(string.ascii_letters, repeat=length))


def _refuse_texts(path: str, tree: ast.Module) -> None:
    """A name that a text gives is not found by its short one. Nothing looks into a docstring."""
    lonely = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in lonely:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if _IN_TEXT.search(text):
                raise StageError(f"{path}:{node.lineno}: {text!r} may be a private name, which is shorter on a board")


def _others(tree: ast.Module) -> Iterator[str]:
    """What may be another's name: an attribute of anything but self, an argument's keyword, what is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)) | ast.alias(name=name):
                yield name


def _folded(tree: ast.Module) -> set[str]:
    """The constants of a module: MicroPython puts them in place of their names, which are in no compiled file."""
    return {
        target.id
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) and ast.unparse(line.value.func) == "const"
        for target in line.targets if isinstance(target, ast.Name)
    }  # fmt: skip


def _bases(path: str, tree: ast.Module, modules: Container[str]) -> Iterator[str]:
    """The files that classes of this one inherit from. A class from elsewhere could have names that meet ours."""
    imported = {
        alias.asname or alias.name: (node.module or "").replace(".", "/") + ".py"
        for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }  # fmt: skip
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    here = {each.name for each in classes} | set(dir(builtins))
    for each in classes:
        for base in map(ast.unparse, each.bases):
            source = imported.get(base, "")
            if source in modules:
                yield source
            elif source or base not in here:
                raise StageError(f"{path}:{each.lineno}: {base} is no class of a module of the firmware")


def _lineage(path: str, bases: dict[str, set[str]]) -> set[str]:
    return {path}.union(*(_lineage(base, bases) for base in bases[path]))
