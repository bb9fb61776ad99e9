# SPDX-License-Identifier: Apache-2.0
"""The firmware's message tables against the published descriptors: every number, kind and oneof."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from tesla_protocol.command import errors_pb2, signatures_pb2, universal_message_pb2, vcsec_pb2

FIRMWARE = Path(__file__).parents[2] / "firmware"
UINT, BYTES, FIXED32 = 0, 2, 5

DUMP = """
import json, sys
sys.path.insert(0, sys.argv[1])
from latchkey.wire import messages
names = [name for name in dir(messages) if isinstance(getattr(messages, name), tuple)]
tables = {name: getattr(messages, name) for name in names}
def kind(k):
    return [n for n in names if tables[n] is k][0] if isinstance(k, tuple) else k
def fields(t):
    return [[t[i], t[i + 1], kind(t[i + 2]), t[i + 3]] for i in range(0, len(t), 4)]
print(json.dumps({n: fields(tables[n]) for n in names}))
"""

DESCRIPTORS: dict[str, Any] = {  # a message class may lack a descriptor, by type
    "DESTINATION": universal_message_pb2.Destination.DESCRIPTOR,
    "SESSION_INFO_REQUEST": universal_message_pb2.SessionInfoRequest.DESCRIPTOR,
    "MESSAGE_STATUS": universal_message_pb2.MessageStatus.DESCRIPTOR,
    "ROUTABLE_MESSAGE": universal_message_pb2.RoutableMessage.DESCRIPTOR,
    "SESSION_INFO": signatures_pb2.SessionInfo.DESCRIPTOR,
    "KEY_IDENTITY": signatures_pb2.KeyIdentity.DESCRIPTOR,
    "AES_GCM_PERSONALIZED": signatures_pb2.AES_GCM_Personalized_Signature_Data.DESCRIPTOR,
    "HMAC_SIGNATURE": signatures_pb2.HMAC_Signature_Data.DESCRIPTOR,
    "HMAC_PERSONALIZED": signatures_pb2.HMAC_Personalized_Signature_Data.DESCRIPTOR,
    "AES_GCM_RESPONSE": signatures_pb2.AES_GCM_Response_Signature_Data.DESCRIPTOR,
    "SIGNATURE_DATA": signatures_pb2.SignatureData.DESCRIPTOR,
    "SIGNED_MESSAGE": vcsec_pb2.SignedMessage.DESCRIPTOR,
    "TO_VCSEC": vcsec_pb2.ToVCSECMessage.DESCRIPTOR,
    "KEY_IDENTIFIER": vcsec_pb2.KeyIdentifier.DESCRIPTOR,
    "KEY_METADATA": vcsec_pb2.KeyMetadata.DESCRIPTOR,
    "PUBLIC_KEY": vcsec_pb2.PublicKey.DESCRIPTOR,
    "INFORMATION_REQUEST": vcsec_pb2.InformationRequest.DESCRIPTOR,
    "CLOSURES": vcsec_pb2.ClosureMoveRequest.DESCRIPTOR,
    "PERMISSION_CHANGE": vcsec_pb2.PermissionChange.DESCRIPTOR,
    "REPLACE_KEY": vcsec_pb2.ReplaceKey.DESCRIPTOR,
    "WHITELIST_OPERATION": vcsec_pb2.WhitelistOperation.DESCRIPTOR,
    "UNSIGNED_MESSAGE": vcsec_pb2.UnsignedMessage.DESCRIPTOR,
    "VEHICLE_STATUS": vcsec_pb2.VehicleStatus.DESCRIPTOR,
    "WHITELIST_STATUS": vcsec_pb2.WhitelistOperation_status.DESCRIPTOR,
    "COMMAND_STATUS": vcsec_pb2.CommandStatus.DESCRIPTOR,
    "WHITELIST_INFO": vcsec_pb2.WhitelistInfo.DESCRIPTOR,
    "WHITELIST_ENTRY_INFO": vcsec_pb2.WhitelistEntryInfo.DESCRIPTOR,
    "NOMINAL_ERROR": errors_pb2.NominalError.DESCRIPTOR,
    "FROM_VCSEC": vcsec_pb2.FromVCSECMessage.DESCRIPTOR,
}
OURS = {("PERMISSION_CHANGE", 1001)}  # docs/protocol.md: the label
KINDS = {
    FieldDescriptor.TYPE_UINT32: UINT,
    FieldDescriptor.TYPE_ENUM: UINT,
    FieldDescriptor.TYPE_BOOL: UINT,
    FieldDescriptor.TYPE_BYTES: BYTES,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
}


@pytest.fixture(scope="module")
def tables() -> dict[str, list[list[Any]]]:
    interpreter = os.environ.get("MICROPYTHON") or str(Path(sys.executable).parent / "micropython")
    run = subprocess.run(
        [interpreter, "-c", DUMP, str(FIRMWARE)], capture_output=True, text=True, check=False, timeout=60
    )
    if run.returncode:  # `-c` takes no arguments on some builds: name the folder in the text instead
        dump = DUMP.replace("sys.argv[1]", repr(str(FIRMWARE)))
        run = subprocess.run([interpreter, "-c", dump], capture_output=True, text=True, check=True, timeout=60)
    loaded: dict[str, list[list[Any]]] = json.loads(run.stdout)
    return loaded


def test_every_table_is_compared(tables: dict[str, list[list[Any]]]) -> None:
    assert set(tables) == set(DESCRIPTORS)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_numbers_kinds_and_oneofs_are_the_published_ones(name: str, tables: dict[str, list[list[Any]]]) -> None:
    published = DESCRIPTORS[name]
    numbers = [number for number, *_ in tables[name]]
    assert numbers == sorted(numbers), "the encoder writes in the table's order"
    for number, field_name, kind, group in tables[name]:
        if (name, number) in OURS:
            assert number not in published.fields_by_number
            continue
        field = published.fields_by_number[number]
        assert field.name == field_name
        assert (field.containing_oneof.name if field.containing_oneof else None) == group
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            closures = {"ClosureMoveRequest", "ClosureStatuses"}  # alike in every number and kind
            wanted = {field.message_type.name}
            assert DESCRIPTORS[kind].name in (closures if wanted & closures else wanted)
        else:
            assert KINDS[field.type] == kind, field_name


def test_closure_statuses_have_the_fields_of_closure_moves() -> None:
    moves = {f.name: f.number for f in vcsec_pb2.ClosureMoveRequest.DESCRIPTOR.fields}
    assert {f.name: f.number for f in vcsec_pb2.ClosureStatuses.DESCRIPTOR.fields} == moves
