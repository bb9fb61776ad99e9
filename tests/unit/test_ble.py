# SPDX-License-Identifier: Apache-2.0
"""link/ble: interrupts that come at any moment, phones that misbehave, and what the radio cannot do."""

import asyncio
import sys
import time

from ticks import DAY, PERIOD, SILENCES


class Stack:
    """The radio: what the link asked of it, and what it answers."""

    def __init__(self):
        self.value = b""
        self.sent = []
        self.dropped = []
        self.tries = 0
        self.no_memory = False
        self.no_buffer = False
        self.on = True

    def active(self):
        return self.on

    def gatts_read(self, handle):
        if self.no_memory:
            raise MemoryError
        return self.value

    def gatts_indicate(self, conn, handle, data):
        self.tries += 1
        if self.no_buffer:
            link._irq(INDICATED, (conn, handle, 6))  # as the stack of a board does, before it raises
            raise OSError(12)
        self.sent.append((conn, bytes(data)))

    def gap_disconnect(self, conn):
        self.dropped.append(conn)


class Uuid:
    def __init__(self, value):
        self.value = value


class Device:
    """aioble's record of a connection."""

    _connected = {}

    def __init__(self, handle):
        self.handle = handle
        self._event = asyncio.Event()
        Device._connected[handle] = self

    def is_connected(self):
        return not self._event.is_set()


class Characteristic:
    count = 0

    def __init__(
        self, service, uuid, read=False, write=False, write_no_response=False, indicate=False, initial=None, max_len=20
    ):
        Characteristic.count += 1
        self._value_handle = Characteristic.count
        self.updates = []

    def write(self, data, send_update=False):
        self.updates.append((data, send_update))


class Module:
    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class Clock:
    now = 1_000_000

    @staticmethod
    def ticks_ms():
        return Clock.now


class Router:
    def __init__(self):
        self.handled = []

    def handle(self, phone, message):
        self.handled.append((phone.name, bytes(message)))


CONNECTED, DISCONNECTED, WRITTEN, INDICATED, MTU = 1, 2, 3, 20, 21
stack = Stack()


def stop():
    stack.on = False
    raise OSError(19)


_modules = {
    "aioble": Module(
        Service=lambda uuid: None,
        Characteristic=Characteristic,
        BufferedCharacteristic=Characteristic,
        config=lambda **settings: None,
        stop=stop,
        register_services=lambda *services: None,
    ),
    "aioble.core": Module(ble=stack, bluetooth=Module(UUID=Uuid), register_irq_handler=lambda irq, stop: None),
    "aioble.device": Module(DeviceConnection=Device),
}
_before = {name: sys.modules.get(name) for name in _modules}
sys.modules.update(_modules)
try:
    from latchkey.faults import BUSY
    from latchkey.link import ble, blephone
finally:
    for _name in _modules:
        if _before[_name] is None:
            del sys.modules[_name]
        else:
            sys.modules[_name] = _before[_name]
ble.ticks_ms = blephone.ticks_ms = Clock.ticks_ms

link: "ble.BleLink"


def fresh():
    """A link with nobody on it, and its router."""
    global link
    stack.__init__()
    Device._connected.clear()
    router = Router()
    link = ble.BleLink(lambda phone, message: router.handle(phone, message), "5YJS0000000000000")
    link.open()
    return router


def connect(handle=0, mtu=None):
    Device(handle)
    link._irq(CONNECTED, (handle, 0, b"\x00" * 6))
    if mtu:
        link._irq(MTU, (handle, mtu))
    return link._phones[-1]


def disconnect(handle=0):
    link._irq(DISCONNECTED, (handle, 0, b""))


def write(data, handle=0):
    stack.value = data
    link._irq(WRITTEN, (handle, link._inbox))


def confirm(handle=0, status=0):
    link._irq(INDICATED, (handle, link.outbox, status))


async def _turns(count):
    task = asyncio.create_task(link._serve())
    link.wake()
    for _ in range(count):
        await asyncio.sleep_ms(2)
    task.cancel()


def turn():
    """The task has its turns until there is no more to do."""
    asyncio.run(_turns(3))


def test_interrupts_of_nobody_and_of_other_kinds_are_nothing():
    fresh()
    write(b"\x00\x01x", handle=7)
    confirm(handle=7)
    disconnect(7)
    link._irq(4, (7, link._inbox))
    link._irq(27, (7, 1, 2, 3, 4))
    assert not link._phones


def test_a_write_to_another_characteristic_is_nothing():
    router = fresh()
    connect()
    stack.value = b"\x00\x01x"
    link._irq(WRITTEN, (0, 99))
    turn()
    assert not router.handled


def test_all_writes_of_a_burst_are_kept_in_order():
    router = fresh()
    connect()
    message = bytes(range(256)) * 4
    frame = b"\x04\x00" + message
    for at in range(0, len(frame), 20):
        write(frame[at : at + 20])
    turn()
    assert router.handled == [("ble/0", message)]


def test_more_writes_than_fit_break_the_message_until_a_pause():
    router = fresh()
    connect()
    for _ in range(300):
        write(b"\x00")
        Clock.now += 1
    write(b"\x00\x01a")  # still part of what broke
    turn()
    Clock.now += 1000
    write(b"\x00\x01b")  # a second is not enough
    Clock.now += 1001
    write(b"\x00\x01c")
    turn()
    assert router.handled == [("ble/0", b"c")]


def test_more_bytes_than_fit_break_the_message_until_a_pause():
    router = fresh()
    connect()
    for n in range(9):
        write(b"\x01\xfe" + bytes((n,)) * 510)
    turn()
    assert [message[1][0] for message in router.handled] == [0, 1, 2, 3, 4, 5, 6, 7]
    write(b"\x00\x01a")
    Clock.now += 1001
    write(b"\x00\x01b")
    turn()
    assert router.handled[8:] == [("ble/0", b"b")]


def test_what_was_read_makes_room():
    router = fresh()
    connect()
    for n in range(40):
        write(b"\x01\xfe" + bytes((n,)) * 510)
        turn()
    assert len(router.handled) == 40


def test_a_write_that_memory_does_not_hold_breaks_its_message_only():
    router = fresh()
    connect()
    write(b"\x00\x04ab")
    stack.no_memory = True
    write(b"cd")
    stack.no_memory = False
    write(b"ef")
    turn()
    assert not router.handled
    Clock.now += 1001
    write(b"\x00\x02ok")
    turn()
    assert router.handled == [("ble/0", b"ok")]


def test_a_phone_that_memory_does_not_hold_is_sent_away():
    fresh()
    phone, ble.Phone = ble.Phone, _no_phone
    try:
        Device(3)
        link._irq(CONNECTED, (3, 0, b""))
    finally:
        ble.Phone = phone
    assert stack.dropped == [3]
    assert not link._phones


def _no_phone(*arguments):
    raise MemoryError


def test_what_a_phone_wrote_before_it_left_still_counts():
    router = fresh()
    connect()
    write(b"\x00\x03bye")
    disconnect()
    turn()
    assert router.handled == [("ble/0", b"bye")]
    assert link.everybody() == []
    assert len(link._assemblers) == 3


def test_a_handle_that_is_used_again_at_once_is_another_phone():
    router = fresh()
    first = connect()
    write(b"\x00\x08half")
    disconnect()
    second = connect()
    write(b"\x00\x01x")
    turn()
    assert router.handled == [("ble/0", b"x")]
    assert first.gone and not second.gone
    first.send(b"too late")
    turn()
    assert not stack.sent
    del Device._connected[0]  # what aioble does when it looks at the first one
    disconnect()
    turn()
    assert second.device._event.is_set()
    assert Device._connected == {0: second.device}


def test_a_reply_waits_until_the_phone_has_subscribed():
    fresh()
    phone = connect()
    phone.send(b"reply")
    turn()
    assert link._outbox.updates == [(b"", True)]
    assert not stack.sent
    confirm()
    turn()
    assert stack.sent == [(0, b"\x00\x05reply")]


def test_the_question_who_has_subscribed_is_asked_less_and_less():
    fresh()
    link.probed = True
    phone = connect()
    phone.send(b"reply")
    asked = []
    for _ in range(100):
        turn()
        asked.append(len(link._outbox.updates))
        Clock.now += 100
    assert asked[:8] == [1, 2, 2, 3, 3, 3, 3, 4]
    assert asked[-1] == 10
    assert not stack.sent


def test_where_nobody_ever_answers_that_question_replies_go_out_all_the_same():
    fresh()
    phone = connect()
    phone.send(b"reply")
    turn()
    Clock.now += 5000
    turn()
    assert stack.sent == [(0, b"\x00\x05reply")]


def _subscribed(handle=0, mtu=None):
    phone = connect(handle, mtu)
    phone.subscribed = True
    return phone


def test_pieces_follow_each_other_only_when_confirmed():
    fresh()
    phone = _subscribed(mtu=27)
    phone.send(b"x" * 60)
    turn()
    turn()
    assert [len(data) for _, data in stack.sent] == [24]
    for _ in range(4):
        confirm()
        turn()
    assert [len(data) for _, data in stack.sent] == [24, 24, 14]


def test_a_piece_for_which_there_is_no_buffer_goes_later():
    fresh()
    phone = _subscribed()
    phone.send(b"reply")
    stack.no_buffer = True
    turn()
    turn()
    assert stack.tries == 1  # not again before the next tick
    assert not stack.dropped
    stack.no_buffer = False
    phone.tick(Clock.now)
    turn()
    assert stack.sent == [(0, b"\x00\x05reply")]


def test_a_reply_that_has_begun_is_never_cut_short():
    fresh()
    phone = _subscribed()
    phone.send(b"0" * 30)
    turn()
    for n in range(1, 12):
        phone.send(b"%d" % n)
    for _ in range(12):
        confirm()
        turn()
    stream = b"".join(data for _, data in stack.sent)
    assert stream == b"\x00\x1e" + b"0" * 30 + b"\x00\x017\x00\x018\x00\x019\x00\x0210\x00\x0211"


def test_a_phone_that_cannot_confirm_any_more_is_sent_away():
    fresh()
    phone = _subscribed()
    phone.send(b"reply")
    turn()
    confirm(status=13)
    turn()
    assert stack.dropped == [0]


def test_a_phone_that_does_not_confirm_in_time_is_sent_away_once():
    fresh()
    phone = _subscribed()
    phone.send(b"reply")
    turn()
    Clock.now += 5001
    turn()
    turn()
    assert stack.dropped == [0]
    phone.send(b"more")
    turn()
    assert len(stack.sent) == 1


def test_a_phone_that_left_in_the_middle_of_an_answer_takes_nobody_with_it_who_has_its_handle():
    router = fresh()
    phone = _subscribed()
    phone.send(b"reply")
    turn()
    write(b"\x00\x01x" * 9)
    confirm(status=13)
    disconnect()
    other = connect()
    turn()
    assert len(router.handled) == 9 and not stack.dropped
    assert link._phones == [other] and not other.leaving


def test_a_phone_that_was_sent_away_holds_no_buffer():
    router = fresh()
    phone = connect()
    write(b"\x00\x08half")
    turn()
    assert len(link._assemblers) == 2
    phone.drop()
    assert len(link._assemblers) == 3
    write(b"\x00\x01x")
    turn()
    assert not router.handled


def test_what_waited_for_a_phone_goes_with_it():
    for leave in (lambda phone: phone.drop(), lambda phone: disconnect()):
        fresh()
        phone = _subscribed()
        for _ in range(3):
            phone.send(b"answer")
        write(b"\x00\x08half")
        leave(phone)
        turn()
        assert not stack.sent and not phone._replies and not phone._writes and phone._assembler is None


def test_of_broadcasts_a_phone_that_is_behind_gets_the_newest():
    fresh()
    phone = _subscribed()
    phone.send(b"answer")
    for n in range(5):
        for each in link.everybody():
            each.tell(b"news %d" % n)
    for _ in range(5):
        turn()
        confirm()
    assert stack.sent == [(0, b"\x00\x06answer"), (0, b"\x00\x06news 4")]
    assert phone.authenticated_ms


def test_requests_side_by_side_are_all_answered_in_order_however_slow_the_phone_confirms():
    for count in (1, 2, 3, 8, 35):
        router = fresh()
        router.handle = lambda phone, message: phone.send(bytes(message))
        _subscribed(mtu=517)
        for n in range(count):
            write(b"\x00\x70" + bytes((n,)) * 112)
        for _ in range(2 * count + 2):
            turn()
            confirm()
        assert [data[2] for _, data in stack.sent] == list(range(count)), count
        assert all(len(data) == 114 for _, data in stack.sent)


def test_while_answers_wait_no_more_messages_are_taken():
    router = fresh()
    handled = []

    def handle(phone, message):
        handled.append(bytes(message))
        phone.send(b"answer")

    router.handle = handle
    phone = _subscribed()
    for n in range(20):
        write(b"\x00\x01%c" % n)
        turn()
    assert len(handled) == 3  # one is on its way
    for _ in range(3):
        phone.send(b"late")  # what key operations have promised
    for _ in range(60):
        turn()
        confirm()
    assert len(handled) == 20
    assert [data for _, data in stack.sent].count(b"\x00\x06answer") == 20
    assert [data for _, data in stack.sent].count(b"\x00\x04late") == 3


def test_what_finds_no_room_is_answered_with_busy_once_there_is_some():
    router = fresh()
    router.handle = lambda phone, message: phone.send(bytes(message))
    _subscribed(mtu=517)
    for n in range(64):
        write(b"\x00\x70" + bytes((n,)) * 112)
    for _ in range(160):
        turn()
        confirm()
    *answers, last = [data for _, data in stack.sent]
    assert [data[2] for data in answers] == list(range(35))  # 4096 bytes of them
    assert last == b"\x00\x0a" + BUSY
    Clock.now += 1001
    write(b"\x00\x02ok")
    turn()
    assert stack.sent[-1] == (0, b"\x00\x02ok")


class _Starving:
    """Raises MemoryError when it is called first, and then calls what it stands for."""

    def __init__(self, of, name):
        self.real = getattr(of, name)
        self.starving = True
        setattr(of, name, self)

    def __call__(self, *arguments):
        if self.starving:
            self.starving = False
            raise MemoryError
        return self.real(*arguments)


def test_without_memory_a_message_is_lost_and_its_phone_told_and_served():
    for where in ("handle", "feed", "gatts_read", "gatts_indicate"):
        router = fresh()
        phone = _subscribed(mtu=517)
        router.handle = lambda phone, message: phone.send(bytes(message))
        write(b"\x00\x01a")
        turn()
        confirm()
        _Starving({"handle": router, "feed": phone._assembler}.get(where, stack), where)
        for data in (b"\x00\x01b", b"\x00\x01c"):
            write(data)
            for _ in range(3):
                turn()
                confirm()
                phone.tick(Clock.now)
        Clock.now += 1001
        write(b"\x00\x01d")
        for _ in range(6):
            turn()
            confirm()
            phone.tick(Clock.now)
        said = [data[2:] for _, data in stack.sent]
        assert said[0] == b"a" and said[-1] == b"d", (where, said)
        assert said.count(BUSY) == (where != "gatts_indicate"), (where, said)
        assert set(said) <= {b"a", b"b", b"c", b"d", BUSY}
        assert len(link._assemblers) == 2 and not stack.dropped


def test_without_memory_the_task_of_the_radio_lives():
    router = fresh()
    _Starving(link, "_turn")

    async def go():
        task = asyncio.create_task(link._serve())
        connect()
        for _ in range(4):
            write(b"\x00\x01x")
            await asyncio.sleep_ms(110)
        task.cancel()

    asyncio.run(go())
    assert router.handled


def test_the_phone_idle_longest_makes_room_and_the_newest_stays():
    fresh()
    for handle in range(3):
        connect(handle)
        Clock.now += 10
    link._phones[0].authenticated_ms = Clock.now
    turn()
    assert not stack.dropped
    connect(3)
    turn()
    assert stack.dropped == [1]
    turn()
    assert stack.dropped == [1]  # one is enough, even while it has not left yet


def test_a_command_counts_for_more_than_coming_late():
    fresh()
    for handle in range(3):
        connect(handle).authenticated_ms = Clock.now - 20_000 + handle
    connect(3)
    turn()
    assert stack.dropped == [0]
    disconnect(0)
    turn()
    Clock.now += 1000
    connect(4)  # number 3 has given no command yet, and those of the others are younger than such a stranger may get
    turn()
    assert stack.dropped == [0, 3]


def test_an_idle_phone_stays_the_idlest_when_the_ticks_come_round():
    fresh()
    phone = connect()
    for _ in range(20):
        Clock.now = time.ticks_add(Clock.now, 80_000_000)
        assert 0 <= phone.idle(Clock.now) <= 86_400_000
    assert phone.idle(Clock.now) == 86_400_000


def _silent(milliseconds):
    """Nobody does anything for so long but the link's tick, which here comes four times a day."""
    while milliseconds > 0:
        step = min(milliseconds, DAY // 4)
        Clock.now = (Clock.now + step) % PERIOD
        milliseconds -= step
        for phone in link._phones:
            phone.tick(Clock.now)


def test_a_phone_is_heard_and_answered_after_any_silence():
    for silence in SILENCES:
        router = fresh()
        phone = connect()
        link.probed = True
        for _ in range(300):
            write(b"\x00")  # more than fits: broken until a pause
        turn()
        _silent(silence)
        write(b"\x00\x02ok")
        turn()
        assert router.handled == [("ble/0", b"ok")], silence
        phone.send(b"reply")
        turn()
        asked = len(link._outbox.updates)
        _silent(silence)
        turn()
        assert len(link._outbox.updates) == asked + 1, silence
        phone.subscribed = True
        for _ in range(12):
            turn()
            confirm()
        assert not stack.dropped, silence


def test_a_broken_message_stays_broken_while_its_writes_go_on():
    router = fresh()
    phone = connect()
    for _ in range(300):
        write(b"\x00")
    for _ in range(30):
        turn()
        Clock.now += 100
        phone.tick(Clock.now)
        write(b"\x00\x01x")
    turn()
    assert router.handled == []


def test_where_the_radio_is_full_somebody_idle_gives_way():
    fresh()
    for handle in range(3):
        connect(handle).authenticated_ms = Clock.now
    link._make_room(Clock.now, True)
    assert not stack.dropped
    link._phones[2].authenticated_ms = time.ticks_add(Clock.now, -40_001)
    link._make_room(Clock.now, True)
    link._make_room(Clock.now, True)
    assert stack.dropped == [2]


def test_the_assemblers_are_enough_for_those_who_stay():
    router = fresh()
    for handle in range(4):
        connect(handle)
        write(b"\x00\x08half", handle)
    turn()
    assert stack.dropped == [0]
    for handle in range(4):
        write(b"full", handle)
    turn()
    assert sorted(router.handled) == [("ble/1", b"halffull"), ("ble/2", b"halffull"), ("ble/3", b"halffull")]


async def _advertise_as_aioble_does(*arguments, **settings):
    """It keeps to itself that it was cancelled."""
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        pass


async def _no_advertising(*arguments, **settings):
    raise OSError(12)


async def _ends(advertise, during=None):
    """What `run` raises, and whether its parts go on after that."""
    ble.aioble.advertise = advertise
    running = asyncio.create_task(link.run())
    await asyncio.sleep_ms(5)
    if during:
        during()
    try:
        await asyncio.wait_for(running, 10)
    except OSError as error:
        turns = []
        link._turn = lambda: turns.append(1)
        for _ in range(3):
            link.wake()
            await asyncio.sleep_ms(2)
        return error, turns
    raise AssertionError("it ended without a word")


async def test_a_radio_that_is_switched_off_ends_all_parts_of_the_link():
    fresh()

    def off():
        stack.on = False

    error, turns = await _ends(_advertise_as_aioble_does, off)
    assert error.errno == 19 and not turns


async def test_a_radio_that_never_advertises_is_out_of_order_when_nobody_is_there():
    fresh()
    ble.asyncio, real = _Hasty, ble.asyncio
    try:
        error, turns = await _ends(_no_advertising)
    finally:
        ble.asyncio = real
    assert error.errno == 12 and not turns


class _Hasty:
    """asyncio without pauses."""

    Event, ThreadSafeFlag = asyncio.Event, asyncio.ThreadSafeFlag
    TimeoutError, CancelledError = asyncio.TimeoutError, asyncio.CancelledError
    create_task = asyncio.create_task

    @staticmethod
    async def sleep_ms(milliseconds):
        await asyncio.sleep_ms(0)


def test_closing_the_link_closes_every_phone_and_gives_its_buffers_back():
    fresh()
    phones = [connect(handle) for handle in range(3)]
    for handle in range(3):
        write(b"\x00\x09half", handle)
    turn()
    assert not link._assemblers
    link.close()
    assert len(link._assemblers) == 3 and not link._phones
    assert all(phone.device._event.is_set() for phone in phones)
    connect_again = (7, 0, b"\x00" * 6)
    Device(7)
    link._irq(CONNECTED, connect_again)
    assert not link._phones  # nobody comes to a link that is closed
