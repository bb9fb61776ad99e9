# SPDX-License-Identifier: Apache-2.0
"""Infotainment, as far as an access module goes (docs/protocol.md): the charge port, a ping, and "no" to the rest.

Official clients send here what real cars do without vehicle security. Loaded when somebody signs the first of them.
"""

import asyncio
import sys

from latchkey import load
from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import (
    Action,
    ActionStatus,
    CarServer_OperationStatus,
    ClosureMoveRequest,
    ClosureMoveType,
    MessageFault,
    Permission,
    Response,
    ResultReason,
    VehicleAction,
    Wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.link.connection import Connection
    from latchkey.security import Security
    from latchkey.session.reply import Reply
    from latchkey.session.verify import Verified
    from latchkey.vehicle.state import Vehicle


def act(
    security: Security, verified: Verified, reply: Reply, failed: Callable[[Connection, Reply, Exception], None]
) -> None:
    """Answer a signed Action; until all is loaded in a moment, and then what it raises goes to `failed`.

    Raises Fault: it cannot be decoded, the role has it not, or nobody here does it.
    """
    if "latchkey.wire.carmessages" in sys.modules:
        _answer(security, verified, reply)
    else:
        verified.plaintext = bytes(verified.plaintext)  # the next message comes into the same buffer
        asyncio.create_task(_first(security, verified, reply, failed))


async def _first(
    security: Security, verified: Verified, reply: Reply, failed: Callable[[Connection, Reply, Exception], None]
) -> None:
    try:
        await load("latchkey.wire.carmessages")
        _answer(security, verified, reply)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        failed(reply.conn, reply, error)


def _answer(security: Security, verified: Verified, reply: Reply) -> None:
    from latchkey.wire import carmessages

    action = decode(carmessages.ACTION, verified.plaintext).get(Action.vehicleAction, {})
    kind = action.get(Wire.ONE_OF)
    if kind == VehicleAction.ping:
        policy.check(verified.session.record, Permission.READ)
        reply.payload(encode(carmessages.RESPONSE, {Response.actionStatus: {}, Response.ping: action[kind]}))
    elif kind == VehicleAction.chargePortDoorOpen or kind == VehicleAction.chargePortDoorClose:
        is_open = kind == VehicleAction.chargePortDoorOpen
        moves = {ClosureMoveRequest.chargePort: ClosureMoveType.OPEN if is_open else ClosureMoveType.CLOSE}
        security.perform(lambda: security.vehicle.move(moves), Permission.CHARGE_PORT, reply, _done)
    else:
        reason = {ResultReason.plain_text: b"not done by this access module"}
        status = {ActionStatus.result: CarServer_OperationStatus.ERROR, ActionStatus.result_reason: reason}
        fault = Fault(MessageFault.INVALID_COMMAND, "action")
        fault.answer = encode(carmessages.RESPONSE, {Response.actionStatus: status})
        raise fault


def _done(vehicle: Vehicle) -> bytes:
    from latchkey.wire import carmessages

    return encode(carmessages.RESPONSE, {Response.actionStatus: {}})
