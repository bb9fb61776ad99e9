# SPDX-License-Identifier: Apache-2.0
"""What the agent does when it is ended from outside."""

from latchkey import agent


class _Pins:
    safed = 0

    def safe(self):
        self.safed += 1


class _Agent:
    vin = boot = None

    def __init__(self, board):
        self.pins = board

    def run(self):
        pass


class _Asyncio:
    def run(self, task):
        raise KeyboardInterrupt


class _Machine:
    def __init__(self):
        self.timeouts = []

    def WDT(self, timeout):
        self.timeouts.append(timeout)


def test_ctrl_c_makes_the_outputs_safe_and_gives_the_prompt_a_watchdog_that_lets_it_live():
    real = agent.Agent, agent.asyncio, agent.machine
    pins, machine = _Pins(), _Machine()
    agent.Agent, agent.asyncio, agent.machine = _Agent, _Asyncio(), machine
    try:
        agent.main(pins)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("the REPL did not get it back")
    finally:
        agent.Agent, agent.asyncio, agent.machine = real
    assert pins.safed == 1
    assert machine.timeouts == [604_800_000]
