# SPDX-License-Identifier: Apache-2.0
"""What a wheel carries beside the code, put there by hatchling: the compiled firmware, the boards, the bench suite.

It all lies inside the package, as in a checkout (host_tools/places.py), so that nothing named `tests` or `boards` gets
into a site-packages folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The suite is run with the settings of pyproject.toml, and with the plugin that knows --port.
_SUITE = (
    "pyproject.toml",
    "tests/__init__.py",
    "tests/bench",
    "tests/host/rosters.py",
    "tests/interrupts.py",
    "tests/micropython_plugin.py",
    "tests/micropython_run.py",
    "tests/shares.py",
)


class WheelHook(BuildHookInterface[Any]):
    """Compiles the firmware for all boards, and says where in the wheel each file goes."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # it is the checkout
            return
        root = Path(self.root)
        sys.path.insert(0, self.root)
        from host_tools.build import firmware

        carried = [root / "boards", *(root / name for name in _SUITE), *firmware.everything()]
        inside = {str(path): f"host_tools/_data/{path.relative_to(root).as_posix()}" for path in carried}
        build_data["force_include"].update(inside)
