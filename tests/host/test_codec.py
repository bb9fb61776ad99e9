# SPDX-License-Identifier: Apache-2.0
"""The firmware's protobuf decoder against google's: the same values, or a refusal for one of the limits that
wire/pb.py names. Thousands of damaged, padded, repeated and nested messages, decoded by both.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.build.staging import staged
from host_tools.sim.interpreter import find_micropython
from tests.host.flat_tables import FLAT

LIMITS = {"number", "wire type", "groups"}  # where the firmware may refuse what others take
COUNT = 6000
TABLES: dict[str, type[Message]] = {
    "messages.ROUTABLE_MESSAGE": universal.RoutableMessage,
    "messages.SESSION_INFO": sig.SessionInfo,
    "messages.UNSIGNED_MESSAGE": vcsec.UnsignedMessage,
    "messages.TO_VCSEC": vcsec.ToVCSECMessage,
    "keymessages.WHITELIST_OPERATION": vcsec.WhitelistOperation,
}
DRIVER = """
import sys, json
sys.path.insert(0, FOLDER)
from latchkey.wire import pb, messages, keymessages
def plain(value):
    if isinstance(value, dict):
        return {str(number): plain(value[number]) for number in value}
    return value if isinstance(value, int) else bytes(value).hex()
for line in open(CORPUS):
    name, _, data = line.strip().partition(" ")
    module, _, table = name.partition(".")
    try:
        told = plain(pb.decode(getattr(globals()[module], table), bytes.fromhex(data)))
    except pb.DecodeError as error:
        told = error.why
    print(json.dumps(told))
print(json.dumps({name: flat(getattr(globals()[name.split(".")[0]], name.split(".")[1])) for name in NAMES}))
"""
SEEDS: dict[str, list[Callable[[], Message]]] = {
    "messages.ROUTABLE_MESSAGE": [
        lambda: universal.RoutableMessage(
            to_destination=universal.Destination(domain=universal.DOMAIN_VEHICLE_SECURITY),
            from_destination=universal.Destination(routing_address=b"a" * 16),
            protobuf_message_as_bytes=b"\x10\x01", uuid=b"u" * 16, flags=2,
            signature_data=sig.SignatureData(
                signer_identity=sig.KeyIdentity(public_key=b"\x04" * 9),
                AES_GCM_Personalized_data=sig.AES_GCM_Personalized_Signature_Data(
                    epoch=b"e" * 16, nonce=b"n" * 12, counter=300, expires_at=2655, tag=b"t" * 16))),
        lambda: universal.RoutableMessage(
            to_destination=universal.Destination(domain=-1),  # type: ignore[arg-type]
            session_info_request=universal.SessionInfoRequest(public_key=b"\x04" * 5, challenge=b"c")),
        lambda: universal.RoutableMessage(
            session_info=b"info", request_uuid=b"r",
            signedMessageStatus=universal.MessageStatus(signed_message_fault=universal.MESSAGEFAULT_ERROR_BUSY)),
    ],
    "messages.SESSION_INFO": [
        lambda: sig.SessionInfo(counter=7, publicKey=b"k" * 9, epoch=b"e", clock_time=99, handle=1 << 30)],
    "messages.UNSIGNED_MESSAGE": [
        lambda: vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_LOCK),
        lambda: vcsec.UnsignedMessage(closureMoveRequest=vcsec.ClosureMoveRequest(
            chargePort=vcsec.CLOSURE_MOVE_TYPE_OPEN, rearTrunk=vcsec.CLOSURE_MOVE_TYPE_MOVE)),
        lambda: vcsec.UnsignedMessage(InformationRequest=vcsec.InformationRequest(
            informationRequestType=vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO, slot=200)),
    ],
    "messages.TO_VCSEC": [
        lambda: vcsec.ToVCSECMessage(signedMessage=vcsec.SignedMessage(
            protobufMessageAsBytes=b"\x10\x00", signatureType=vcsec.SIGNATURE_TYPE_PRESENT_KEY))],
    "keymessages.WHITELIST_OPERATION": [
        lambda: vcsec.WhitelistOperation(
            addKeyToWhitelistAndAddPermissions=vcsec.PermissionChange(
                key=vcsec.PublicKey(PublicKeyRaw=b"\x04" * 7), keyRole=3, secondsToBeActive=60),  # type: ignore[arg-type]
            metadataForKey=vcsec.KeyMetadata(keyFormFactor=vcsec.KEY_FORM_FACTOR_IOS_DEVICE)),
        lambda: vcsec.WhitelistOperation(removeAllImpermanentKeys=True),
    ],
}  # fmt: skip
PIECES = [bytes.fromhex(text) for text in (
    "9b069c06", "9b0608059c06", "9b06" * 40 + "9c06" * 40, "9b06", "9c06", "9b069406", "a30612009b069c06a406",
    "08" + "ff" * 9 + "01", "08" + "ff" * 9 + "7f", "08ffffffff7f", "0880808080808000", "3208" + "08" + "80" * 6 + "00",
    "888080800005", "88808080800005",
    "320b08" + "ff" * 9 + "01", "3202" + "0802", "3203" + "120161", "6a040a021805",
    "6a042a021807", "6a0442021003", "3003", "00", "0e", "0f00", "9806ffffffff0f", "9d0600000000", "990600",
    "a00380808010",
)]  # fmt: skip


def corpus(rng: random.Random) -> list[tuple[str, bytes]]:
    """Messages with bits flipped, bytes cut, put in and said twice, and with what only hostile or odd writers write."""
    cases = []
    names = list(TABLES)
    for _ in range(COUNT):
        name = rng.choice(names)
        data = bytearray(rng.choice(SEEDS[name])().SerializeToString())
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(6):
                case 0:
                    data[at:at] = rng.choice(PIECES)
                case 1:
                    data += rng.choice(PIECES)
                case 2:
                    data += rng.choice(SEEDS[name])().SerializeToString()
                case 3 if data:
                    data[at % len(data)] ^= 1 << rng.randrange(8)
                case 4 if data:
                    data[at % len(data)] = rng.randrange(256)
                case 5:
                    del data[at : at + 1]
        cases.append((name, bytes(data[:1024])))
    return cases


@pytest.fixture(scope="module")
def decoded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[tuple[str, bytes]], list[Any], dict[str, list[Any]]]:
    """The messages, what the firmware makes of each, and its tables."""
    cases = corpus(random.Random(5))
    file: Path = tmp_path_factory.mktemp("codec") / "corpus"
    file.write_text("".join(f"{name} {data.hex()}\n" for name, data in cases))
    code = FLAT + DRIVER.replace("FOLDER", repr(str(staged()))).replace("CORPUS", repr(str(file)))
    interpreter = find_micropython(request.config.getoption("--micropython"))
    run = subprocess.run(
        [interpreter, "-c", code.replace("NAMES", repr(list(TABLES)))],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    *told, tables = map(json.loads, run.stdout.splitlines())
    return cases, told, tables


def compare(ours: dict[str, Any], table: list[Any], message: Message) -> None:
    """Every field of the table has the value that protobuf has."""
    fields = message.DESCRIPTOR.fields_by_number
    for at in range(0, len(table), 2):
        number, kind = abs(table[at]), table[at + 1]
        field = fields.get(number)
        if field is None:
            continue  # one that Latchkey added
        theirs, got = getattr(message, field.name), ours.get(str(number))
        if isinstance(kind, list):
            assert (got is not None) == message.HasField(field.name), field.name
            if got is not None:
                compare(got, kind, theirs)
        elif field.message_type is not None:
            assert (got is not None) == message.HasField(field.name), field.name  # decoded later
        else:
            if field.containing_oneof is not None:
                assert (got is not None) == message.HasField(field.name), field.name
            if field.type == FieldDescriptor.TYPE_BYTES:
                assert bytes.fromhex(got or "") == theirs, field.name
            elif field.type == FieldDescriptor.TYPE_BOOL:
                assert bool(got) == theirs, field.name
            else:
                assert (got or 0) == theirs & 0xFFFFFFFF, field.name


def test_what_protobuf_decodes_the_firmware_decodes_alike_or_refuses_by_a_limit(
    decoded: tuple[list[tuple[str, bytes]], list[Any], dict[str, list[Any]]],
    record_property: Callable[[str, object], None],
) -> None:
    cases, told, tables = decoded
    alike = limits = broken = 0
    for (name, data), ours in zip(cases, told, strict=True):
        try:
            theirs = TABLES[name].FromString(data)
        except DecodeError:
            broken += 1
            continue
        if isinstance(ours, str):
            assert ours in LIMITS, (name, data.hex(), ours)
            limits += 1
            continue
        try:
            compare(ours, tables[name], theirs)
        except AssertionError as error:
            raise AssertionError(f"{name} {data.hex()}: {error}") from None
        alike += 1
    assert min(alike, limits, broken) > COUNT // 50
    record_property(
        "note", f"{alike} messages decoded as protobuf does, {limits} refused by a limit, {broken} readable to neither"
    )


def test_what_protobuf_refuses_the_firmware_takes_only_where_it_does_not_look(
    decoded: tuple[list[tuple[str, bytes]], list[Any], dict[str, list[Any]]],
) -> None:
    cases, told, _ = decoded
    taken = []
    for (name, data), ours in zip(cases, told, strict=True):
        if isinstance(ours, str) or name == "keymessages.WHITELIST_OPERATION":
            continue
        try:
            TABLES[name].FromString(data)
        except DecodeError:
            taken.append((name, data.hex(), ours))
    known = [case for case in taken if case[0] == "messages.UNSIGNED_MESSAGE"]  # messages that it has no table of
    assert taken == known
