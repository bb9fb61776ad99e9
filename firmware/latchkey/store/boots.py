# SPDX-License-Identifier: Apache-2.0
"""The number of this start, which never comes again: stirred into every epoch, and a column of the access log.

It is kept in two sealed copies and in NVS, outside of the file system. The highest that can be read counts, so a
damaged or a lost one never lowers it; and it is used when one more has been written down somewhere.
"""

import struct

from micropython import const

from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = const(1)
_HIGHEST = const(0x3FFFFFFE)  # a board's small int; a start each second gets there in 34 years
_HIGHEST_NVS = const(0x7FFFFF)  # it has no digest of ours: an absurd number in it must not use up all that there are
_NAME = const("boot")


def count(root: str, report: Callable[[str], None]) -> int | None:
    """Count this start. None: it could not be written down anywhere, and nothing may be made from it."""
    number = 0
    nvs = None
    files.attempt(files.make_folder, root, report)
    for path in files.places(root, _NAME):
        number = max(number, _read(path, report))
    try:
        from esp32 import NVS

        nvs = NVS("latchkey")
        known = nvs.get_i32(_NAME)
        if known <= _HIGHEST_NVS:
            number = max(number, known)
    except (ImportError, OSError):
        pass  # no ESP32, or nothing there yet
    if not number:
        from latchkey.store import logreader  # a board whose firmware counted its starts there

        number = logreader.last(root + "/log")[1]
    number += 1
    if number > _HIGHEST:
        report("boot: the number of this start is the highest there is")
        return None
    kept = False
    for path in files.places(root, _NAME):
        try:
            files.run(files.write_sealed(path, _VERSION, struct.pack("<I", number)))
            kept = True
        except OSError as e:
            report(f"{path}: {e}")
    if nvs:
        try:
            nvs.set_i32(_NAME, number)
            nvs.commit()
            kept = kept or number <= _HIGHEST_NVS
        except OSError as e:
            report(f"boot: {e}")
    return number if kept else None


def _read(path: str, report: Callable[[str], None]) -> int:
    try:
        body = files.read_sealed(path, _VERSION)
        return _sound(struct.unpack("<I", body)[0]) if body else 0
    except (files.StoreError, OSError, ValueError) as e:
        report(f"{path}: {e}")
        return 0


def _sound(number: int) -> int:
    return number if 0 < number <= _HIGHEST else 0
