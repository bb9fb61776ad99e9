# SPDX-License-Identifier: Apache-2.0
"""The firmware's message tables, and every number that it names, against the published descriptors."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tesla_protocol.command import (
    car_server_pb2,
    errors_pb2,
    keys_pb2,
    signatures_pb2,
    universal_message_pb2,
    vcsec_pb2,
)

from host_tools.build import schema
from host_tools.phone import latchkey_pb2
from tests.host.flat_tables import FLAT

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
UINT, BYTES, FIXED32 = 0, 2, 5
FILES = (universal_message_pb2, signatures_pb2, vcsec_pb2, errors_pb2, keys_pb2, car_server_pb2)
MESSAGES: dict[str, Descriptor] = {
    name: message for file in FILES for name, message in file.DESCRIPTOR.message_types_by_name.items()
}
OURS_BY_NAME = schema.ours().message_types_by_name
TABLES = {  # the modules' public tables; all others are nested in them
    ("messages", "ROUTABLE_MESSAGE"): MESSAGES["RoutableMessage"],
    ("messages", "SESSION_INFO"): MESSAGES["SessionInfo"],
    ("messages", "TO_VCSEC"): MESSAGES["ToVCSECMessage"],
    ("messages", "UNSIGNED_MESSAGE"): MESSAGES["UnsignedMessage"],
    ("messages", "FROM_VCSEC"): MESSAGES["FromVCSECMessage"],
    ("keymessages", "WHITELIST_OPERATION"): MESSAGES["WhitelistOperation"],
    ("keymessages", "FROM_VCSEC"): MESSAGES["FromVCSECMessage"],
    ("carmessages", "ACTION"): MESSAGES["Action"],
    ("carmessages", "RESPONSE"): MESSAGES["Response"],
    ("viewmessages", "TO_LATCHKEY"): OURS_BY_NAME["ToLatchkey"],
    ("viewmessages", "FROM_LATCHKEY"): OURS_BY_NAME["FromLatchkey"],
    ("authoritymessages", "TO_LATCHKEY"): OURS_BY_NAME["ToLatchkey"],
    ("authoritymessages", "PARCEL"): OURS_BY_NAME["Parcel"],
    ("authoritymessages", "SIGNED"): OURS_BY_NAME["Signed"],
    ("authoritymessages", "DELEGATION"): OURS_BY_NAME["Delegation"],
    ("authoritymessages", "HEAD"): OURS_BY_NAME["Head"],
    ("authoritymessages", "PART"): OURS_BY_NAME["Part"],
    ("authoritymessages", "FROM_LATCHKEY"): OURS_BY_NAME["FromLatchkey"],
    ("grantmessages", "LIMITS"): OURS_BY_NAME["Limits"],
    ("grantmessages", "REVOCATION"): OURS_BY_NAME["Revocation"],
    ("grantmessages", "TO_LATCHKEY"): OURS_BY_NAME["ToLatchkey"],
    ("grantmessages", "FROM_LATCHKEY"): OURS_BY_NAME["FromLatchkey"],
}
MODULES = ("messages", "keymessages", "carmessages", "viewmessages", "authoritymessages", "grantmessages")
OURS = {("PermissionChange", 1001)}  # docs/protocol.md: the label
LATER = {  # taken as bytes, and decoded by whom it concerns, or empty
    ("UnsignedMessage", "WhitelistOperation"),
    ("VehicleAction", "chargePortDoorOpen"),
    ("VehicleAction", "chargePortDoorClose"),
    ("ToLatchkey", "status"),
    ("ToLatchkey", "roster"),
    ("ToLatchkey", "remove"),
    ("ToLatchkey", "head"),
}
KINDS = {
    FieldDescriptor.TYPE_UINT32: UINT,
    FieldDescriptor.TYPE_ENUM: UINT,
    FieldDescriptor.TYPE_BOOL: UINT,
    FieldDescriptor.TYPE_INT32: UINT,
    FieldDescriptor.TYPE_STRING: BYTES,
    FieldDescriptor.TYPE_BYTES: BYTES,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
}
DUMP = """
import json, sys
sys.path[:0] = FOLDERS
from latchkey.wire import messages, keymessages, carmessages, viewmessages, authoritymessages, grantmessages
import named
def public(module):
    found = {name: getattr(module, name) for name in dir(module) if name[0] != "_"}
    found = {name: value for name, value in found.items() if isinstance(value, (tuple, bytes))}
    return found if module is named else {name: flat(value) for name, value in found.items()}
modules = messages, keymessages, carmessages, viewmessages, authoritymessages, grantmessages, named
print(json.dumps([public(module) for module in modules]))
"""
BLOCK = re.compile(r"^# (\w+)(?:, [^\n]*)?\n((?:_?[A-Z]\w* = const\(\d+\)[^\n]*\n)+)", re.MULTILINE)


@pytest.fixture(scope="module")
def tables() -> Any:
    interpreter = os.environ.get("MICROPYTHON") or str(Path(sys.executable).parent / "micropython")
    code = FLAT + DUMP.replace("FOLDERS", repr([str(FIRMWARE), str(ROOT / "tests" / "unit")]))
    run = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return dict(zip((*MODULES, "named"), json.loads(run.stdout), strict=True))


def rows(table: list[Any], width: int) -> Iterator[list[Any]]:
    for at in range(0, len(table), width):
        yield table[at : at + width]


def check(table: list[Any], published: Any) -> None:
    """A table of the firmware, and all that are nested in it."""
    numbers = [abs(number) for number, _ in rows(table, 2)]
    assert numbers == sorted(numbers), "the encoder writes in the table's order"
    oneofs = set()
    for signed, kind in rows(table, 2):
        number = abs(signed)
        if (published.name, number) in OURS:
            assert number not in published.fields_by_number
            continue
        field = published.fields_by_number[number]
        oneof = field.containing_oneof if field.containing_oneof and len(field.containing_oneof.fields) > 1 else None
        assert (signed < 0) == bool(oneof), field.name
        if oneof:
            oneofs.add(oneof.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            assert KINDS[field.type] == kind, field.name
        elif (published.name, field.name) in LATER:
            assert kind == BYTES
        else:
            check(kind, field.message_type)
    assert len(oneofs) <= 1, "a decoded message has room for one"


@pytest.mark.parametrize(("module", "name"), TABLES)
def test_numbers_kinds_and_oneofs_are_the_published_ones(module: str, name: str, tables: Any) -> None:
    check(tables[module][name], TABLES[module, name])


def test_every_table_is_compared(tables: Any) -> None:
    public = {(module, name) for module in MODULES for name in tables[module]}
    assert public == set(TABLES)


def test_the_unit_tests_names_are_the_published_ones(tables: Any) -> None:
    def names(table: list[Any], published: Any) -> None:
        for number, name, kind, group in rows(table, 4):
            if (published.name, number) in OURS:
                continue
            field = published.fields_by_number[number]
            assert field.name == name
            assert (field.containing_oneof.name if field.containing_oneof else None) == group
            if isinstance(kind, list):
                names(kind, field.message_type)

    for (module, name), published in TABLES.items():
        if module in ("messages", "keymessages"):
            names(tables["named"][name], published)


def test_closure_statuses_have_the_fields_of_closure_moves() -> None:
    moves = {field.name: field.number for field in MESSAGES["ClosureMoveRequest"].fields}
    assert {field.name: field.number for field in MESSAGES["ClosureStatuses"].fields} == moves


def test_no_module_of_the_firmware_keeps_numbers_of_the_protocol() -> None:
    """A constant under the name of a message or an enumeration is a number that the schema has already."""
    enums = {name for file in FILES for name in file.DESCRIPTOR.enum_types_by_name}
    kept = [
        f"{source.relative_to(FIRMWARE)}: {owner}"
        for source in sorted(FIRMWARE.rglob("*.py")) if source.name != "schema.py"
        for owner, _ in BLOCK.findall(source.read_text("utf-8")) if owner in MESSAGES or owner in enums
    ]  # fmt: skip
    assert kept == []
    named = re.compile(r"\b(?:MessageFault|RoutableMessage|Role|WhitelistOperation|Refusal)\.\w+")
    users = [source for source in FIRMWARE.rglob("*.py") if named.search(source.read_text("utf-8"))]
    assert len(users) > 8, "the firmware speaks in words"


def test_the_logs_kinds_and_links_are_those_that_the_car_writes() -> None:
    """The view sends their numbers; the log in flash has the same."""
    written = {
        node.targets[0].id: ast.literal_eval(node.value)
        for name in ("accesslog", "logreader")
        for node in ast.parse((FIRMWARE / "latchkey" / "store" / f"{name}.py").read_text("utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
        and isinstance(node.value, ast.Tuple)
    }  # fmt: skip
    for enum, prefix, words in (
        (latchkey_pb2.LogKind, "LOG_KIND_", written["KINDS"]),
        (latchkey_pb2.LogLink, "LOG_LINK_", written["CONNS"]),
    ):
        names = [name.removeprefix(prefix).lower() for name, _ in sorted(enum.items(), key=lambda item: item[1])]
        assert names == [word or "none" for word in words]
        assert sorted(enum.values()) == list(range(len(words)))


def test_a_domain_of_our_own_is_no_published_one_and_a_byte_of_metadata() -> None:
    ours = latchkey_pb2.Domain.Value("DOMAIN_LATCHKEY")
    assert ours not in universal_message_pb2.Domain.values() and 0 < ours < 256
