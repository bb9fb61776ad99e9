# SPDX-License-Identifier: Apache-2.0
"""The phone's cryptography against the protocol's published vectors, and its cache against crashes and garbage."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages, session
from host_tools.phone.cache import Saved, SessionCache
from host_tools.phone.session import Session, Unverified

VIN = "5YJ30123456789ABC"
CAR_PUBLIC = bytes.fromhex(
    "04c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3"
    "a6aaa0e955166474af5d32c410f439a2234137ad1bb085fd4e8813c958f11d97"
)
PHONE_PRIVATE = 0x2538CDC29A97C19C1E99A637D6CF4F8C970C118B56EDE1E6323E6D162C4B30DB
K = bytes.fromhex("1b2fce19967b79db696f909cff89ea9a")
CHALLENGE = bytes.fromhex("1588d5a30eabc6f8fc9a951b11f6fd11")
INFO = bytes.fromhex("0806124104") + CAR_PUBLIC[1:] + bytes.fromhex("1a104c463f9cc0d3d26906e982ed224adde6255a0a0000")
INFO_TAG = bytes.fromhex("996c1fe38331be138f8039c194b14db2198846ed7d8251e6749284d7b32ea002")
EPOCH = bytes.fromhex("4c463f9cc0d3d26906e982ed224adde6")


def a_session(**change: object) -> Session:
    values: dict[str, object] = {
        "vin": VIN,
        "car_public": CAR_PUBLIC,
        "key": K,
        "epoch": EPOCH,
        "counter": 6,
        "clock_zero": 0.0,
    }
    return Session(**{**values, **change})  # type: ignore[arg-type]


def test_the_shared_key_matches_the_published_one() -> None:
    private = ec.derive_private_key(PHONE_PRIVATE, ec.SECP256R1())
    assert session.shared_key(private, CAR_PUBLIC) == K


def test_a_car_key_off_the_curve_is_not_a_key() -> None:
    private = ec.derive_private_key(PHONE_PRIVATE, ec.SECP256R1())
    with pytest.raises(Unverified):
        session.shared_key(private, CAR_PUBLIC[:-1] + b"\x00")


def test_the_published_session_info_tag_verifies() -> None:
    session.verify_session_info(K, VIN, CHALLENGE, INFO, INFO_TAG)


@pytest.mark.parametrize("tag", [b"", INFO_TAG[:31], INFO_TAG[:-1] + b"\x00", INFO_TAG + b"\x00"])
def test_another_session_info_tag_does_not_verify(tag: bytes) -> None:
    with pytest.raises(Unverified):
        session.verify_session_info(K, VIN, CHALLENGE, INFO, tag)


def test_another_vin_or_challenge_does_not_verify() -> None:
    with pytest.raises(Unverified):
        session.verify_session_info(K, VIN[:-1] + "D", CHALLENGE, INFO, INFO_TAG)
    with pytest.raises(Unverified):
        session.verify_session_info(K, VIN, bytes(16), INFO, INFO_TAG)


def test_the_published_command_is_reproduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_tools.phone.session.os.urandom", lambda size: bytes.fromhex("dbf79447fa156674dae1caed"))
    message = universal.RoutableMessage(protobuf_message_as_bytes=bytes.fromhex("120452020801"))
    message.to_destination.domain = universal.DOMAIN_INFOTAINMENT
    request_hash = session.sign_gcm(a_session(counter=7), b"phone", message, 2655)
    assert message.protobuf_message_as_bytes.hex() == "38038e8c0f2e"
    assert message.signature_data.AES_GCM_Personalized_data.tag.hex() == "8e128da165f162f4d7d2c8da866cf82a"
    assert request_hash.hex() == "058e128da165f162f4d7d2c8da866cf82a"


def test_an_hmac_request_hash_is_truncated_to_seventeen_bytes() -> None:
    message = messages.routable(messages.action("unlock"), bytes(16), bytes(16))
    request_hash = session.sign_hmac(a_session(), b"phone", message, 100)
    assert request_hash == b"\x08" + message.signature_data.HMAC_Personalized_data.tag[:16]
    assert len(message.signature_data.HMAC_Personalized_data.tag) == 32


def test_session_info_never_takes_the_counter_or_the_clock_back_within_an_epoch() -> None:
    current = a_session(counter=9, clock_seen=50)
    current.update(sig.SessionInfo(counter=3, publicKey=CAR_PUBLIC, epoch=EPOCH, clock_time=60), now=1000.0)
    assert (current.counter, current.clock_zero) == (9, 940.0)
    with pytest.raises(Unverified):
        current.update(sig.SessionInfo(counter=20, publicKey=CAR_PUBLIC, epoch=EPOCH, clock_time=59), now=1000.0)
    assert current.counter == 9


def test_a_new_epoch_brings_its_own_counter() -> None:
    current = a_session(counter=900, clock_seen=5000)
    current.update(sig.SessionInfo(counter=2, publicKey=CAR_PUBLIC, epoch=bytes(16), clock_time=4), now=10.0)
    assert (current.epoch, current.counter, current.clock_seen) == (bytes(16), 2, 4)


def test_another_car_key_is_refused_within_a_session() -> None:
    with pytest.raises(Unverified):
        a_session().update(sig.SessionInfo(publicKey=bytes(65), epoch=EPOCH), now=0.0)


def test_the_printed_forms_hold_no_secret(tmp_path: Path) -> None:
    assert K.hex() not in repr(a_session()) and str(K) not in repr(a_session())
    assert "private" not in repr(keyfile.create(tmp_path / "key.pem"))


def test_a_label_travels_in_a_field_that_others_skip() -> None:
    change = messages.permission_change(CAR_PUBLIC, "driver", "Käthe")
    assert change.SerializeToString().endswith(b"\xca\x3e\x06K\xc3\xa4the")
    operation = messages.add_key(CAR_PUBLIC, "driver", "Käthe")
    assert b"\xca\x3e\x06K\xc3\xa4the" in operation.SerializeToString()
    plain = vcsec.UnsignedMessage.FromString(operation.SerializeToString())
    assert plain.WhitelistOperation.addKeyToWhitelistAndAddPermissions.keyRole == messages.ROLES["driver"]


def test_a_label_longer_than_the_car_keeps_is_refused() -> None:
    messages.permission_change(CAR_PUBLIC, "driver", "x" * 24)
    with pytest.raises(Misuse, match="25 bytes"):
        messages.permission_change(CAR_PUBLIC, "driver", "x" * 25)


@pytest.fixture
def cache(tmp_path: Path) -> SessionCache:
    return SessionCache(keyfile.create(tmp_path / "key.pem").path)


def test_a_counter_is_on_disk_before_it_is_handed_out(cache: SessionCache) -> None:
    counter = cache.next_counter(a_session(counter=6))
    saved = SessionCache(cache._key_path).load(VIN)
    assert counter == 7
    assert saved is not None and saved.counter == 7


def test_two_phones_with_one_key_never_share_a_counter(cache: SessionCache) -> None:
    one, two = a_session(counter=6), a_session(counter=6)
    used = [cache.next_counter(each) for each in (one, two, two, one, two)]
    assert used == [7, 8, 9, 10, 11]


def test_the_cache_is_private_and_leaves_no_temporary_files(cache: SessionCache) -> None:
    cache.save(a_session())
    assert cache.path is not None
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600
    assert {file.name for file in cache.path.parent.iterdir()} == {"key.pem", "key.pem.sessions.json"}


def test_the_cache_does_not_hold_the_shared_key(cache: SessionCache) -> None:
    cache.save(a_session())
    assert cache.path is not None
    assert K.hex() not in cache.path.read_text()


def test_forgetting_one_car_keeps_the_others(cache: SessionCache) -> None:
    cache.save(a_session())
    cache.save(a_session(vin="5YJS0000000000000"))
    cache.forget(VIN)
    assert cache.load(VIN) is None
    assert cache.load("5YJS0000000000000") is not None


def test_a_failed_write_leaves_the_old_cache(cache: SessionCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.save(a_session(counter=5))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("host_tools.phone.beside.os.replace", fail)
        cache.save(a_session(counter=6))
    saved, here = SessionCache(cache._key_path).load(VIN), cache.load(VIN)
    assert saved is not None and saved.counter == 5
    assert here is not None and here.counter == 6
    assert cache.path is not None
    assert len(list(cache.path.parent.iterdir())) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["car_public", "epoch", "counter", "clock_zero", "clock_seen"])


@given(garbage=st.binary(max_size=200))
def test_a_garbled_cache_file_is_an_empty_cache(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "key.pem.sessions.json").write_bytes(garbage)
    assert SessionCache(folder / "key.pem").load(VIN) is None


@given(entry=st.dictionaries(fields, json_values) | json_values)
def test_a_strange_cache_entry_is_skipped_or_whole(entry: object) -> None:
    saved = Saved.parse(entry)
    if saved is not None:
        assert len(bytes.fromhex(saved.car_public)) == 65
        assert len(bytes.fromhex(saved.epoch)) == 16
        assert 0 <= saved.counter <= session.COUNTER_LIMIT


@given(
    public=st.binary(min_size=65, max_size=65),
    epoch=st.binary(min_size=16, max_size=16),
    counter=st.integers(0, session.COUNTER_LIMIT),
    zero=st.floats(-1e11, 1e11),
    seen=st.integers(0, 1 << 30),
)
def test_what_is_saved_is_what_is_read(public: bytes, epoch: bytes, counter: int, zero: float, seen: int) -> None:
    saved = Saved.of(Session(VIN, public, K, epoch, counter, zero, seen))
    assert Saved.parse(json.loads(json.dumps(saved.__dict__))) == saved


@given(parts=st.lists(st.tuples(st.integers(0, 254), st.binary(max_size=255) | st.integers(0, 0xFFFFFFFF)), max_size=6))
def test_metadata_can_be_taken_apart_again(parts: list[tuple[int, bytes | int]]) -> None:
    raw, found = session.tlv(*parts), []
    at = 0
    while raw[at] != 0xFF:
        found.append((raw[at], raw[at + 2 : at + 2 + raw[at + 1]]))
        at += 2 + raw[at + 1]
    assert at == len(raw) - 1
    assert found == [(tag, part.to_bytes(4, "big") if isinstance(part, int) else part) for tag, part in parts]
