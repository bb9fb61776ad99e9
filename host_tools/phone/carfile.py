# SPDX-License-Identifier: Apache-2.0
"""A car file: what an authority gives to a car's owner, who installs it. Its seal is a secret of car and authority."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages
from host_tools.phone import latchkey_pb2 as ours

SEAL_BYTES = 16
_LARGEST = 4096


class BadCarFile(Misuse):
    """A file that is none."""

    name = "CAR_FILE"


@dataclass(frozen=True)
class CarFile:
    """Whose rosters a car takes from now on, and as far as which role."""

    vin: str
    root: bytes  # 65 bytes
    seal: bytes = field(repr=False)
    role: int
    url: str

    def text(self) -> str:
        """What stands in the file."""
        role = messages.role_name(self.role)
        said = {"vin": self.vin, "root": self.root.hex(), "seal": self.seal.hex(), "role": role, "url": self.url}
        return json.dumps(said, indent=2) + "\n"

    def request(self) -> ours.ToLatchkey:
        """What the car is asked for."""
        authority = ours.Authority(root=self.root, seal=self.seal, role=self.role, url=self.url.encode())
        return ours.ToLatchkey(install=authority)


def load(path: Path) -> CarFile:
    """Read one. Raises BadCarFile."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_LARGEST))
        vin, url = said["vin"], said["url"]
        root, seal = bytes.fromhex(said["root"]), bytes.fromhex(said["seal"])
        role = messages.ROLES[said["role"]]
    except OSError as error:
        raise BadCarFile(f"cannot read {path}: {error.strerror}", "check the path") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadCarFile(f"{path} is no car file", "`latchkey authority car add` writes them") from None
    if not isinstance(vin, str) or not isinstance(url, str) or len(seal) != SEAL_BYTES or not keyfile.is_public(root):
        raise BadCarFile(f"{path} is no whole car file", "`latchkey authority car add` writes it anew")
    return CarFile(vin, root, seal, role, url)
