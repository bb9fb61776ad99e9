# SPDX-License-Identifier: Apache-2.0
"""A file of parcels from where an authority has published it."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from host_tools.faults import LatchkeyError
from host_tools.phone import parcelfile

_PATIENCE = 15.0  # seconds
_MOST = parcelfile.LARGEST + 1  # bytes: what is longer is told so by who reads it


class NotFetched(LatchkeyError):
    """Nothing came from where a file should be."""

    name = "NOT_FETCHED"


def fetch(place: str) -> bytes:
    """The file at that URL or path. Raises NotFetched, OSError."""
    if not place.startswith(("http://", "https://")):
        with Path(place).open("rb") as file:
            return file.read(_MOST)
    try:
        with urllib.request.urlopen(place, timeout=_PATIENCE) as answer:
            data: bytes = answer.read(_MOST)
            return data
    except urllib.error.HTTPError as error:
        raise NotFetched(f"{place}: HTTP {error.code}", "was it published, and is the URL right?") from None
    except (OSError, ValueError, HTTPException) as error:  # a URLError is an OSError
        raise NotFetched(f"{place}: {getattr(error, 'reason', error)}", "is there a network?") from None
