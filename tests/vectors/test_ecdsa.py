# SPDX-License-Identifier: Apache-2.0
"""ECDSA verification on P-256: Wycheproof's vectors. Hashes that the board does not have are made here, and signatures
that are written in DER are put into the form that a car reads, where there is one for their numbers."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.vectors.conftest import RunVectors, Vector
from tests.vectors.wycheproof import load

_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "SHA-512": lambda message: hashlib.sha512(message).digest(),
    "SHA3-256": lambda message: hashlib.sha3_256(message).digest(),
    "SHA3-512": lambda message: hashlib.sha3_512(message).digest(),
}
_FILES = {
    "ecdsa_secp256r1_sha256_test.json": 249,
    "ecdsa_secp256r1_sha256_p1363_test.json": 262,
    "ecdsa_secp256r1_sha512_test.json": 320,
    "ecdsa_secp256r1_sha512_p1363_test.json": 332,
    "ecdsa_secp256r1_sha3_256_test.json": 247,
    "ecdsa_secp256r1_sha3_512_test.json": 312,
}


def _vectors(name: str) -> Iterator[Vector]:
    for group, test in load("Signature", name):
        public = bytes.fromhex(group["publicKey"]["uncompressed"])
        message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
        if group["type"] != "EcdsaP1363Verify":
            try:
                signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
            except (ValueError, OverflowError):
                continue
        operation = "verify"
        if group["sha"] != "SHA-256":
            operation += "_digest"
            message = _HASHES[group["sha"]](message)[:32]  # ECDSA takes the leftmost bits, as many as n has
        expected = {"valid": b"", "invalid": None}[test["result"]]
        yield Vector(str(test["tcId"]), operation, (public, message, signature), expected, test["result"])


@pytest.mark.parametrize("name", _FILES)
def test_wycheproof(name: str, run_vectors: RunVectors) -> None:
    vectors = list(_vectors(name))
    assert len(vectors) >= _FILES[name]
    run_vectors(name, vectors)
