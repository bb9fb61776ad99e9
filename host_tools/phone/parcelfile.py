# SPDX-License-Identifier: Apache-2.0
"""The file at an authority's address: parcels for one car, each after its length (docs/protocol.md, "The authority").

Whoever carries one can read what is outside the seal: which address, generation, version and part.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from host_tools.faults import LatchkeyError
from host_tools.phone import latchkey_pb2 as ours

LARGEST_PARCEL = 960
LARGEST = 1 << 20  # bytes of a file: 4,096 keys are under half of it
_LENGTH = 2
_ADDRESS = 16


class BadParcels(LatchkeyError):
    """What was brought is no file of parcels."""

    name = "BAD_PARCELS"


def name_of(address: bytes) -> str:
    """Where the file of that address lies below the authority's URL."""
    return f"{address[:1].hex()}/{address.hex()}"


def join(parcels: Iterable[bytes]) -> bytes:
    """The file with those parcels in it."""
    return b"".join(len(parcel).to_bytes(_LENGTH, "big") + parcel for parcel in parcels)


def split(data: bytes) -> list[ours.Parcel]:
    """The parcels of a file, in its order. Raises BadParcels."""
    if len(data) > LARGEST:
        raise BadParcels(f"{len(data)} bytes are too many for one car", "is it a file of an authority?")
    found: list[ours.Parcel] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + _LENGTH], "big")
        at += _LENGTH
        if not 0 < size <= LARGEST_PARCEL or at + size > len(data):
            raise BadParcels(f"no parcel begins at byte {at - _LENGTH}", "is it whole, and a file of an authority?")
        found.append(_parcel(data[at : at + size]))
        at += size
    roster = [parcel for parcel in found if parcel.version]
    if [parcel.part for parcel in roster] != list(range(len(roster))) or not roster:
        raise BadParcels("it does not hold one whole roster", "is it whole, and a file of an authority?")
    if len({parcel.address for parcel in found}) != 1 or len({(it.generation, it.version) for it in roster}) != 1:
        raise BadParcels("its parcels do not belong together", "is it a file of an authority?")
    return found


def head(parcels: list[ours.Parcel]) -> ours.Parcel:
    """The head of the roster in a file that was split."""
    return next(parcel for parcel in parcels if parcel.version)


def _parcel(data: bytes) -> ours.Parcel:
    try:
        parcel = ours.Parcel.FromString(data)
    except DecodeError:
        raise BadParcels("a parcel cannot be read", "is it a file of an authority?") from None
    if len(parcel.address) != _ADDRESS or not parcel.sealed:
        raise BadParcels("a parcel has no address or nothing in it", "is it a file of an authority?")
    return parcel
