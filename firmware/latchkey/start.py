# SPDX-License-Identifier: Apache-2.0
"""What happens once: this start is counted, who the board is is read, and the parts are put together.

The agent drops this module then, and those of the store that only a boot needs. A car whose start cannot be counted, or
whose new identity cannot be written down, signs nothing: it says BUSY, tries again, and is a car as soon as it can be.
"""

import asyncio

from micropython import const

from latchkey import config, crypto
from latchkey.link.serial import SerialLink
from latchkey.store import boots, formats, provisioning
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.agent import Agent

    Identity = tuple[bytes, bytes]


_AGAIN_MS = const(3000)


def load(agent: Agent) -> dict[str, int | None]:
    """Count this start, and take what provisioning left in flash; returns the numbers of the pins."""
    pins = dict(agent.board.PINS)
    agent.number = boots.count(agent.root, _report)
    stored = provisioning.load(agent.root, lambda text: config.parse(text, agent.board), _report)
    if stored:
        settings, agent.identity, agent.lost = stored
        agent.vin = settings.vin
        agent.radio = settings.radio
        agent.bench = settings.bench
        pins.update(settings.pins)
    _mix(agent)
    return pins


async def assemble(agent: Agent) -> None:
    """Make the car and the links, and start their tasks."""
    router: Any
    waiting: Any = None
    keys: list[Identity] = []
    if agent.vin and await _check(agent, keys):
        router = _start(agent, agent.vin).router
    else:
        from latchkey.unprovisioned import Unprovisioned

        router = waiting = Unprovisioned(MessageFault.BUSY if agent.vin else MessageFault.NOT_PROVISIONED_WITH_IDENTITY)
    agent.bench = _bench(agent) if agent.bench else None
    serial = SerialLink(router, agent.bench, agent.hello)
    agent.links.append(serial)
    for name, task in serial.tasks():
        agent.start(name, task)
    if agent.vin and waiting:
        agent.start("waiting", _waiting(agent, agent.vin, waiting, keys))
    if agent.radio and agent.vin:
        from latchkey.link.radio import Radio

        radio = Radio(agent, router)
        agent.links.append(radio)
        agent.start("radio", radio.run())


async def _check(agent: Agent, keys: list[Identity]) -> bool:
    """Whether this start is counted, and the car has an identity that it will have at the next one too."""
    if agent.number is None:
        agent.number = boots.count(agent.root, _report)
        if agent.number is None:
            print("latchkey: this start cannot be counted: nothing is signed until it is")
            return False
        _mix(agent)
    if not agent.identity:
        if not keys:
            from latchkey import unprovisioned

            if agent.lost:
                print("latchkey: the identity is lost, and a new one drawn: no key works until it is paired anew")
            keys.append(await unprovisioned.new_identity())
        try:
            agent.identity = await provisioning.set_identity(agent.root, *keys[0])
        except (OSError, formats.StoreError) as error:
            print("latchkey: the new identity cannot be written down:", error)
            return False
        agent.lost = agent.lost and agent.identity == keys[0]
        _mix(agent)
    return True


async def _waiting(agent: Agent, vin: str, door: Any, keys: list[Identity]) -> None:
    while not await _check(agent, keys):
        await asyncio.sleep_ms(_AGAIN_MS)
    door.router = _start(agent, vin).router
    await asyncio.Event().wait()  # a task's end is the agent's


def _mix(agent: Agent) -> None:
    """Before anything random is made: a number that never comes again, with what only this board knows."""
    if agent.number is not None:
        crypto.stir(agent.identity[0] if agent.identity else b"", agent.number)


def _start(agent: Agent, vin: str) -> Any:
    from latchkey.car import Car

    if not agent.identity or agent.number is None:
        raise ValueError
    car = agent.car = Car(agent, vin, *agent.identity, agent.number)
    if agent.lost:
        car.log.append("identity", "", None, 0, 0)
    for name, task in car.tasks():
        agent.start(name, task)
    return car


def _bench(agent: Agent) -> Any:
    try:
        from latchkey.bench import Bench
    except ImportError:
        return None  # a production build does not contain it
    return Bench(agent)


def _report(why: str) -> None:
    print("latchkey:", why)
