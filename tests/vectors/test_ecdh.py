# SPDX-License-Identifier: Apache-2.0
"""ECDH on P-256: all of Wycheproof's vectors, however they encode the other side's key.

The car takes 65 bytes, an uncompressed point, and nothing else. So a SubjectPublicKeyInfo is opened here, if it is
the one DER encoding of such a point; whatever else a vector has goes to the car as it is, and must be refused.
"""

from base64 import urlsafe_b64decode
from binascii import a2b_base64 as from_base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vectors.conftest import RunVectors, Vector
from tests.vectors.wycheproof import load

# SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes }
_PLAIN_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_FILES = {
    "ecdh_secp256r1_test.json": 612,
    "ecdh_secp256r1_ecpoint_test.json": 355,
    "ecdh_secp256r1_pem_test.json": 612,
    "ecdh_secp256r1_webcrypto_test.json": 353,
}


def _key(encoding: str, public: Any) -> bytes:
    """The other side's key as the vector has it; without the armour of PEM and JSON."""
    if encoding == "pem":
        body = "".join(line for line in public.splitlines() if not line.startswith("-----"))
        return from_base64(body)
    if encoding == "webcrypto":
        if public.get("kty") != "EC" or public.get("crv") != "P-256":
            return repr(public).encode()
        return b"\x04" + _coordinate(public["x"]) + _coordinate(public["y"])
    return bytes.fromhex(public)


def _coordinate(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private(encoding: str, private: Any) -> bytes:
    if encoding == "webcrypto":
        return _coordinate(private["d"]).rjust(32, b"\x00")
    if encoding == "pem":
        der = _key("pem", private)
        at = der.index(b"\x02\x01\x01\x04") + 5  # ECPrivateKey: version 1, then the key
        return der[at : at + der[at - 1]].rjust(32, b"\x00")
    return int(private, 16).to_bytes(32, "big")


def _vectors(name: str) -> Iterator[Vector]:
    for group, test in load("Protocol", name):
        encoding = group["encoding"]
        public = _key(encoding, test["public"])
        if encoding in ("asn", "pem") and len(public) == 91 and public.startswith(_PLAIN_KEY):
            public = public[len(_PLAIN_KEY) :]
        plain = len(public) == 65 and public[0] == 4
        shared = bytes.fromhex(test["shared"])
        result: str = test["result"]
        assert plain or result != "valid", f"{name}, {test['tcId']}: valid, and the car would refuse it"
        expected = shared if result == "valid" else None  # "acceptable" may be refused, and is
        kind = result if result == "valid" else f"{result}, {'a wrong point' if plain else 'another encoding'}: refused"
        yield Vector(str(test["tcId"]), "ecdh", (_private(encoding, test["private"]), public), expected, kind)


@pytest.mark.parametrize("name", _FILES)
def test_wycheproof(name: str, run_vectors: RunVectors) -> None:
    vectors = list(_vectors(name))
    assert len(vectors) >= _FILES[name]
    assert sum(vector.expected is not None for vector in vectors) >= 330
    run_vectors(name, vectors)
