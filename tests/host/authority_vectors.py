# SPDX-License-Identifier: Apache-2.0
"""Test vectors of the authority (docs/protocol.md), made by the host's side and written where the car's tests are.

`python -m tests.host.authority_vectors` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from host_tools.authority import parcels
from host_tools.authority.parcels import Entry
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile
from tests.host.rosters import GUEST, SEAL, SIGNER, VIN, delegations, entries, public, roster, roster_file

FILE = Path(__file__).parents[1] / "unit" / "authority_vectors.py"
KEYS = [*entries(1), Entry(public(2), GUEST, form=7, permissions=0b11, label=b"Bo")]


def vectors() -> dict[str, str]:
    """All in hex, by name: a first roster, and one of nine keys after both root and signer were changed."""
    [first] = parcels.parts(KEYS)
    signed = ours.Signed.FromString(delegations()[0][1])
    head = ours.Signed.FromString(parcels.head(roster(KEYS), first, SIGNER))
    made = parcelfile.split(roster_file(KEYS))
    later = parcelfile.split(roster_file(entries(9), version=2, generation=2))
    return {
        "VIN": VIN.encode().hex(),
        "SEAL": SEAL.secret.hex(),
        "ADDRESS": SEAL.address.hex(),
        "PARCEL_KEY": SEAL.parcel_key.hex(),
        "ROOT": public(101).hex(),
        "SIGNER": public(201).hex(),
        "DELEGATION_BODY": signed.body.hex(),
        "DELEGATION_SIGNATURE": signed.signature.hex(),
        "HEAD_BODY": head.body.hex(),
        "HEAD_SIGNATURE": head.signature.hex(),
        "PART": first.hex(),
        **_named(made, "DELEGATION_PARCEL", "HEAD_PARCEL", "PART_PARCEL"),
        "NEXT_ROOT": public(102).hex(),
        "NEXT_SIGNER": public(202).hex(),
        **_named(later, "NEXT_DELEGATION_PARCEL", "NEXT_HEAD_PARCEL", "NEXT_PART_1_PARCEL", "NEXT_PART_2_PARCEL"),
    }


def _named(made: list[ours.Parcel], *names: str) -> dict[str, str]:
    return {name: parcels.encoded(parcel).hex() for name, parcel in zip(names, made, strict=True)}


def text() -> str:
    """The module with them for the tests that run under MicroPython."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Vectors of the authority (docs/protocol.md): `python -m tests.host.authority_vectors` writes them."""',
        "",
    ]
    for name, value in vectors().items():
        if len(value) <= 96:
            lines.append(f'{name} = "{value}"')
        else:
            cut = [f'    "{value[at : at + 96]}"' for at in range(0, len(value), 96)]
            lines += [f"{name} = (", *cut, ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
