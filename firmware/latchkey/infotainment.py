# SPDX-License-Identifier: Apache-2.0
"""Infotainment, as far as an access module goes (docs/protocol.md): the charge port, a ping, and "no" to the rest.

Official clients send here what real cars do without vehicle security. Loaded when somebody signs the first of them.
"""

from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.wire import carmessages
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
    from typing import Any

    from latchkey.security import Security
    from latchkey.session.reply import Reply
    from latchkey.vehicle.state import Vehicle


def act(security: Security, reply: Reply) -> None:
    """Answer a signed Action. Raises Fault: it cannot be decoded, the role has it not, or nobody here does it."""
    verified: Any = reply.verified
    action = decode(carmessages.ACTION, verified.plaintext).get(Action.vehicleAction, {})
    kind = action.get(Wire.ONE_OF)
    if kind == VehicleAction.ping:
        policy.check(verified.session.record, Permission.READ, security.keychain)
        reply.payload(encode(carmessages.RESPONSE, {Response.actionStatus: {}, Response.ping: action[kind]}))
    elif kind == VehicleAction.chargePortDoorOpen or kind == VehicleAction.chargePortDoorClose:
        is_open = kind == VehicleAction.chargePortDoorOpen
        moves = {ClosureMoveRequest.chargePort: ClosureMoveType.OPEN if is_open else ClosureMoveType.CLOSE}
        policy.check(verified.session.record, Permission.CHARGE_PORT, security.keychain)
        security.perform(lambda: security.vehicle.move(moves), Permission.CHARGE_PORT, reply, _done)
    else:
        reason = {ResultReason.plain_text: b"not done by this access module"}
        status = {ActionStatus.result: CarServer_OperationStatus.ERROR, ActionStatus.result_reason: reason}
        fault = Fault(MessageFault.INVALID_COMMAND, "action")
        fault.answer = encode(carmessages.RESPONSE, {Response.actionStatus: status})
        raise fault


def _done(vehicle: Vehicle) -> bytes:
    return encode(carmessages.RESPONSE, {Response.actionStatus: {}})
