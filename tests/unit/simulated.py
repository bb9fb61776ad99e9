# SPDX-License-Identifier: Apache-2.0
"""The simulated board's pins and NVS, for tests that look into them or set them: a board skips a file of such tests."""

from runner import skip_on_board

skip_on_board("it looks into the simulated board's pins and NVS")

import board  # noqa: E402, F401
import esp32  # noqa: E402, F401
import machine  # noqa: E402, F401
