# SPDX-License-Identifier: Apache-2.0
"""A man in the middle answered the owner's `keys update --which ID` with his own public key, and was made an owner.

Now a look-up is signed and its answer encrypted, so it is the car's, and a key id that two keys have is no name.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec
from typer.testing import CliRunner, Result

from host_tools import cli
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.serial.bench import Bench, VehicleConnection
from tests.bench.support import new_phone

# Two keys with one 4-byte id, found among 115,362 in three seconds.
TWINS = tuple(keyfile.Key(ec.derive_private_key((1 << 200) + n, ec.SECP256R1())) for n in (0x960C, 0x1C2A3))


class Mallory:
    """Sits between the owner and the car: passes on, answers in the car's place, hands over old answers again."""

    car: VehicleConnection

    def __init__(self, key: Key, way: str) -> None:
        self.key = key
        self.way = way
        self.inbox: list[bytes] = []
        self.recorded: list[universal.RoutableMessage] = []
        self.asked = 0

    def send(self, message: bytes) -> None:
        request = universal.RoutableMessage.FromString(message)
        signed = request.HasField("signature_data")
        if not signed and request.protobuf_message_as_bytes:
            self.inbox.append(self.lie(request))
            return
        if signed and self.way == "answers in the clear":
            self.inbox.append(self.lie(request))
        if signed and self.way == "answers twice":
            self.inbox += [self.again(request, old) for old in self.recorded]
        if signed and self.way == "takes the signature off":
            self.asked += 1
            if self.asked == 1:
                self.inbox.append(self.lie(request))
                return
        self.car.send(message)

    def receive(self, timeout: float) -> bytes | None:
        if self.inbox:
            return self.inbox.pop(0)
        data = self.car.receive(timeout)
        if data is not None:
            reply = universal.RoutableMessage.FromString(data)
            if reply.signature_data.HasField("AES_GCM_Response_data"):
                self.recorded.append(reply)
        return data

    def close(self) -> None:
        """The owner hangs up, and so do we."""
        self.car.close()

    def lie(self, request: universal.RoutableMessage) -> bytes:
        """An answer to anything: the key that you mean is mine."""
        told = vcsec.FromVCSECMessage()
        told.whitelistEntryInfo.publicKey.PublicKeyRaw = self.key.public
        told.whitelistEntryInfo.keyId.publicKeySHA1 = bytes.fromhex(self.key.id)
        told.whitelistEntryInfo.keyRole = messages.ROLES["owner"]
        reply = universal.RoutableMessage(protobuf_message_as_bytes=told.SerializeToString())
        return self.again(request, reply)

    def again(self, request: universal.RoutableMessage, old: universal.RoutableMessage) -> bytes:
        """An answer that was for another request."""
        reply = universal.RoutableMessage()
        reply.CopyFrom(old)
        reply.request_uuid = request.uuid
        reply.to_destination.CopyFrom(request.from_destination)
        reply.from_destination.domain = universal.DOMAIN_VEHICLE_SECURITY
        return reply.SerializeToString()


class Between:
    """The car as the owner's command line finds it: every connection goes through Mallory."""

    def __init__(self, car: Bench, mallory: Mallory | None) -> None:
        self.car = car
        self.mallory = mallory
        self.hello = car.hello

    def __enter__(self) -> Between:
        return self

    def __exit__(self, *_: object) -> None:
        """The port stays the test's."""

    def connect(self) -> Any:
        connection = self.car.connect()
        if self.mallory is None:
            return connection
        self.mallory.car = connection
        return self.mallory


@pytest.fixture
def file(owner: Phone, tmp_path: Path) -> Path:
    """The owner's key, in a file."""
    from cryptography.hazmat.primitives import serialization

    pem = owner.key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "owner.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def through(monkeypatch: pytest.MonkeyPatch, car: Bench, mallory: Mallory | None) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(Bench, "open", lambda *_, **__: Between(car, mallory))
        yield


def keychain(*arguments: str | Path) -> Result:
    words = ["keys", arguments[0], "--port", "P", "--timeout", "1", "--json", *arguments[1:]]
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def roles(car: Bench) -> dict[str, int]:
    enrolled = car.keys()
    return {key["public"]: key["role"] for key in enrolled}


WAYS = ["answers what is not signed", "answers in the clear", "answers twice", "takes the signature off"]


@pytest.mark.usefixtures("resting")
@pytest.mark.parametrize("by", ["id", "slot"])
@pytest.mark.parametrize("way", WAYS)
def test_who_is_in_the_middle_gets_nothing_signed(
    car: Bench, owner: Phone, file: Path, monkeypatch: pytest.MonkeyPatch, way: str, by: str
) -> None:
    guest, meant = new_phone(car, "guest", by=owner), new_phone(car, "driver", by=owner)
    enrolled = car.keys()
    slots = {key["key"]: key["slot"] for key in enrolled}
    which = meant.key.id if by == "id" else str(slots[meant.key.id])
    mallory = Mallory(guest.key, way)
    with through(monkeypatch, car, mallory):
        result = keychain("update", "--key", file, "--which", which, "--role", "owner")
    found = roles(car)
    assert found[guest.key.public.hex()] == messages.ROLES["guest"], "the one in the middle was promoted"
    told = json.loads(result.stdout)
    done = found[meant.key.public.hex()] == messages.ROLES["owner"]
    assert (result.exit_code == 0) == done == told["ok"]
    if done:
        assert told["public"] == meant.key.public.hex()
    with through(monkeypatch, car, Mallory(guest.key, way)):
        keychain("remove", "--key", file, "--which", which)
    assert guest.key.public.hex() in roles(car), "who is in the middle chooses whom the owner removes"


@pytest.mark.usefixtures("resting")
def test_an_id_that_two_keys_have_names_neither(
    car: Bench, owner: Phone, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest can grind a key with a driver's id: four bytes are 2^32 tries."""
    driver, guest = TWINS
    assert driver.id == guest.id and driver.public != guest.public
    for key, role in ((guest, "guest"), (driver, "driver")):
        owner.change_keys(messages.add_key(key.public, role))
    before = roles(car)
    with through(monkeypatch, car, None):
        for arguments in (["update", "--role", "owner"], ["remove"]):
            result = keychain(*arguments, "--key", file, "--which", driver.id)
            assert result.exit_code == 2 and json.loads(result.stdout)["error"]["name"] == "AMBIGUOUS_KEY_ID"
            assert driver.public.hex() in result.stderr and guest.public.hex() in result.stderr
        assert roles(car) == before
        result = keychain("update", "--role", "charging", "--key", file, "--which", driver.public.hex())
        assert result.exit_code == 0, result.stderr
    charging = messages.ROLES["charging"]
    assert roles(car) == before | {driver.public.hex(): charging}
