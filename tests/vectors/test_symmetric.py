# SPDX-License-Identifier: Apache-2.0
"""AES-GCM (Wycheproof, NIST CAVP) and HMAC-SHA256 (RFC 4231). Key, nonce and tag sizes that the car does not take
are run too: they must be refused.
"""

from collections.abc import Iterator

from tests.vectors import nist, wycheproof
from tests.vectors.conftest import RunVectors, Vector


def _wycheproof() -> Iterator[Vector]:
    for group, test in wycheproof.load("Cipher", "aes_gcm_test.json"):
        key, nonce, aad, plaintext, ciphertext, tag = (
            bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
        )
        name, result = str(test["tcId"]), test["result"]
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (128, 96, 128):
            kind = f"{result} with another size of {'key' if group['keySize'] != 128 else 'nonce'}: refused"
            yield Vector(name, "unseal", (key, nonce, aad, ciphertext, tag), None, kind)
        else:
            expected = {"valid": plaintext, "invalid": None}[result]
            yield Vector(name, "unseal", (key, nonce, aad, ciphertext, tag), expected, result)


def _cavp(name: str, operation: str) -> Iterator[Vector]:
    for number, (_, fields) in enumerate(nist.records("ciphers", "AES", "GCM", name)):
        if "Key" not in fields:
            continue
        value = {field: bytes.fromhex(text) for field, text in fields.items() if field not in ("Count", "FAIL")}
        key, nonce, aad, ciphertext, tag = (value[field] for field in ("Key", "IV", "AAD", "CT", "Tag"))
        expected: bytes | None
        if operation == "unseal":
            arguments = key, nonce, aad, ciphertext, tag
            right = len(nonce) == 12 and len(tag) == 16
            kind = ("FAIL" if "FAIL" in fields else "decrypted") if right else "another size of nonce or tag: refused"
            expected = value["PT"] if kind == "decrypted" else None
        else:
            arguments = key, nonce, aad, value["PT"], bytes([len(tag)])
            right = len(nonce) == 12
            kind = "encrypted" if right else "another size of nonce: refused"
            expected = ciphertext + tag if right else None
        yield Vector(str(number), operation, arguments, expected, kind)


def _count(vectors: list[Vector], *kinds: str) -> int:
    return sum(vector.kind in kinds for vector in vectors)


def test_wycheproof_aes_gcm(run_vectors: RunVectors) -> None:
    vectors = list(_wycheproof())
    assert len(vectors) >= 316
    assert _count(vectors, "valid", "invalid") >= 67
    run_vectors("aes_gcm_test.json", vectors)


def test_nist_aes_gcm_decryption(run_vectors: RunVectors) -> None:
    vectors = list(_cavp("gcmDecrypt128.rsp", "unseal"))
    assert len(vectors) >= 7875
    assert _count(vectors, "decrypted", "FAIL") >= 375
    run_vectors("gcmDecrypt128.rsp", vectors)


def test_nist_aes_gcm_encryption(run_vectors: RunVectors) -> None:
    vectors = list(_cavp("gcmEncryptExtIV128.rsp", "seal"))
    assert len(vectors) >= 7875
    assert _count(vectors, "encrypted") >= 375
    run_vectors("gcmEncryptExtIV128.rsp", vectors)


def test_rfc_4231_hmac_sha256(run_vectors: RunVectors) -> None:
    vectors = [
        Vector(str(number), "hmac", (bytes.fromhex(f["Key"]), bytes.fromhex(f["Msg"])), bytes.fromhex(f["MD"]), "made")
        for number, (_, f) in enumerate(nist.records("HMAC", "rfc-4231-sha256.txt"))
    ]
    assert len(vectors) >= 6
    run_vectors("rfc-4231-sha256.txt", vectors)
