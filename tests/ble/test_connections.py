# SPDX-License-Identifier: Apache-2.0
"""Phones that come and go: slots, subscriptions at any moment, and phones that misbehave."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

import pytest
from bumble import att
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Device

from host_tools.radio import frames
from host_tools.radio.phone_side import READ, SERVICE
from tests.ble.echo import NAME, AttPhone, EchoBoard, in_loop, until

MESSAGE = b"the message that is cut"


async def phones(stack: AsyncExitStack, board: EchoBoard, count: int) -> list[AttPhone]:
    return [await stack.enter_async_context(AttPhone(board.air)) for _ in range(count)]


@in_loop
async def test_a_scanner_sees_the_service_and_the_name(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        heard: asyncio.Queue[Advertisement] = asyncio.Queue()
        phone.device.on(Device.EVENT_ADVERTISEMENT, heard.put_nowait)
        await phone.device.start_scanning(legacy=True)
        fields: dict[int, object] = {}
        async with asyncio.timeout(5):
            while len(fields) < 3:
                advertisement = await heard.get()
                assert len(bytes(advertisement.data)) <= 62  # two packets of 31
                fields.update(dict(advertisement.data.ad_structures))
        assert fields[AdvertisingData.Type.COMPLETE_LOCAL_NAME] == NAME.encode()
        uuid = fields[AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS]
        assert isinstance(uuid, bytes)
        assert uuid[::-1].hex() == SERVICE.replace("-", "")


@in_loop
async def test_a_disconnect_at_every_point_of_a_frame_leaves_nothing_behind(board: EchoBoard) -> None:
    frame = frames.encode(MESSAGE)
    async with AttPhone(board.air) as phone:
        await phone.connect()
        for cut in range(1, len(frame)):
            await phone.write(frame[:cut], response=cut % 2 == 0)
            await phone.hang_up()
            await phone.connect()
            assert await phone.ask(b"whole %d" % cut) == b"whole %d" % cut
        assert await phone.ask(b"phones") == b"1 %d" % (len(frame) - 1)


@in_loop
async def test_a_disconnect_at_every_piece_of_a_reply_leaves_nothing_behind(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        for pieces in range(1, 8):
            await phone.connect()
            phone.pieces.clear()
            await phone.send(os.urandom(150))

            async def so_far(wanted: int = pieces) -> bool:
                return len(phone.pieces) >= wanted

            await until(so_far)
            await phone.hang_up()
        await phone.connect()
        while not phone.messages.empty():
            phone.messages.get_nowait()
        assert await phone.ask(b"phones") == b"1 7"


@in_loop
async def test_connections_that_come_and_go_take_no_heap(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone, AttPhone(board.air) as steady:
        await steady.connect()
        for _ in range(10):
            await phone.connect()
            await phone.ask(b"hello")
            await phone.hang_up()
        before = int(await steady.ask(b"heap"))
        for _ in range(60):
            await phone.connect()
            await phone.ask(b"hello")
            await phone.hang_up()
        await until(lambda: _is(steady, b"phones", b"1 70"))
        after = int(await steady.ask(b"heap"))
        assert after - before < 512


@in_loop
async def test_a_reply_waits_for_the_subscription(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect(subscribe=False)
        await phone.send(b"early")
        await phone.send(b"bird")
        assert await phone.silent(1)
        await phone.subscribe()
        assert await phone.receive() == b"early"
        assert await phone.receive() == b"bird"


@in_loop
async def test_a_reply_that_was_never_subscribed_to_goes_with_its_connection(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect(subscribe=False)
        await phone.send(b"lost")
        await phone.hang_up()
        await phone.connect()
        assert await phone.ask(b"mine") == b"mine"
        assert phone.messages.empty()


@in_loop
async def test_a_phone_that_never_subscribes_is_sent_nothing(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone, AttPhone(board.air) as silent:
        await phone.connect()
        await silent.connect(subscribe=False)
        indicated: list[bytes] = []
        silent.peer.gatt_client.indication_subscribers[silent.handles[READ]] = {indicated.append}
        assert await phone.ask(b"this board knows who has subscribed") != b""
        await silent.send(b"anybody?")
        await phone.send(b"broadcast")
        assert await phone.receive() == b"news"
        assert await phone.silent(1)
        assert indicated == []


@in_loop
async def test_replies_to_a_phone_that_never_subscribes_are_bounded(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect(subscribe=False)
        await phone.send(b"answers 20")
        await asyncio.sleep(0.5)
        await phone.subscribe()
        came = [await phone.receive() for _ in range(6)]
        assert came == [b"answer %d" % n for n in range(14, 20)]


@in_loop
async def test_a_broadcast_reaches_every_phone_that_has_subscribed(board: EchoBoard) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = await phones(stack, board, 3)
        for phone in (a, b, c):
            await phone.connect()
        await a.send(b"broadcast")
        assert [await phone.receive() for phone in (a, b, c)] == [b"news"] * 3


@in_loop
async def test_a_phone_that_never_confirms_is_dropped_and_holds_nobody_up(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone, AttPhone(board.air) as dead:
        await phone.connect()
        await dead.connect()
        assert await dead.ask(b"alive") == b"alive"
        dead.never_confirm()
        await dead.send(os.urandom(500))
        await dead.send(b"broadcast")
        assert await phone.receive() == b"news"
        for n in range(20):
            assert await phone.ask(b"served %d" % n) == b"served %d" % n
        async with asyncio.timeout(10):
            await dead.gone.wait()
        await dead.connect()
        assert await dead.ask(b"better") == b"better"


@in_loop
async def test_the_fourth_phone_takes_the_place_of_the_one_idle_longest(board: EchoBoard) -> None:
    async with AsyncExitStack() as stack:
        driver, dashboard, bot, newcomer = await phones(stack, board, 4)
        for phone in (driver, dashboard, bot):
            await phone.connect()
        await driver.ask(b"authenticate")
        await dashboard.ask(b"idle 7200")
        await newcomer.connect()
        async with asyncio.timeout(5):
            await dashboard.gone.wait()
        assert [await phone.ask(b"here") for phone in (driver, bot, newcomer)] == [b"here"] * 3
        await dashboard.connect()  # of those who never gave a command, the one who came first
        async with asyncio.timeout(5):
            await bot.gone.wait()
        assert [await phone.ask(b"here") for phone in (driver, newcomer, dashboard)] == [b"here"] * 3


@in_loop
async def test_a_driver_keeps_the_connection_while_strangers_come_and_stay(board: EchoBoard) -> None:
    async with AsyncExitStack() as stack:
        driver, *strangers = await phones(stack, board, 9)
        await driver.connect()
        await driver.ask(b"authenticate")
        for stranger in strangers:
            await stranger.connect(subscribe=False)
            assert await driver.ask(b"still here") == b"still here"
        assert not driver.gone.is_set()


@in_loop
async def test_where_the_radio_has_room_for_three_a_stranger_gives_way_after_a_while(full_board: EchoBoard) -> None:
    async with AsyncExitStack() as stack:
        driver, bot, other, newcomer = await phones(stack, full_board, 4)
        await driver.connect()
        await driver.ask(b"authenticate")
        await bot.connect()
        await bot.ask(b"idle 38")
        await other.connect()
        await newcomer.connect()
        assert bot.gone.is_set()
        assert [await phone.ask(b"here") for phone in (driver, other, newcomer)] == [b"here"] * 3


@in_loop
async def test_a_write_that_is_longer_than_any_value_is_refused(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        with pytest.raises(att.ATT_Error):
            await phone.write(b"\x03\xff" + os.urandom(700))
        assert await phone.ask(b"fine") == b"fine"


@in_loop
async def test_a_flood_of_garbage_does_not_hold_up_another_phone(board: EchoBoard) -> None:
    async with AttPhone(board.air, 247) as phone, AttPhone(board.air, 247) as flood:
        await phone.connect()
        await flood.connect()
        stop = asyncio.Event()

        async def pour() -> None:
            while not stop.is_set() and not flood.gone.is_set():
                await flood.write(os.urandom(200), response=False)
                await asyncio.sleep(0.001)  # twice what the air can carry

        pouring = asyncio.create_task(pour())
        for n in range(20):
            assert await phone.ask(b"through %d" % n) == b"through %d" % n
        stop.set()
        await pouring


@in_loop
async def test_phones_find_the_car_again_after_it_restarts(board: EchoBoard) -> None:
    async with AttPhone(board.air) as phone:
        await phone.connect()
        await phone.ask(b"before")
        board.restart()
        async with asyncio.timeout(5):
            await phone.gone.wait()
        await phone.connect()
        assert await phone.ask(b"after") == b"after"


async def _is(phone: AttPhone, question: bytes, answer: bytes) -> bool:
    return await phone.ask(question) == answer
