# SPDX-License-Identifier: Apache-2.0
"""What happens once: the settings are read, and the parts are put together. The agent drops this module then."""

from latchkey import config, crypto
from latchkey.link.serial import SerialLink
from latchkey.store import provisioning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.agent import Agent


def load(agent: Agent) -> dict[str, int | None]:
    """Take what provisioning left in flash; returns the numbers of the pins."""
    pins = dict(agent.board.PINS)
    stored = provisioning.load(agent.root)
    if stored:
        text, private, public = stored
        if private and public:
            agent.identity = (private, public)
        settings = config.parse(text, agent.board)
        agent.vin = settings.vin
        agent.radio = settings.radio
        agent.bench = settings.bench
        pins.update(settings.pins)
    return pins


async def assemble(agent: Agent) -> None:
    """Make the car and the links, and start their tasks."""
    router: Any
    if agent.vin:
        from latchkey.car import Car

        if not agent.identity:
            from latchkey import unprovisioned

            agent.identity = await unprovisioned.new_identity(agent.root)
        private, public = agent.identity
        agent.car = Car(agent, agent.vin, private, public)
        await agent.car.log.flush()  # the number of this boot is written down before anything is made from it
        crypto.stir(private, agent.car.log.boot)
        router = agent.car.router
    else:
        from latchkey.unprovisioned import Unprovisioned

        router = Unprovisioned()
    agent.bench = _bench(agent) if agent.bench else None
    serial = SerialLink(router, agent.bench, agent.hello)
    agent.links.append(serial)
    tasks = serial.tasks()
    if agent.car and agent.vin:
        tasks += agent.car.tasks()
        if agent.radio:
            from latchkey.link.radio import Radio

            radio = Radio(agent, router)
            agent.links.append(radio)
            agent.start("radio", radio.run())
    for name, task in tasks:
        agent.start(name, task)


def _bench(agent: Agent) -> Any:
    try:
        from latchkey.bench import Bench
    except ImportError:
        return None  # a production build does not contain it
    return Bench(agent)
