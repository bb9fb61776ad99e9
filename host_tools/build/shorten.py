# SPDX-License-Identifier: Apache-2.0
"""Short names: `keychain` is a word for people, and a board keeps each word in its heap and in its files.

Two words get one short name where no look-up meets both (naming.py): not in a function's names beside its module's, nor
in an object, whose words are the attributes that its class's file says and those of the files that it inherits from.
What may be another's keeps its name, as do modules, exceptions, and what is asked for from outside.

An import says which module from where it stands (`from .record import`) if one word does: a board has that anyway. That
of `const` goes: a compiler puts values in place of it.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Mapping, Set
from itertools import chain, count, product

from host_tools.build.naming import BUILTINS, ERRORS, Naming

# Every MicroPython has these words, and .mpy files have numbers for them: they cost no heap, and one byte each time, or
# two. One that the firmware asks others for is not given to anything of its own; a builtin's is where nobody says it.
# An exception's is given to nothing that a traceback names.
_ONE_BYTE = """
    ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis GeneratorExit ImportError
    IndentationError IndexError KeyError KeyboardInterrupt LookupError NameError NoneType NotImplementedError
    OverflowError RuntimeError StopIteration SyntaxError SystemExit TypeError ValueError ZeroDivisionError
"""
_COST_NOTHING = """
    abs all any append args bool builtins bytearray bytecode bytes callable chr classmethod clear close const copy count
    dict dir divmod end endswith eval exec extend find format from_bytes get getattr globals hasattr hash id index
    insert int isalpha isdigit isinstance islower isspace issubclass isupper items iter join key keys len list little
    locals lower lstrip main map micropython next object open ord pop popitem pow print range read readinto readline
    remove replace repr reverse rfind rindex round rsplit rstrip send sep set setattr setdefault sort sorted split start
    startswith staticmethod step stop str strip sum super throw to_bytes tuple type update upper value values write zip
"""
_CONST = re.compile(r"(?m)^from micropython import const$")
_IMPORT = re.compile(r"(?m)^( *from )(\w[\w.]*)(?= import )")
_WORD = r"(?<!\w)[^\W\d]\w*"
_TEXT = r'"""(?s:.*?)"""|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'"
_TOKEN = re.compile(
    rf"(?P<still>#.*|(?<!\w)from [.\w]+(?= import )|(?<!\w)[rRbB]{{0,2}}(?:{_TEXT}))"
    rf"|(?P<formatted>(?<!\w)[rR]?[fF][rR]?(?:{_TEXT}))|{_WORD}"
)
_FORMATTED = re.compile(r"\{\{|\{[^}:!]*")  # what is evaluated in it


def short_names(
    modules: Mapping[str, str], theirs: Set[str] = frozenset(), asked: Set[str] = frozenset()
) -> dict[str, str]:
    """The short name of each word that gets one in these modules, which are given by path. Raises StageError.

    `theirs` are the names that others give to something, `asked` those of ours that others ask for.
    """
    names = {_dotted(path): path for path in modules}
    packages = {name.rpartition(".")[0] for name in names}
    found = {name: Naming(path, modules[path], names.keys() | packages) for name, path in names.items()}
    words = set().union(*(each.words for each in found.values()))
    kept = _kept(found, words, theirs) | asked
    ours = set().union(*(each.given for each in found.values())) - kept - BUILTINS
    taken_already = kept.union(*(each.others for each in found.values()), *(name.split(".") for name in names))
    functions = set().union(*(each.functions for each in found.values()))
    meets: dict[str, set[str]] = {word: set() for word in ours}
    for name, each in found.items():
        attributes = set().union(*(found[parent].attributes for parent in _lineage(name, found)))
        for group in (attributes, each.functions, *each.scopes):
            for word in group & ours:
                meets[word] |= group
    short: dict[str, str] = {}
    for word in sorted(meets, key=lambda word: (-len(meets[word]), word)):  # what meets most has the least choice
        taken = {short.get(other, other) for other in meets[word]}
        names_for = chain(() if word in functions else _ONE_BYTE.split(), _COST_NOTHING.split(), _letters())
        short[word] = next(name for name in names_for if name not in taken_already | taken)
    return short


def shorten(path: str, text: str, short: Mapping[str, str]) -> str:
    """The text of the module at this path with short names, each line where it was, and its texts as they are."""
    package = path.split("/")[:-1]

    def word(found: re.Match[str]) -> str:
        return short.get(found[0], found[0])

    def token(found: re.Match[str]) -> str:
        if found["still"]:
            return found[0]
        if found["formatted"]:
            return _FORMATTED.sub(lambda inner: re.sub(_WORD, word, inner[0]), found[0])
        return word(found)

    text = _CONST.sub("", text)
    text = _IMPORT.sub(lambda found: found[1] + _from_there(package, found[2]), text)
    return _TOKEN.sub(token, text)


def translated(program: str, short: Mapping[str, str]) -> str:
    """A program in words, as the firmware with these names understands what it is asked for: attributes, what is
    imported, keywords, and what a class has. The program's own variables keep their words."""
    tree = ast.parse(program)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names):
                node.names = [ast.alias(short.get(each.name, each.name), each.asname or each.name) for each in names]
            case ast.Attribute(attr=word):
                node.attr = short.get(word, word)
            case ast.keyword(arg=str(word)):
                node.arg = short.get(word, word)
            case ast.ClassDef(body=body):
                for inner in [
                    *body,
                    *(name for line in body for name in ast.walk(line) if isinstance(line, ast.Assign)),
                ]:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        inner.name = short.get(inner.name, inner.name)
                    elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        inner.id = short.get(inner.id, inner.id)
    return ast.unparse(tree) + "\n"


def _kept(found: Mapping[str, Naming], words: Set[str], theirs: Set[str]) -> set[str]:
    """The words that stay."""
    each = found.values()
    kept = {"self"}.union(*(naming.kept for naming in each))
    functions = set().union(*(naming.functions for naming in each))
    others = set().union(*(naming.others for naming in each))
    kept |= {word for word in others if word in theirs or word[0] == "_"}
    kept |= {
        keyword for called, keyword in set().union(*(naming.keywords for naming in each))
        if called not in functions or called in theirs | BUILTINS
    }  # fmt: skip
    constants = set().union(*(naming.constants for naming in each))
    elsewhere = set().union(*(naming.words - naming.constants for naming in each))
    kept |= {word for word in constants - elsewhere if word[0] == "_"}
    beginnings = tuple(set().union(*(naming.beginnings for naming in each)) | {"__"})
    kept |= {word for word in words if word.startswith(beginnings)}
    return kept | _errors(found)


def _errors(found: Mapping[str, Naming]) -> set[str]:
    """The exceptions: what is logged says their names."""
    bases = [item for naming in found.values() for item in naming.bases.items()]
    errors: set[str] = set()
    while more := {name for name, above in bases if above & (ERRORS | errors)} - errors:
        errors |= more
    return errors


def _lineage(name: str, found: Mapping[str, Naming]) -> set[str]:
    return {name}.union(*(_lineage(parent, found) for parent in found[name].parents - {name}))


def _letters() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(string.ascii_letters, repeat=length))


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _from_there(package: list[str], module: str) -> str:
    names = module.split(".")
    common = 0
    while package[common : common + 1] == names[common : common + 1] != []:
        common += 1
    if not common or len(names) > common + 1:
        return module
    return "." * (len(package) - common + 1) + ".".join(names[common:])
