# SPDX-License-Identifier: Apache-2.0
"""Where the project's files are: in a checkout, or in the installed package, which carries those that it needs.

They lie in the package as in a checkout (`build/wheel.py` puts them there), the firmware compiled already.
"""

from pathlib import Path

_CARRIED = Path(__file__).with_name("_data")
INSTALLED = _CARRIED.is_dir()
ROOT = _CARRIED if INSTALLED else Path(__file__).parents[1]
