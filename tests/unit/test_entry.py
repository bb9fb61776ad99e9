# SPDX-License-Identifier: Apache-2.0
"""boot.py and main.py: no Ctrl-C gets through before a production build has closed the prompt, and none is left; and
outputs are low before anything is imported that a chip does not have built in."""

import builtins
import random
import sys

import micropython

import latchkey
from latchkey import start
from runner import skip_on_board
from simulated import esp32

skip_on_board("it runs what closes the prompt that it is run from")

FIRMWARE = latchkey.__file__.rpartition("latchkey/")[0]


class Reset(BaseException):
    """The board has been reset."""


class Machine:
    WDT_timeouts = []
    cause = 1
    calls = []  # imports, and pins that are driven, in their order

    class Pin:
        OUT = 3

        def __init__(self, number, mode, value):
            if not 0 <= number < 49:
                raise ValueError("invalid pin")
            Machine.calls.append((number, mode, value))

    @classmethod
    def reset_cause(cls):
        return cls.cause

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
    PINS = {"start": 4, "lock": None, "led": 10, "card": 6}


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


def run(name, agent=None, prompt=None, board=Board):
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
    sys.modules.update({"machine": Machine, "time": Time, "board": board, "latchkey": package})
    for gone in ("latchkey.agent", "latchkey.prompt"):
        sys.modules.pop(gone, None)
    Time.slept = 0
    Machine.calls.clear()
    ended = None
    really = builtins.__import__
    builtins.__import__ = lambda name, *rest: Machine.calls.append(name) or really(name, *rest)
    micropython.kbd_intr(3)
    try:
        exec(code, {"__name__": "__main__"})
    except BaseException as error:  # noqa: BLE001 - whatever it is
        ended = error
    finally:
        micropython.kbd_intr(3)
        builtins.__import__ = really
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


IN_THE_CHIP = ("micropython", "machine", "esp32")


def wrote_down(pins):
    esp32.ram.clear()
    start._write_down(pins)


def driven():
    """The pins that were driven; they are outputs, low, and come before any import that can fail."""
    calls = Machine.calls
    pins = [call for call in calls if not isinstance(call, str)]
    assert all(pin[1:] == (Machine.Pin.OUT, 0) for pin in pins)
    for call in calls[: calls.index(pins[-1])] if pins else ():
        assert call in pins or call in IN_THE_CHIP, calls
    return [pin[0] for pin in pins]


def test_after_any_kind_of_restart_outputs_are_low_before_the_first_import_that_can_fail():
    wrote_down({"start": 26, "lock": 27, "led": 25, "card": 18, "brake": 19, "door": 21})
    for prompt in (None, Prompt, Broken(OSError(5)), Broken(MemoryError())):
        for Machine.cause in (1, 2, 3, 4, 5):  # power-on, hard, watchdog, deep sleep, soft
            run("boot.py", prompt=prompt)
            assert driven() == [26, 27, 25], Machine.cause


def test_the_outputs_of_the_settings_are_those_that_fall_and_no_other_wire_is_driven():
    seed = 20211119
    random.seed(seed)
    for step in range(50):
        pins = dict.fromkeys(start.OUTPUTS + ("card", "brake", "door"))
        for name in pins:
            number = random.randrange(49)
            if random.randrange(4) and number not in pins.values():
                pins[name] = number
        wrote_down(pins)
        run("boot.py", board=Broken(ValueError("board")))
        outputs = [pins[name] for name in start.OUTPUTS]
        assert driven() == [pin for pin in outputs if pin is not None], (seed, step)


def boot_with(kept, board=Board):
    """The pins that boot.py drives when NVS says this, or fails by it."""
    wrote_down(Board.PINS)
    esp32.ram["latchkey.outputs"] = kept
    if isinstance(kept, Exception):
        real = sys.modules["esp32"]
        sys.modules["esp32"] = Broken(kept)
    try:
        assert run("boot.py", board=board) is None
    finally:
        if isinstance(kept, Exception):
            sys.modules["esp32"] = real
    return [call[0] for call in Machine.calls if not isinstance(call, str)]


NONSENSE = (
    0,
    -1,
    -1021,
    1,
    26,
    26 | 27 << 6 | 25 << 12,
    0x3FFFFFFF,
    None,
    "26",
    OSError(-0x1102),
    ImportError("no NVS"),
)


def test_where_nvs_holds_nothing_of_ours_the_boards_own_outputs_fall():
    for kept in NONSENSE:
        assert boot_with(kept) == [4, 10], kept


def test_a_board_that_says_nothing_at_all_drives_nothing_and_boots():
    for kept in NONSENSE:
        for board in (
            Broken(ImportError("board")),
            Broken(MemoryError()),
            Broken(ValueError("incompatible .mpy file")),
        ):
            assert boot_with(kept, board) == [], kept
