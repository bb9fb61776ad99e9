# SPDX-License-Identifier: Apache-2.0
"""Decoded commands to methods of the vehicle (vcsec.proto: RKEAction_E, ClosureMoveRequest)."""

from latchkey.vehicle.state import CLOSE, CLOSURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.vehicle.state import Vehicle

_RKE = {0: "unlock", 1: "lock", 20: "start", 29: "secure", 30: "wake"}


class Unsupported(Exception):
    """The protocol has no such command, or this vehicle does not."""


def rke(vehicle: Vehicle, action: int) -> None:
    """Do an RKEAction. Raises Unsupported, or state.Refused."""
    if action not in _RKE:
        raise Unsupported
    getattr(vehicle, _RKE[action])()


def move(vehicle: Vehicle, request: dict[str, int]) -> None:
    """Do a ClosureMoveRequest, all of it or nothing: closure name to ClosureMoveType_E. Raises Unsupported."""
    moves = []
    for name in request:
        if name not in CLOSURES or not 0 <= request[name] <= CLOSE:
            raise Unsupported
        moves.append((CLOSURES.index(name), request[name]))
    vehicle.move(moves)
