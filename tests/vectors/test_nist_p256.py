# SPDX-License-Identifier: Apache-2.0
"""P-256 in NIST's CAVP (FIPS 186-3): key pairs, points that are valid or not, and signatures."""

import hashlib
from collections.abc import Iterator

from tests.vectors.conftest import RunVectors, Vector
from tests.vectors.nist import records


def _records(name: str, needed: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    for number, (section, fields) in enumerate(records("asymmetric", "ECDSA", "FIPS_186-3", name)):
        if section.startswith("P-256") and needed in fields:
            yield str(number), section, fields


def _number(text: str) -> bytes:
    """32 bytes; or more, when a vector has a coordinate that is out of range."""
    return bytes.fromhex(text.rjust(64, "0") if len(text) < 64 else text.rjust(len(text) + len(text) % 2, "0"))


def _point(fields: dict[str, str]) -> bytes:
    return b"\x04" + _number(fields["Qx"]) + _number(fields["Qy"])


def _passes(fields: dict[str, str]) -> bool:
    return fields["Result"].startswith("P")


def test_key_pairs(run_vectors: RunVectors) -> None:
    vectors = [
        Vector(number, "public_key", (_number(fields["d"]),), _point(fields), "made")
        for number, _, fields in _records("KeyPair.rsp", "d")
    ]
    assert len(vectors) >= 10
    run_vectors("KeyPair.rsp, P-256", vectors)


def test_public_keys(run_vectors: RunVectors) -> None:
    vectors = [
        Vector(number, "point", (_point(fields),), b"" if _passes(fields) else None, fields["Result"][:1])
        for number, _, fields in _records("PKV.rsp", "Qx")
    ]
    assert len(vectors) >= 12
    run_vectors("PKV.rsp, P-256", vectors)


def test_signatures(run_vectors: RunVectors) -> None:
    vectors = []
    for number, section, fields in _records("SigVer.rsp", "R"):
        digest = hashlib.new(section.split(",")[1].replace("-", ""), bytes.fromhex(fields["Msg"])).digest()
        vectors.append(
            Vector(
                number,
                "verify_digest",
                (_point(fields), digest[:32].rjust(32, b"\x00"), _number(fields["R"]) + _number(fields["S"])),
                b"" if _passes(fields) else None,
                f"{section.split(',')[1]} {fields['Result'][:1]}",
            )
        )
    assert len(vectors) >= 75
    run_vectors("SigVer.rsp, P-256", vectors)
