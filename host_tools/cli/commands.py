# SPDX-License-Identifier: Apache-2.0
"""All commands under their names, and the one place where a command line begins and ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from host_tools.cli import acceptance, answer, board, drive, explain, flash, hand, keyring, watch

__all__ = ["app", "run"]

_NAME = "latchkey"


class Commands(TyperGroup):
    """The commands. Whatever ends one before its own answer has begun is told here: a wrong option, say."""

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

_BOARD, _DRIVER, _OWNER, _HAND = "Boards", "With a phone's key", "Look", "The harness's hand"

for _function, _name, _panel in (
    (board.demo, "demo", _BOARD),
    (board.sim, "sim", _BOARD),
    (flash.flash, "flash", _BOARD),
    (flash.measure, "measure", _BOARD),
    (board.provision, "provision", _BOARD),
    (board.bridge, "bridge", _BOARD),
    (watch.monitor, "monitor", _BOARD),
    (drive.pair, "pair", _DRIVER),
    (drive.unlock, "unlock", _DRIVER),
    (drive.lock, "lock", _DRIVER),
    (drive.start, "start", _DRIVER),
    (drive.wake, "wake", _DRIVER),
    (drive.secure, "secure", _DRIVER),
    (drive.open_closure, "open", _DRIVER),
    (drive.close_closure, "close", _DRIVER),
    (hand.status, "status", _OWNER),
    (hand.log, "log", _OWNER),
    (explain.explain, "explain", _OWNER),
    (hand.tap, "tap", _HAND),
    (hand.brake, "brake", _HAND),
    (hand.door, "door", _HAND),
    (hand.reboot, "reboot", _HAND),
    (hand.clock, "clock", _HAND),
):
    app.command(_name, rich_help_panel=_panel)(_function)
app.add_typer(acceptance.app, name="bench", rich_help_panel=_BOARD)
app.add_typer(flash.firmware_app, name="firmware", rich_help_panel=_BOARD)
app.add_typer(keyring.app, name="keys", rich_help_panel=_OWNER)


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
        answer.listen()
        code = command.obey(sys.argv[1:]) if isinstance(command, Commands) else 1
    except KeyboardInterrupt as error:  # between here and there
        code = answer.tell(error, "--json" in sys.argv)
    sys.exit(code)
