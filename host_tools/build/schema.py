# SPDX-License-Identifier: Apache-2.0
"""The one schema, generated: for the firmware the names of what is on the wire, and the tables that its codec follows;
for the host the messages that are ours.

From the published descriptors (`tesla-protocol`) and, for what is ours, from `firmware/latchkey/wire/latchkey.proto`.
`make schema` writes the files; `make lint` fails when they are stale. A message of ours with a published message's name
holds the fields that we add to it. Names are the protocol's own; an enumeration's `_E` and the prefix that all its
values share are left out: `MessageFault.BUSY`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor
from tesla_protocol.command import (
    car_server_pb2,
    common_pb2,
    errors_pb2,
    keys_pb2,
    signatures_pb2,
    universal_message_pb2,
    vcsec_pb2,
)

from host_tools.build.staging import SOURCES

WIRE = SOURCES / "latchkey" / "wire"
OURS = WIRE / "latchkey.proto"
HOST = Path(__file__).parents[1] / "phone" / "latchkey_pb2.py"
_PUBLISHED = (
    universal_message_pb2, signatures_pb2, vcsec_pb2, keys_pb2, errors_pb2, common_pb2, car_server_pb2,
)  # fmt: skip

# The tables that a board has, by module: a table for each message, of the fields that the vehicle reads or writes. One
# that modules use has its name after the message's; the others are nested in them. `=bytes` after a field: it is
# decoded later, by whom it concerns.
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "messages": (
        "what every message may need",
        {
            "Destination": "domain routing_address",
            "SessionInfoRequest": "public_key challenge",
            "SessionInfo=SESSION_INFO": "counter publicKey epoch clock_time status handle",
            "KeyIdentity": "public_key handle",
            "AES_GCM_Personalized_Signature_Data": "epoch nonce counter expires_at tag",
            "HMAC_Signature_Data": "tag",
            "HMAC_Personalized_Signature_Data": "epoch counter expires_at tag",
            "AES_GCM_Response_Signature_Data": "nonce counter tag",
            "SignatureData": "signer_identity AES_GCM_Personalized_data session_info_tag HMAC_Personalized_data"
            " AES_GCM_Response_data",
            "MessageStatus": "operation_status signed_message_fault",
            "RoutableMessage=ROUTABLE_MESSAGE": "to_destination from_destination protobuf_message_as_bytes"
            " signedMessageStatus"
            " signature_data session_info_request session_info request_uuid uuid flags",
            "SignedMessage": "protobufMessageAsBytes signatureType",
            "ToVCSECMessage=TO_VCSEC": "signedMessage",
            "KeyIdentifier": "publicKeySHA1",
            "InformationRequest": "informationRequestType keyId publicKey slot",
            "ClosureMoveRequest": "frontDriverDoor frontPassengerDoor rearDriverDoor rearPassengerDoor rearTrunk"
            " frontTrunk chargePort tonneau",
            "UnsignedMessage=UNSIGNED_MESSAGE": "InformationRequest RKEAction closureMoveRequest"
            " WhitelistOperation=bytes",
            "ClosureStatuses": "frontDriverDoor frontPassengerDoor rearDriverDoor rearPassengerDoor rearTrunk"
            " frontTrunk chargePort tonneau",
            "VehicleStatus": "closureStatuses vehicleLockState vehicleSleepStatus userPresence",
            "NominalError": "genericError",
            "FromVCSECMessage=FROM_VCSEC": "vehicleStatus nominalError",
        },
    ),
    "keymessages": (
        "what is said about keys: loaded when somebody does",
        {
            "KeyIdentifier": "publicKeySHA1",
            "KeyMetadata": "keyFormFactor",
            "PublicKey": "PublicKeyRaw",
            "PermissionChange": "key secondsToBeActive keyRole label",
            "ReplaceKey": "publicKeyToReplace slotToReplace keyToAdd keyRole impermanent",
            "WhitelistOperation=WHITELIST_OPERATION": "addPublicKeyToWhitelist removePublicKeyFromWhitelist"
            " addPermissionsToPublicKey"
            " removePermissionsFromPublicKey addKeyToWhitelistAndAddPermissions metadataForKey updateKeyAndPermissions"
            " addImpermanentKey addImpermanentKeyAndRemoveExisting removeAllImpermanentKeys replaceKey",
            "WhitelistOperation_status": "whitelistOperationInformation signerOfOperation operationStatus",
            "CommandStatus": "operationStatus whitelistOperationStatus",
            "WhitelistInfo": "numberOfEntries whitelistEntries slotMask",
            "WhitelistEntryInfo": "keyId publicKey metadataForKey slot keyRole",
            "FromVCSECMessage=FROM_VCSEC": "commandStatus whitelistInfo whitelistEntryInfo",
        },
    ),
    "carmessages": (
        "what infotainment is asked for: loaded when somebody does",
        {
            "Ping": "ping_id",
            "VehicleAction": "ping chargePortDoorClose=bytes chargePortDoorOpen=bytes",
            "Action=ACTION": "vehicleAction",
            "ResultReason": "plain_text",
            "ActionStatus": "result result_reason",
            "Response=RESPONSE": "actionStatus ping",
        },
    ),
    "viewmessages": (
        "what a key asks to see: loaded when one does",
        {
            "KeysRequest": "start",
            "LogRequest": "since raw",
            "ReceiptRequest": "hash",
            "ToLatchkey=TO_LATCHKEY": "status=bytes keys log receipt head=bytes",
            "PendingKey": "id role left",
            "CarStatus": "uptime boot version board micropython development radio locked asleep user_present brake"
            " start_enabled start_left open pending collision",
            "KeyEntry": "slot public role form origin label impermanent seconds commands not_before not_after uses used"
            " powered_left number signer",
            "KeysPage": "keys next",
            "LogEntry": "number boot at kind link key command outcome detail count raw",
            "LogHead": "number chain signature",
            "LogPage": "entries next head",
            "Receipt": "outcome number oldest",
            "FromLatchkey=FROM_LATCHKEY": "status keys log receipt head",
        },
    ),
    "authoritymessages": (
        "what an authority and its couriers say: loaded when one does",
        {
            "Authority": "root seal role url",
            "Parcel=PARCEL": "address generation version part sealed",
            "ToLatchkey=TO_LATCHKEY": "roster=bytes parcel install remove=bytes",
            "Signed=SIGNED": "body signature successor signer",
            "Delegation=DELEGATION": "root generation signers",
            "Head=HEAD": "vin generation version issued expires interval keys first",
            "Part=PART": "next entries",
            "RosterStatus": "address url role generation version keys issued expires time wishes declined sync",
            "Delivered": "declined generation version wanted",
            "AuthorityAnswer": "waiting information",
            "FromLatchkey=FROM_LATCHKEY": "roster parcel install remove",
        },
    ),
    "timemessages": (
        "what an owner says of the time: loaded when one does",
        {
            "TimeToken": "seconds anyway",
            "ToLatchkey=TO_LATCHKEY": "time",
            "TimeAnswer": "time known waiting information",
            "FromLatchkey=FROM_LATCHKEY": "time",
        },
    ),
    "grantmessages": (
        "grants, revocations and what their makers ask: loaded when somebody brings one",
        {
            "Grant": "handle number limits tag",
            "Limits=LIMITS": "role commands not_before not_after uses seconds key label",
            "Revocation=REVOCATION": "handle maker numbers below tag",
            "MakerRequest": "handle",
            "ToLatchkey=TO_LATCHKEY": "grant revoke maker",
            "GrantAnswer": "fault",
            "Maker": "handle salt next time time_known below spent",
            "FromLatchkey=FROM_LATCHKEY": "grant revoke maker",
        },
    ),
}
_UINT, _BYTES, _FIXED32, _MESSAGE = 0, 2, 5, 7  # wire/pb.py
_KINDS = {
    FieldDescriptor.TYPE_UINT32: _UINT,
    FieldDescriptor.TYPE_INT32: _UINT,
    FieldDescriptor.TYPE_ENUM: _UINT,
    FieldDescriptor.TYPE_BOOL: _UINT,
    FieldDescriptor.TYPE_BYTES: _BYTES,
    FieldDescriptor.TYPE_STRING: _BYTES,
    FieldDescriptor.TYPE_MESSAGE: _BYTES,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
}
_WIRE = """class Wire:  # protobuf.dev, "Encoding": wire types
    VARINT = 0
    I64 = 1
    LEN = 2
    SGROUP = 3
    EGROUP = 4
    I32 = 5
    ONE_OF = 0  # ours: where a decoded message has the number of its oneof's member (wire/pb.py)
"""
_HEAD = """# SPDX-License-Identifier: Apache-2.0
\"""{}

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
\"""
"""


def ours() -> FileDescriptor:
    """The messages of latchkey.proto, compiled."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "set")
        if protoc.main(["protoc", f"-I{OURS.parent}", f"--descriptor_set_out={out}", OURS.name]):
            raise SystemExit(f"{OURS.name} does not compile")
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(files.file[0])
    return pool.FindFileByName(OURS.name)


class Schema:
    """Fields by message and name, and numbers by enumeration and name."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, FieldDescriptor]] = {}
        self.enums: dict[str, dict[str, int]] = {}
        self.files: dict[str, str] = {}
        for file in [*(module.DESCRIPTOR for module in _PUBLISHED), ours()]:
            for enum in file.enum_types_by_name.values():
                self._add_enum(enum)
            for message in file.message_types_by_name.values():
                self._add_message(message)

    def _add_enum(self, enum: EnumDescriptor) -> None:
        name = enum.name.removesuffix("_E")
        words = [value.name.split("_")[:-1] for value in enum.values]
        shared = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
        prefix = "".join(column[0] + "_" for column in shared)
        values = {value.name.removeprefix(prefix): value.number for value in enum.values}
        known = self.enums.get(name, {})
        if any(known.get(short, number) != number for short, number in values.items()):
            name = f"{enum.file.package.rpartition('.')[2]}_{name}"  # two packages, two meanings
        self.enums.setdefault(name, {}).update(values)
        self.files.setdefault(name, Path(enum.file.name).name)

    def _add_message(self, message: Descriptor) -> None:
        self.fields.setdefault(message.name, {}).update(message.fields_by_name)
        self.files.setdefault(message.name, Path(message.file.name).name)
        for enum in message.enum_types:
            self._add_enum(enum)


def names(schema: Schema) -> str:
    """schema.py: classes of numbers, for the reader of the source; the build puts the numbers in their place."""
    used = {message.partition("=")[0] for _, tables in TABLES.values() for message in tables}
    parts = [_HEAD.format(
        "Names of what is on the wire. A field of a message is its number, and so is a value of an enumeration.\n\n"
        "The build puts the numbers in place of the names (host_tools/build/stage.py): a board does not have it."
    )]  # fmt: skip
    for name in sorted(used):
        parts.append(_class(name, {field: it.number for field, it in schema.fields[name].items()}, schema))
    for name in sorted(set(schema.enums) - used):
        if schema.files[name] not in {"car_server.proto", "common.proto"} or name == "CarServer_OperationStatus":
            parts.append(_class(name, schema.enums[name], schema))
    parts.append(_WIRE)
    return "\n\n".join(parts)


def _class(name: str, numbers: dict[str, int], schema: Schema) -> str:
    lines = [f"class {name}:  # {schema.files[name]}"]
    for field, number in sorted(numbers.items(), key=lambda item: item[1]):
        lines.append(f"    {field if field.isidentifier() else '_' + field} = {number}")
    return "\n".join(lines) + "\n"


def tables(schema: Schema, module: str) -> str:
    """A module of tables, each a flat tuple as wire/pb.py follows it."""
    what, messages = TABLES[module]
    parts = [
        _HEAD.format(
            f"Tables of messages: {what}.\n\n"
            "Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them."
        ),
        "\nfrom micropython import const\n\n",
    ]
    known = {message: public or _constant(message) for message, _, public in (name.partition("=") for name in messages)}
    for name, wanted in messages.items():
        message, _, public = name.partition("=")
        inner: list[str] = []
        rows = list(_rows(schema, message, wanted.split(), known, inner))
        if inner:  # a tuple
            rows[-1] = rows[-1].replace('"  #', '",  #')
        table = "(\n" + "".join(rows + [f"    {name},\n" for name in inner]) + ")"
        parts.append(f"{public} = {table}\n" if public else f"{_constant(message)} = const({table})\n")
    return "".join(parts)


def _rows(schema: Schema, message: str, wanted: list[str], known: dict[str, str], inner: list[str]) -> Iterator[str]:
    """A line for each field; the tables of those that are messages come into `inner`."""
    fields = sorted(wanted, key=lambda name: schema.fields[message][name.partition("=")[0]].number)
    for entry in fields:
        name, _, later = entry.partition("=")
        field = schema.fields[message][name]
        kind, more = _KINDS[field.type], field.number >> 7
        if field.message_type is not None and not later:
            if field.message_type.name not in known or more:
                raise SystemExit(f"{message}.{name} needs a table of {field.message_type.name}, and a number below 128")
            if known[field.message_type.name] not in inner:
                inner.append(known[field.message_type.name])
            kind, more = _MESSAGE, inner.index(known[field.message_type.name]) + 1
        oneof = field.containing_oneof
        member = oneof is not None and len(oneof.fields) > 1
        yield f'    b"\\x{field.number & 0x7F | member << 7:02x}\\x{kind | more << 3:02x}"  # {name}\n'


def _constant(message: str) -> str:
    return "_" + re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", message).upper()


def host(file: FileDescriptor) -> str:
    """latchkey_pb2.py: what protoc would write, but for nothing that depends on its version."""
    raw = file.serialized_pb.hex()
    parts = [
        _HEAD.format("The messages and enumerations of latchkey.proto, for google's protobuf."),
        "\nfrom typing import Any\n\nfrom google.protobuf import descriptor_pool, message_factory\n"
        "from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper\n\n"
        "_FILE: Any = descriptor_pool.DescriptorPool().AddSerializedFile(\n    bytes.fromhex(\n",
        *(f'        "{raw[at : at + 104]}"\n' for at in range(0, len(raw), 104)),
        "    )\n)\n",
    ]
    for name in file.message_types_by_name:
        parts.append(f'{name}: Any = message_factory.GetMessageClass(_FILE.message_types_by_name["{name}"])\n')
    for name in file.enum_types_by_name:
        parts.append(f'{name} = EnumTypeWrapper(_FILE.enum_types_by_name["{name}"])\n')
    return "".join(parts)


def files() -> dict[Path, str]:
    """What should be in each generated file."""
    schema = Schema()
    made = {WIRE / "schema.py": names(schema), HOST: host(ours())}
    return made | {WIRE / f"{module}.py": tables(schema, module) for module in TABLES}


def main(check: bool) -> int:
    """Write the files; or with `check` only say which are stale. The exit code."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path} is stale: make schema", file=sys.stderr)
        else:
            path.write_text(files()[path], "utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
