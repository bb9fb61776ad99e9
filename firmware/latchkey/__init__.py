# SPDX-License-Identifier: Apache-2.0
"""Latchkey: the vehicle's side of phone-as-key.

Bytes come in through `link`, which hands whole messages to `router`. The router decodes the envelope (`wire`), finds
and verifies the session (`session`), asks `keys.policy` whether the role may do it, and drives `vehicle`; the signed
reply goes back out through the link the request came from. Key operations leave at `keys.enrolment`, whose one worker
does what takes long (P-256, flash) and answers later. `assemble` is where all of it is put together.
"""

import sys

VERSION = "0.1.0"


def forget(*names: str) -> None:
    """Drop modules that are done with: nothing else holds them, and whoever needs one again loads it again."""
    for name in names:
        if name in sys.modules:
            package, _, last = name.rpartition(".")
            delattr(sys.modules[package], last)
            del sys.modules[name]


async def load(*names: str) -> None:
    """Import modules, each of which needs only those before it. On a board one can take 40 ms: others have their turn
    after each."""
    import asyncio

    for name in names:
        if name not in sys.modules:
            try:
                __import__(name)
            except Exception:
                # The interpreter takes it out, and its table holds on to all of it until its place is written over.
                sys.modules[name] = sys
                del sys.modules[name]
                raise
            await asyncio.sleep_ms(0)
