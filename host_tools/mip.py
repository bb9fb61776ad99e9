# SPDX-License-Identifier: Apache-2.0
"""package.json: what `mip install` fetches of this repository. `make package` writes it anew."""

from __future__ import annotations

import json
import re

from host_tools import firmware
from host_tools.flash.radio import PACKAGES

ROOT = firmware.SOURCES.parent
FILE = ROOT / "package.json"


def text() -> str:
    """What the file should hold: every module of the agent, from its source."""
    modules = sorted((firmware.SOURCES / "latchkey").rglob("*.py"))
    version = re.findall(r'(?m)^VERSION = "(.+)"', (firmware.SOURCES / "latchkey" / "__init__.py").read_text("utf-8"))
    urls = [(path.relative_to(firmware.SOURCES).as_posix(), path.relative_to(ROOT).as_posix()) for path in modules]
    package = {
        "urls": urls,
        "deps": [[name, "latest"] for name in PACKAGES],
        "version": version[0],
    }
    written = json.dumps(package, indent=2)
    return re.sub(r'\[\s+("[^]]+")\s+\]', lambda pair: "[" + " ".join(pair[1].split()) + "]", written) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
