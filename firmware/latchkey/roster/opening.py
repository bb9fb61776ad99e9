# SPDX-License-Identifier: Apache-2.0
"""The roster of a car that boots."""

from latchkey.roster import kept
from latchkey.roster.held import Roster
from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.clock import Clock


def opened(root: str, clock: Clock, given: tuple[bytes, bytes, int, bytes] | None) -> Roster | None:
    """For a boot: the roster in force, of the authority that is kept; if there never was one, of the one given with the
    settings (root, seal, role, url). One that another firmware has written is left as it is, and counts for nothing.
    Raises nothing."""
    try:
        found = kept.load(root, print)
    except files.UnknownVersion as error:
        print(error)
        return None
    if not found:
        if not given:
            return None
        state = kept.State(*given)
        found = state, kept.order(state)
        for path in files.places(root, kept.NAME):
            files.attempt(lambda path: files.run(files.write_sealed(path, kept.VERSION, kept.pack(state))), path, print)
    if not found[0].role:
        return None
    return Roster(root, clock, *found)
