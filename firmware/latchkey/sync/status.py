# SPDX-License-Identifier: Apache-2.0
"""What a car's fetching does, in words. Loaded when somebody asks."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.sync import Sync


def text(sync: Sync) -> str:
    """How the last poll went, and when the next one is: at most 64 bytes of ASCII."""
    plan = "; next poll in %d min" % ((sync.at - sync.parts.clock.now()) // 60)
    tried = ", %d failures in a row" % sync.failures if sync.failures > 1 else ""
    return (sync.told + tried)[: 64 - len(plan)] + plan
