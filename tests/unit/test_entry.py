# SPDX-License-Identifier: Apache-2.0
"""boot.py and main.py: no Ctrl-C gets through before a production build has closed the prompt, and none is left."""

import sys

import micropython

import latchkey

FIRMWARE = latchkey.__file__[: -len("latchkey/__init__.py")]


class Reset(BaseException):
    """The board has been reset."""


class Machine:
    WDT_timeouts = []

    @staticmethod
    def freq(hz):
        raise ValueError

    @staticmethod
    def reset():
        raise Reset

    @classmethod
    def WDT(cls, timeout):
        cls.WDT_timeouts.append(timeout)


class Time:
    slept = 0

    @classmethod
    def sleep_ms(cls, ms):
        cls.slept += ms


class Board:
    NAME = "TEST"


class Agent:
    """The module; `ends` is what main() raises, or None when it returns."""

    def __init__(self, ends):
        self.ends = ends
        self.prompt = 0

    def main(self, board, prompt):
        self.prompt = prompt
        if self.ends is not None:
            raise self.ends


class Prompt:
    """The module of a development build."""

    @staticmethod
    def allow(pressed):
        if pressed:
            raise KeyboardInterrupt


class Broken:
    """A module that fails to be found in any way."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        raise self.error


def run(name, agent=None, prompt=None):
    """Execute an entry point as a board does. Returns what it ended by, or None."""
    with open(FIRMWARE + name) as file:
        code = compile(file.read(), name, "exec")
    names = ("machine", "time", "board", "latchkey.agent", "latchkey.prompt", "latchkey")
    before = {name: sys.modules.get(name) for name in names}

    class Package:
        pass

    package = prompt if isinstance(prompt, Broken) else Package()
    if not isinstance(prompt, Broken):
        package.agent = agent
        if prompt:
            package.prompt = prompt
    sys.modules.update({"machine": Machine, "time": Time, "board": Board, "latchkey": package})
    for gone in ("latchkey.agent", "latchkey.prompt"):
        sys.modules.pop(gone, None)
    Time.slept = 0
    ended = None
    micropython.kbd_intr(3)
    try:
        exec(code, {"__name__": "__main__"})
    except BaseException as error:  # noqa: BLE001 - whatever it is
        ended = error
    finally:
        micropython.kbd_intr(3)
        for name in names:
            if before[name] is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = before[name]
    return ended


def test_a_production_build_boots_whatever_is_damaged():
    assert run("boot.py") is None
    for error in (OSError(5), MemoryError(), ValueError("incompatible .mpy file"), AttributeError("prompt")):
        assert run("boot.py", prompt=Broken(error)) is None


def test_a_production_build_never_leaves_main_but_by_a_reset_after_a_pause():
    ends = (None, KeyboardInterrupt(), SystemExit(), Exception("bug"), MemoryError(), Reset())
    for end in ends:
        agent = Agent(end)
        assert isinstance(run("main.py", agent), Reset), end
        assert agent.prompt is None and Time.slept == 5000


def test_a_production_build_whose_agent_cannot_be_loaded_resets_too():
    assert isinstance(run("main.py", None, prompt=Broken(ImportError("agent"))), Reset)
    assert Time.slept == 5000


def test_a_development_build_gives_the_prompt_for_ctrl_c_at_any_time():
    assert run("boot.py", prompt=Prompt) is None
    agent = Agent(KeyboardInterrupt())
    assert isinstance(run("main.py", agent, Prompt), KeyboardInterrupt)
    assert agent.prompt is Prompt and Time.slept == 0
    assert run("main.py", Agent(None), Prompt) is None


def test_the_real_package_has_its_prompt():
    from latchkey import prompt

    assert latchkey.prompt is prompt
    try:
        prompt.allow(True)
    except KeyboardInterrupt:
        return
    raise AssertionError("nothing was raised")
