# SPDX-License-Identifier: Apache-2.0
"""An authority in a few lines, for tests: its keys, a car's seal, and whole files for that car.

The keys are no secrets: their private parts are small numbers. That of a phone counts from 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.authority import parcels
from host_tools.authority.parcels import Entry, Roster, Seal
from host_tools.phone.keyfile import public_bytes

VIN = "5YJ30123456789ABC"
SEAL = Seal(bytes(range(16)))
ISSUED, LIFE = 1_800_000_000, 30 * 86400
DRIVER, GUEST = 3, 8


def private(number: int) -> ec.EllipticCurvePrivateKey:
    """The key whose private part is that number."""
    return ec.derive_private_key(number, ec.SECP256R1())


def public(number: int) -> bytes:
    """The 65 bytes of its public part."""
    return public_bytes(private(number).public_key())


ROOT, NEXT_ROOT, SIGNER, NEXT_SIGNER = map(private, (101, 102, 201, 202))


def entries(count: int, first: int = 1, role: int = DRIVER) -> list[Entry]:
    """So many keys of phones, all with that role."""
    return [Entry(public(number), role, label=b"phone %d" % number) for number in range(first, first + count)]


def delegations(generation: int = 1) -> list[tuple[int, bytes]]:
    """What a file begins with. Generation 1 has ROOT and SIGNER, any above it NEXT_ROOT and NEXT_SIGNER."""
    if generation == 1:
        return [(1, parcels.delegation(1, [public(201)], ROOT))]
    renamed = (2, parcels.delegation(2, [public(202)], ROOT, NEXT_ROOT))
    newest = [(generation, parcels.delegation(generation, [public(202)], NEXT_ROOT))] if generation > 2 else []
    return [renamed, *newest]


def roster(keys: Sequence[Entry], version: int = 1, generation: int = 1, **said: int) -> Roster:
    """A roster for VIN; `said` may name issued, expires and interval."""
    times = {"issued": ISSUED, "expires": ISSUED + LIFE, **said}
    return Roster(VIN, generation, version, entries=keys, **times)


def roster_file(keys: Sequence[Entry], version: int = 1, generation: int = 1, seal: Seal = SEAL, **said: int) -> bytes:
    """A whole file for the car of VIN and that seal."""
    signer = SIGNER if generation == 1 else NEXT_SIGNER
    return parcels.roster_file(seal, delegations(generation), roster(keys, version, generation, **said), signer)
