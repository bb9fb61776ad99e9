# SPDX-License-Identifier: Apache-2.0
"""Key files: made once, private, read in both PEM forms, and refused with one clear line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from host_tools.phone import keyfile
from host_tools.phone.keyfile import KeyFileError


def written(
    path: Path,
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    lock: KeySerializationEncryption | None = None,
) -> Path:
    path.write_bytes(private.private_bytes(Encoding.PEM, form, lock or NoEncryption()))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_both_pem_forms_are_read(tmp_path: Path, form: PrivateFormat) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = keyfile.load(written(tmp_path / "key.pem", private, form))
    assert key.public == keyfile.public_bytes(private.public_key())
    assert key.warning == ""


def test_a_new_key_file_is_private_and_reads_back(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = keyfile.load_or_create(tmp_path / "key.pem")
    finally:
        os.umask(old)
    assert made.created
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    again = keyfile.load_or_create(tmp_path / "key.pem")
    assert again.public == made.public and not again.created


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("something else")
    with pytest.raises(KeyFileError):
        keyfile.create(path)
    assert path.read_text() == "something else"


def test_missing_folders_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="does not exist"):
        keyfile.load_or_create(tmp_path / "no" / "key.pem")
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_can_read_is_warned_about(tmp_path: Path) -> None:
    path = written(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    path.chmod(0o640)
    assert "chmod 600" in keyfile.load(path).warning


def test_a_locked_key_says_how_to_unlock_it(tmp_path: Path) -> None:
    path = written(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()), lock=BestAvailableEncryption(b"x"))
    with pytest.raises(KeyFileError, match="passphrase") as caught:
        keyfile.load(path)
    assert "openssl" in caught.value.line()


def test_other_curves_and_other_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="P-256"):
        keyfile.load(written(tmp_path / "a.pem", ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(KeyFileError, match="P-256"):
        keyfile.load(written(tmp_path / "b.pem", ed25519.Ed25519PrivateKey.generate()))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 99, b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n"])
def test_anything_else_is_not_a_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(KeyFileError):
        keyfile.load(tmp_path / "key.pem")
    with pytest.raises(KeyFileError):
        keyfile.load_public(tmp_path / "key.pem")


def test_missing_files_and_folders_are_told_apart_from_keys(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key file"):
        keyfile.load(tmp_path / "none.pem")
    with pytest.raises(KeyFileError, match="cannot read"):
        keyfile.load(tmp_path)


def test_a_public_key_comes_from_either_kind_of_file(tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    point = keyfile.public_bytes(private.public_key())
    (tmp_path / "public.pem").write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert keyfile.load_public(tmp_path / "public.pem") == point
    assert keyfile.load_public(written(tmp_path / "private.pem", private)) == point


def test_a_key_is_named_by_four_bytes_of_its_hash() -> None:
    assert keyfile.key_id(b"") == "da39a3ee"
