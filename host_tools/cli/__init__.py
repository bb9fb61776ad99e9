# SPDX-License-Identifier: Apache-2.0
"""The command line.

A command is a function whose parameters are its options (`options` holds what they share). It opens a `Report`, which
turns whatever goes wrong inside into one line on stderr and an exit code: 0 the car did it, 1 it refused, 2 wrong
usage, 3 no car answers in time. `drive` is the driver's part, `keyring` the owner's, `hand` the harness's, `board` is
about boards, `flash` about what runs on them, `acceptance` about whether it does what it should;
`watch` and `explain` show what is going on.
"""

from __future__ import annotations

from typing import Annotated

import typer

from host_tools.cli import acceptance, board, drive, explain, flash, hand, keyring, watch

__all__ = ["app", "main"]

app = typer.Typer(
    name="latchkey",
    help="A car's access module, from the outside. LATCHKEY_PORT and LATCHKEY_KEY stand in for --port and --key.",
    no_args_is_help=True,
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


def main() -> None:
    """The console script."""
    app()
