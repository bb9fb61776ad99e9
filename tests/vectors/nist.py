# SPDX-License-Identifier: Apache-2.0
"""Reads NIST's and the RFCs' vectors from the package cryptography-vectors."""

from collections.abc import Iterator
from importlib.resources import files


def records(*path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every record of a file, as the sections it is in ("P-256,SHA-256", or several joined) and its fields.

    A field without a value, such as FAIL, has itself as its value. A record ends with an empty line.
    """
    sections: list[str] = []
    inside = False
    fields: dict[str, str] = {}
    for line in [*files("cryptography_vectors").joinpath(*path).read_text("utf-8").splitlines(), ""]:
        line = line.strip()
        if line.startswith("["):
            sections = [*(sections if inside else []), line.strip("[]")]
            inside = True
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            fields[name.strip()] = value.strip() if equals else name
            inside = False
        elif not line and fields:
            yield " ".join(sections), fields
            fields = {}
