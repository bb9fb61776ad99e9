# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F821 - these names are MicroPython's manifest language
# mypy: disable-error-code="name-defined"
"""Freezes the agent into a MicroPython build of your own: its code then runs from flash and leaves the heap alone.

    make stage
    make -C micropython/ports/esp32 BOARD=ESP32_GENERIC FROZEN_MANIFEST=…/boards/ESP32_GENERIC/manifest.py

For a car on the road, a manifest of your own with `include("…/boards/ESP32_GENERIC/manifest.py", production=True)`.
"""

options.defaults(production=False)
stage = "../../build/stage-production" if options.production else "../../build/stage"
include("$(PORT_DIR)/boards/manifest.py")
require("aioble-peripheral")
require("aioble-server")
package("latchkey", base_path=stage, opt=3)
module("boot.py", base_path=stage, opt=3)
module("main.py", base_path=stage, opt=3)
module("board.py", opt=3)
