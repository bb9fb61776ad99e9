# SPDX-License-Identifier: Apache-2.0
"""What an owner's phone is told, to make grants alone from then on, and to know which of its grants the car has heard
of (docs/protocol.md, "Grants")."""

from latchkey.faults import Fault
from latchkey.keys import makers, policy, spent
from latchkey.wire import grantmessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import Maker, MakerRequest, MessageFault, Permission, ToLatchkey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record


def answer(keychain: Keychain, data: bytes, actor: Record) -> bytes:
    """Raises Fault, OSError, StoreError."""
    policy.check(actor, Permission.CHANGE_KEY, keychain)
    asked = decode(grantmessages.TO_LATCHKEY, data)[ToLatchkey.maker]
    try:
        maker = makers.maker(keychain, asked.get(MakerRequest.handle, 0) or actor.slot + 1)
    except makers.Refused as refused:
        raise Fault(MessageFault.INVALID_KEY_HANDLE, refused.why)
    numbers = spent.read(keychain.root, maker)
    bits = numbers.bits()
    following = numbers.below + 8 * len(bits)
    clock: Any = keychain.clock
    told = {
        Maker.handle: maker.slot + 1,
        Maker.salt: maker.number,
        Maker.next: following if following < spent.ALL else 0,
        Maker.time: clock.time(),
        Maker.time_known: clock.known,
        Maker.below: numbers.below,
        Maker.spent: bits,
    }
    fields = {number: told[number] for number in told if told[number]}
    return encode(grantmessages.FROM_LATCHKEY, {ToLatchkey.maker: fields})
