# SPDX-License-Identifier: Apache-2.0
"""The authority's own keys: files of mode 0600 in its folder, or the root wherever its owner keeps it.

The database has their public parts, so that a key is known by what it is and not by what its file is called.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.faults import Misuse
from host_tools.phone import keyfile


class WrongKey(Misuse):
    """A key file that holds another key than the one that counts."""

    name = "WRONG_KEY"


def signer_file(folder: Path, generation: int) -> Path:
    """Where the key is kept that signs rosters from that generation on."""
    return folder / f"signer-{generation}.pem"


def root_file(folder: Path, generation: int) -> Path:
    """Where a root key is made that signs delegations after that generation, unless it is told elsewhere."""
    return folder / f"root-{generation}.pem"


def load(path: Path, public: bytes, what: str) -> ec.EllipticCurvePrivateKey:
    """The private key of that public one. Raises KeyFileError, WrongKey."""
    key = keyfile.load(path)
    if key.public != public:
        raise WrongKey(f"{path} is not {what}", f"that one has the id {keyfile.key_id(public)}")
    return key.private


def find(folder: Path, kind: str, public: bytes, what: str) -> ec.EllipticCurvePrivateKey:
    """The same, in whichever of the folder's files of that kind (root, signer) it is."""
    for path in sorted(folder.glob(f"{kind}-*.pem"), reverse=True):
        key = keyfile.load(path)
        if key.public == public:
            return key.private
    raise WrongKey(f"{what} {keyfile.key_id(public)} is not in {folder}", f"bring its file there as {kind}-N.pem")
