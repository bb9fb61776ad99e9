# SPDX-License-Identifier: Apache-2.0
"""Key files: a phone's P-256 private key in a PEM file that only its owner may read."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.faults import Misuse

PUBLIC_BYTES = 65
_LARGEST = 64 * 1024


class KeyFileError(Misuse):
    """A key file that cannot be used, and why."""

    name = "KEY_FILE"


@dataclass(frozen=True)
class Key:
    """A phone's key pair. Its printed form shows the key id and never the private part."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    path: Path | None = None
    created: bool = False
    warning: str = ""

    @property
    def public(self) -> bytes:
        """The public key as the protocol wants it: 65 bytes, uncompressed."""
        return public_bytes(self.private.public_key())

    @property
    def id(self) -> str:
        """The short name of this key in the car's keychain and log."""
        return key_id(self.public)


def public_bytes(public: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as an uncompressed point."""
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def key_id(public: bytes) -> str:
    """The first four bytes of the SHA-1 of a public key, in hex: how the car names keys."""
    return hashlib.sha1(public).hexdigest()[:8]


def is_public(public: bytes) -> bool:
    """Whether these bytes are a public key: an uncompressed point on the curve."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        return False
    return len(public) == PUBLIC_BYTES


def parse_public(text: str) -> bytes:
    """A public key from its 130 hex digits."""
    public = bytes.fromhex(text)
    if not is_public(public):
        raise KeyFileError(f"{text} is no P-256 public key", "was it copied whole?")
    return public


def generate() -> Key:
    """A new key that lives in memory only."""
    return Key(ec.generate_private_key(ec.SECP256R1()))


def load(path: Path) -> Key:
    """Read a private key, SEC1 or PKCS8. Warns, in `Key.warning`, when others can read the file too."""
    data = _read(path)
    try:
        private = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise KeyFileError(
            f"{path} is protected by a passphrase",
            f"write a plain copy with `openssl ec -in {path} -out FILE` and keep it to yourself (mode 600)",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} does not hold a private key in PEM form", "check the path") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is not a P-256 key", "car keys are P-256; let `latchkey pair` make one")
    mode = stat.S_IMODE(path.stat().st_mode)
    warning = f"{path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`" if mode & 0o077 else ""
    return Key(private, path, warning=warning)


def create(path: Path) -> Key:
    """Make a new key and write it to `path`, mode 0600. Never overwrites, never makes folders."""
    if not path.parent.is_dir():
        raise KeyFileError(f"the folder {path.parent} does not exist", "make it first, or check the path")
    key = generate()
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}", "choose another path") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"cannot write {path}: {error.strerror}", "is the disk full?") from None
    return Key(key.private, path, created=True)


def load_or_create(path: Path) -> Key:
    """The key in `path`, made now if there is none yet."""
    return load(path) if path.exists() else create(path)


def load_public(path: Path) -> bytes:
    """The public key in a PEM file that holds a public or a private key."""
    data = _read(path)
    if b"PRIVATE KEY" in data:
        return load(path).public
    try:
        public = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} does not hold a key in PEM form", "check the path") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is not a P-256 key", "car keys are P-256")
    return public_bytes(public)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        raise KeyFileError(f"there is no key file {path}", "make and enrol one with `latchkey pair`") from None
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}", "check the path and its mode") from None
