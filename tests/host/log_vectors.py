# SPDX-License-Identifier: Apache-2.0
"""Test vectors of receipts and of the log that proves itself (docs/protocol.md), made by the phone's side and written
where the car's tests are.

`python -m tests.host.log_vectors` writes them anew. The keys and the VIN are those of the protocol's own examples.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from host_tools.phone import chain
from host_tools.phone import latchkey_pb2 as ours
from tests.host.logging_car import COMMAND, PREVENTED, an_entry, key_id, link_of
from tests.host.view_vectors import PHONE, VIN

FILE = Path(__file__).parents[1] / "unit" / "log_vectors.py"
CAR = ec.derive_private_key(0x344EE5B466A7CF1EEB12B6F50331DB2E5EC5834EF5F4BEFCFD8CBE55C2528D70, ec.SECP256R1())
UNLOCK, BOOT = 2, 1
TAG, OTHER = bytes(range(0x10, 0x18)), bytes(range(0x20, 0x28))  # how two requests' tags begin


def entries() -> list[bytes]:
    """A car starts, its owner unlocks it, and may not lock it: a door is open."""
    raws = [an_entry(1, bytes(16), BOOT, at=0, command=0)]
    raws.append(an_entry(2, link_of(raws[0]), COMMAND, key_id(PHONE), TAG, at=60))
    raws.append(an_entry(3, link_of(raws[1]), PREVENTED, key_id(PHONE), OTHER, at=75, command=0, detail=2))
    return raws


def head() -> chain.Head:
    """Where it ends, signed."""
    end = chain.Head(3, link_of(entries()[2]))
    ecdsa = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = utils.decode_dss_signature(CAR.sign(chain.signed(VIN, end), ecdsa))
    return chain.Head(end.number, end.chain, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def vectors() -> dict[str, str]:
    """All in hex, by name."""
    raws, end = entries(), head()
    told = ours.Receipt(outcome=ours.Outcome.Value("OUTCOME_DONE"), number=2, oldest=1)
    page = ours.LogPage(entries=[ours.LogEntry(raw=raw) for raw in raws])
    page.head.CopyFrom(ours.LogHead(number=end.number, chain=end.chain))
    whole = ours.LogHead(number=end.number, chain=end.chain, signature=end.signature)
    public = CAR.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    plain = {
        "CAR_PUBLIC": public,
        **{f"ENTRY_{n}": raw for n, raw in enumerate(raws, 1)},
        "SIGNED": chain.signed(VIN, end),
        "SIGNATURE": end.signature,
        "RECEIPT_REQUEST": ours.ToLatchkey(receipt=ours.ReceiptRequest(hash=TAG)).SerializeToString(),
        "RECEIPT": ours.FromLatchkey(receipt=told).SerializeToString(),
        "RAW_REQUEST": ours.ToLatchkey(log=ours.LogRequest(raw=True)).SerializeToString(),
        "RAW": ours.FromLatchkey(log=page).SerializeToString(),
        "HEAD_REQUEST": ours.ToLatchkey(head=ours.HeadRequest()).SerializeToString(),
        "HEAD": ours.FromLatchkey(head=whole).SerializeToString(),
    }
    return {name: value.hex() for name, value in plain.items()}


def text() -> str:
    """The module with them for the tests that run under MicroPython."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Vectors of receipts and the log (docs/protocol.md): `python -m tests.host.log_vectors` writes them."""',
        "",
    ]
    for name, value in vectors().items():
        if len(f'{name} = "{value}"') <= 120:
            lines.append(f'{name} = "{value}"')
        else:
            parts = [f'    "{value[at : at + 96]}"' for at in range(0, len(value), 96)]
            lines += [f"{name} = (", *parts, ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
