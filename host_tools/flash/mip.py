# SPDX-License-Identifier: Apache-2.0
"""What `mip install` puts on a board: the agent as text with short names, and its package.json (`make package`)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from host_tools.build import staging
from host_tools.flash.aioble import PACKAGES

OUT = staging.STAGE.with_name("mip")


def write(out: Path = OUT) -> Path:
    """Make the folder anew. Returns the path of its package.json, whose addresses are relative to it."""
    stage = staging.shortened()
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(stage / "latchkey", out / "latchkey", ignore=shutil.ignore_patterns("schema.py"))
    version = re.findall(r'(?m)^VERSION = "(.+)"', (stage / "latchkey" / "__init__.py").read_text("utf-8"))
    modules = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.py"))
    package = {
        "urls": [[module, module] for module in modules],
        "deps": [[name, "latest"] for name in PACKAGES],
        "version": version[0],
    }
    written = out / "package.json"
    written.write_text(json.dumps(package, indent=2) + "\n", "utf-8")
    return written


if __name__ == "__main__":
    print(write())
