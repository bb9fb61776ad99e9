# SPDX-License-Identifier: Apache-2.0
"""All commands under their names, and the one place where a command line begins and ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from host_tools.cli import answer

__all__ = ["app", "run"]

_NAME = "latchkey"


_BOARD, _DRIVER, _OWNER, _HAND = "Boards", "With a phone's key", "Look", "The harness's hand"
_SHARE = "Share a car"
_KEYS = "Keys for many cars"

# Name, panel, where it is, and the first line of its help: to list them, none needs to be loaded.
COMMANDS = (
    ("demo", _BOARD, "simulated:demo",
     "Tell the story: pair, reboot cold, unlock and start, with no network anywhere."),
    ("drill", _BOARD, "simulated:drill",
     "Run the outage drill: a car's server dies, and comes back lying. The owner starts after each step."),
    ("loan", _BOARD, "simulated:loan",
     "Tell how a car is lent by a link and taken back, with no network anywhere."),
    ("sim", _BOARD, "simulated:sim", "Run a simulated board until Ctrl-C."),
    ("flash", _BOARD, "flash:flash",
     "Put the firmware on a board that has MicroPython, or bring it up to date. Keys, settings and log stay."),
    ("measure", _BOARD, "flash:measure",
     "Measure a board: heap, boot, cryptography, commands. The car is restarted for it, and keeps its keys."),
    ("provision", _BOARD, "board:provision", "Give a new board its identity and settings."),
    ("bridge", _BOARD, "board:bridge",
     "Let client libraries reach the car over TCP: each connection is one phone, with the radio's own bytes."),
    ("monitor", _BOARD, "watch:monitor",
     "Show a car live: state, pins, phones, the last commands and refusals, heap. Ctrl-C ends it."),
    ("fleet", _BOARD, "fleet:fleet",
     "Simulate a fleet's polls through an outage of its server: the firmware's rules beside two others."),
    ("pair", _DRIVER, "drive:pair",
     "Enrol a phone's key: make the key file if it is missing, ask the car, wait for the card."),
    ("unlock", _DRIVER, "drive:unlock", "Unlock the car."),
    ("lock", _DRIVER, "drive:lock", "Lock the car."),
    ("start", _DRIVER, "drive:start",
     "Let the car be driven: the start relay stays on for two minutes, or until the brake is pressed."),
    ("wake", _DRIVER, "drive:wake", "Wake the car."),
    ("secure", _DRIVER, "drive:secure", "Close what closes by itself, and lock."),
    ("open", _DRIVER, "drive:open_closure",
     "Open a closure: a door, the trunk, the frunk, the charge port or the tonneau."),
    ("close", _DRIVER, "drive:close_closure", "Close a closure."),
    ("status", _OWNER, "look:status", "Show what the car is doing."),
    ("log", _OWNER, "look:log", "Show the car's access log: who, what, and how it ended."),
    ("explain", _OWNER, "explain:explain",
     "Say what a car expected, what it got, and what to do: about a fault, or a request and its reply."),
    ("share", _SHARE, "sharing:share",
     "Give somebody a key for a while: prints a link. Nobody has to be online, nor near the car."),
    ("accept", _SHARE, "sharing:accept", "Take what a link gives: makes a key, and has the car enrol it."),
    ("shared", _SHARE, "taking:shared", "Show what was shared with this key, and what has become of it."),
    ("revoke", _SHARE, "taking:revoke", "Take back what was shared: at the car, or by whoever comes by it next."),
    ("time", _SHARE, "timing:tell", "Show what time the car goes by, or as an owner set it."),
    ("tap", _HAND, "hand:tap", "Tap the card on the reader: approves the key that waits for it."),
    ("brake", _HAND, "hand:brake", "Press or release the brake."),
    ("door", _HAND, "hand:door", "Open or close a door by hand."),
    ("reboot", _HAND, "hand:reboot", "Restart the car, and wait until it is up again."),
    ("clock", _HAND, "hand:clock", "Let time pass in the car."),
    ("bench", _BOARD, "acceptance:app", "The bench suite: does a car do all that it should?"),
    ("firmware", _BOARD, "flash:firmware_app", "The firmware on a board."),
    ("keys", _OWNER, "keyring:app", "Show the car's keychain; add, update and remove keys as an owner."),
    ("trust", _KEYS, "couriers:trust",
     "As an owner, let an authority hand keys to the car, and tap the card; or end that."),
    ("roster", _KEYS, "couriers:roster", "Show whose roster the car takes, which one it has, and how old that is."),
    ("carry", _KEYS, "couriers:carry",
     "Carry rosters and revocations for cars: this phone hands them over after its next command."),
    ("deliver", _KEYS, "couriers:deliver", "Hand a roster or a revocation to the car now."),
    ("authority", _KEYS, "authority:app", "Hand keys to many cars: rosters that anybody may carry."),
)  # fmt: skip


class Deferred(TyperCommand):
    """A command by its name and a line of help. What it takes and does is loaded when somebody gives it."""

    def __init__(self, name: str, panel: str, where: str, about: str) -> None:
        super().__init__(name, help=about, rich_help_panel=panel)
        self._where = where

    @cached_property
    def real(self) -> Any:
        """The command itself."""
        module, _, attribute = self._where.partition(":")
        found = getattr(import_module(f"host_tools.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(self.name)(found)
            command = typer.main.get_command(alone)
        command.name = self.name
        return command

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """A command line that is the real one's."""
        return self.real.make_context(*arguments, **extra)


class Commands(TyperGroup):
    """The commands. Whatever ends one before its own answer has begun is told here: a wrong option, say."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for row in COMMANDS:
            self.add_command(Deferred(*row))

    def load(self, given: Sequence[str]) -> None:
        """Load what a command line asks for."""
        wanted = self.commands.get(given[0]) if given else None
        if isinstance(wanted, Deferred):
            _ = wanted.real

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        with answer.restored():
            code = self.obey(sys.argv[1:] if args is None else args, **extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def obey(self, given: Sequence[str], **extra: Any) -> int:
        """Carry out a command line; its exit code. No signals are heard any more then."""
        try:
            with self.make_context(_NAME, list(given) or ["--help"], **extra) as context:
                self.invoke(context)
            answer.deaf()
        except typer.Exit as done:
            return done.exit_code
        except OSError as error:  # what runs outside of an answer only prints: a version, or help
            answer.unwritten(error)
            return 0
        except SystemExit:  # so Rich ends, of itself, when nobody reads its help
            return 0
        except BaseException as error:  # noqa: BLE001 - each has its line and its exit code
            return answer.tell(error, "--json" in given)
        return 0


app = typer.Typer(
    name=_NAME,
    cls=Commands,
    help="A car's access module, from the outside. LATCHKEY_PORT and LATCHKEY_KEY stand in for --port and --key.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # slow to import, and seldom wanted

        try:
            number = metadata.version("latchkey")
        except metadata.PackageNotFoundError:
            number = "(not installed)"
        typer.echo(f"latchkey {number}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A car's access module, from the outside. LATCHKEY_PORT and LATCHKEY_KEY stand in for --port and --key."""


def run() -> None:
    """Carry out this process's command line, and end the process."""
    command = typer.main.get_command(app)
    code = 1
    try:
        if isinstance(command, Commands):
            command.load(sys.argv[1:])  # before signals are exceptions: not every library that is loaded lets one pass
            answer.listen()
            code = command.obey(sys.argv[1:])
    except KeyboardInterrupt as error:  # between here and there
        code = answer.tell(error, "--json" in sys.argv)
    sys.exit(code)
