# SPDX-License-Identifier: Apache-2.0
"""sync/status: how the last poll went and when the next one is, in 64 bytes."""

from latchkey.sync import Sync
from latchkey.sync.status import text


class Clock:
    def now(self):
        return 5000


class Car:
    clock = Clock()


def told(how, failures=0, left=40 * 60):
    sync = Sync(Car, None, None)
    if how:
        sync.told = how
    sync.failures, sync.at = failures, 5000 + left
    return text(sync)


def test_it_is_said_in_words():
    assert told("") == "not polled yet; next poll in 40 min"
    couriers = "couriers only: 53 KB free, Wi-Fi needs 60"
    assert told(couriers) == couriers + "; next poll in 40 min"
    assert told("HTTP 503", 7) == "HTTP 503, 7 failures in a row; next poll in 40 min"
    assert told("HTTP 503", 1) == "HTTP 503; next poll in 40 min"


def test_it_is_never_longer_than_64_bytes_and_says_when_all_the_same():
    assert told("x" * 100, 99_999, 8_388_607).endswith("; next poll in 139810 min")
    assert len(told("x" * 100, 99_999, 8_388_607)) == 64
