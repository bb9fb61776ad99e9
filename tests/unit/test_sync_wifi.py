# SPDX-License-Identifier: Apache-2.0
"""sync/wifi: a network is joined or not, in bounded time, and whether there is memory for it is found out."""

import asyncio
import sys

from latchkey.sync import wifi
from runner import skip_on_board

skip_on_board("it stands on the simulated board's network")

import network  # noqa: E402


class Chip:
    """An `esp32` whose largest free blocks are these: inside the chip, and of all memory."""

    HEAP_DATA = 4

    def __init__(self, inside, everywhere):
        self.blocks = {2052: inside, 4: everywhere}

    def idf_heap_info(self, kind):
        return [(1 << 20, 1 << 19, block, 0) for block in self.blocks[kind]]


def missing(inside, tls=False, everywhere=(4 << 20,)):
    before = sys.modules.get("esp32")
    sys.modules["esp32"] = Chip(inside, everywhere)
    try:
        return wifi.missing(tls)
    finally:
        if before:
            sys.modules["esp32"] = before
        else:
            del sys.modules["esp32"]


def up(in_reach_after):
    """The name server, and how long it took."""

    class Time:
        slept = 0

        @staticmethod
        async def sleep_ms(ms):
            Time.slept += ms
            network.WLAN.up = in_reach_after is not None and Time.slept >= in_reach_after

    network.WLAN.up = in_reach_after == 0
    real, wifi.asyncio = wifi.asyncio, Time
    try:
        return asyncio.run(wifi.up("Home", "password")), Time.slept
    finally:
        wifi.asyncio = real
        network.WLAN.up = True


def test_a_network_is_joined_as_soon_as_it_is_there():
    for after in (0, 100, 3000, 14_000):
        server, slept = up(after)
        assert server.count(".") == 3 and slept == after
        assert network.WLAN(0).active()
        wifi.down()
        assert not network.WLAN(0).active() and not network.WLAN(0).isconnected()


def test_one_that_is_not_there_is_given_up():
    server, slept = up(None)
    assert server == "" and slept <= 20_000
    wifi.down()


def test_what_is_missing_is_the_largest_block_inside_the_chip():
    assert missing([53_248, 20_000]) == "52 KB free, Wi-Fi needs 60"
    assert missing([20_000, 61_440]) == ""
    assert missing([61_440], tls=True) == "60 KB free, Wi-Fi needs 100"
    assert missing([102_400, 0], tls=True) == ""


def test_psram_is_none_of_a_radios():
    assert missing([30_000], everywhere=[4 << 20, 30_000])


def test_where_nothing_says_how_much_there_is_there_is_room():
    assert wifi.missing(True) == ""
