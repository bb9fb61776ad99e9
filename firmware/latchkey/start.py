# SPDX-License-Identifier: Apache-2.0
"""What happens once, before anything is put together: this start is counted, and who the board is is read.

A car whose start cannot be counted, or whose new identity cannot be written down, signs nothing: it is `ready` when
that has been done.
"""

from latchkey import VERSION, config, crypto, provisioning
from latchkey.store import boots, formats, identity
from latchkey.vehicle.pins import OUTPUTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Start:
    """`number` is that of this start, None while it is not written down; `identity` is (private, public), None while
    there is none; `lost`: there was one, and another is to be drawn; `boot` is a random name of this start.

    Raises StoreError: what is stored cannot be used, and another start would not change that.
    """

    def __init__(self, board: Any, root: str) -> None:
        self.board = board
        self.root = root
        self.settings = config.unprovisioned(board)
        self.identity: tuple[bytes, bytes] | None = None
        self.lost = False
        self.number = boots.count(root, _report)
        stored = provisioning.load(root, lambda text: config.parse(text, board), _report)
        if stored:
            self.settings, self.identity, self.lost = stored
        _write_down(self.settings.pins)
        self._drawn: tuple[bytes, bytes] | None = None
        self._mix()
        self.boot = crypto.random_bytes(4).hex()
        print("latchkey", VERSION, self.settings.vin or "not provisioned", "boot", self.boot)

    async def ready(self) -> bool:
        """Whether this start is counted, and the car has an identity that it will have at the next one too."""
        if self.number is None:
            self.number = boots.count(self.root, _report)
            if self.number is None:
                print("latchkey: this start cannot be counted: nothing is signed until it is")
                return False
            self._mix()
        if not self.identity:
            if self._drawn is None:  # once: that takes long
                from latchkey import unprovisioned

                if self.lost:
                    print("latchkey: the identity is lost, and a new one drawn: no key works until it is paired anew")
                self._drawn = await unprovisioned.new_identity()
            try:
                self.identity = await identity.set_identity(self.root, *self._drawn)
            except (OSError, formats.StoreError) as error:
                print("latchkey: the new identity cannot be written down:", error)
                return False
            self.lost = self.lost and self.identity == self._drawn
            self._mix()
        return True

    def _mix(self) -> None:
        """Before anything random is made: a number that never comes again, with what only this board knows."""
        if self.number is not None:
            crypto.stir(self.identity[0] if self.identity else b"", self.number)


def _write_down(pins: dict[str, int | None]) -> None:
    """Which pins are driven from now on, for the next start's boot.py: six bits each, all ones where there is none. It
    tells them by a factor that nothing else is likely to have."""
    outputs = 0
    for name in reversed(OUTPUTS):
        number = pins.get(name)
        outputs = outputs << 6 | (63 if number is None else number)
    try:
        from esp32 import NVS

        nvs = NVS("latchkey")
        nvs.set_i32("outputs", outputs * 1021)  # which wears nothing while it is the same
        nvs.commit()
    except ImportError:
        pass  # no ESP32
    except OSError as error:
        _report(f"outputs: {error}")


def _report(why: str) -> None:
    print("latchkey:", why)
