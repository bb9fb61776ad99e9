# SPDX-License-Identifier: Apache-2.0
"""What the agent does when it is ended from outside."""

from latchkey import agent, prompt


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


def _main(with_prompt):
    """What Ctrl-C leaves behind; None for the interrupt when it goes no further."""
    real = agent.Agent, agent.asyncio, prompt.machine
    pins, machine = _Pins(), _Machine()
    agent.Agent, agent.asyncio, prompt.machine = _Agent, _Asyncio(), machine
    interrupt = None
    try:
        agent.main(pins, with_prompt)
    except KeyboardInterrupt as caught:
        interrupt = caught
    finally:
        agent.Agent, agent.asyncio, prompt.machine = real
    return pins.safed, machine.timeouts, interrupt


def test_ctrl_c_makes_the_outputs_safe_and_gives_the_prompt_a_watchdog_that_lets_it_live():
    safed, timeouts, interrupt = _main(prompt)
    assert safed == 1 and timeouts == [604_800_000]
    assert interrupt is not None, "the REPL did not get it back"


def test_without_a_prompt_an_interrupt_goes_no_further():
    assert _main(None) == (1, [], None)
