# SPDX-License-Identifier: Apache-2.0
"""sync/http against a server in the same process that says whatever a test wants: every answer is taken whole or not at
all, and every lie ends."""

import asyncio
import time

from latchkey.sync import http
from runner import needs_memory, skip_on_board

skip_on_board("a server of its own needs a network")

PARCELS = [bytes((number,)) * size for number, size in ((1, 1), (2, 300), (3, 960), (4, 17))]
BODY = b"".join(bytes((len(parcel) >> 8, len(parcel) & 255)) + parcel for parcel in PARCELS)
_ports = iter(range(18000 + time.ticks_us() % 20000, 60000))
HANG = object()


class Server:
    """Answers each connection with the next of these scripts: bytes to send, milliseconds to wait, HANG."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.requests = []

    async def serve(self, reader, writer):
        request = b""
        try:
            while not request.endswith(b"\r\n\r\n"):
                request += await reader.read(512)
            self.requests.append(request)
            for step in self.scripts.pop(0):
                if step is HANG:
                    await reader.read(1)
                elif isinstance(step, int):
                    await asyncio.sleep_ms(step)
                else:
                    writer.write(step)
                    await writer.drain()
        except OSError:
            pass  # the car has hung up
        writer.close()
        await writer.wait_closed()


def chunked(body, size, ending=b"\r\n", extension=b""):
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s%s%s%s" % (len(c), extension, ending, c, ending) for c in chunks) + b"0" + ending + ending


def ok(body, *headers, framing=None):
    lines = [b"HTTP/1.1 200 OK"] + list(headers)
    lines.append(b"Content-Length: %d" % len(body) if framing is None else framing)
    return b"\r\n".join(line for line in lines if line) + b"\r\n\r\n" + body


turns = [0]


async def count_turns():
    """What else there is to do."""
    while True:
        turns[0] += 1
        await asyncio.sleep_ms(0)


def get(*script, etag=b"", wanted=4, url=b"http://127.0.0.1:%d/fleet/ab/abcd", server=None, step_ms=300):
    """(what `get` returned or raised, the parcels that were taken)."""
    server = server or Server(script)
    taken = []

    async def take(parcel):
        taken.append(bytes(parcel))
        return len(taken) < wanted

    async def act():
        while True:
            port = next(_ports)
            try:
                listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
                break
            except OSError:
                pass
        other = asyncio.create_task(count_turns())
        try:
            return await http.get(url % port if b"%d" in url else url, "127.0.0.1", etag, take)
        except Exception as error:  # noqa: BLE001 - it is what the test asks for
            return error
        finally:
            other.cancel()
            listening.close()
            await listening.wait_closed()

    real = asyncio.wait_for_ms
    asyncio.wait_for_ms = lambda what, ms: real(what, min(ms, step_ms))
    try:
        return asyncio.run(act()), taken
    finally:
        asyncio.wait_for_ms = real
        asyncio.new_event_loop()


def failure(*script, **more):
    error, taken = get(*script, **more)
    assert isinstance(error, Exception), error
    assert taken == PARCELS[: len(taken)], "a parcel that nobody sent"
    return error


def test_a_file_comes_parcel_by_parcel_however_it_is_framed():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    framings = {
        "by its length": ok(BODY),
        "by the connection's end": ok(BODY, framing=b""),
        "as HTTP/1.0": ok(BODY).replace(b"1.1", b"1.0"),
        "with bare newlines": ok(b"").replace(b"\r", b"").replace(b"Length: 0", b"Length: %d" % len(BODY)) + BODY,
        "after informational answers": early + ok(BODY),
    }
    for size in (1, 2, 7, 64, 500, len(BODY)):
        framings["in chunks of %d" % size] = ok(chunked(BODY, size), framing=b"transfer-Encoding: Chunked")
    framings["in chunks with extensions"] = ok(
        chunked(BODY, 50, extension=b";seen=" + b"x" * 200), framing=b"Transfer-Encoding: chunked"
    )
    for name in framings:
        assert get(framings[name]) == ((200, b""), PARCELS), name


def test_it_may_come_in_any_pieces():
    needs_memory()
    for framed in (ok(BODY), ok(chunked(BODY, 100), framing=b"Transfer-Encoding: chunked")):
        for size in (1, 3, 63, 64, 65):
            assert get(*[framed[at : at + size] for at in range(0, len(framed), size)])[0] == (200, b""), size


def test_what_is_asked_for_names_the_file_and_the_host_and_nothing_of_the_car():
    server = Server([ok(BODY)])
    get(server=server)
    request = server.requests[0]
    assert request.startswith(b"GET /fleet/ab/abcd HTTP/1.1\r\nHost: 127.0.0.1:")
    assert sorted(line.split(b":")[0] for line in request.split(b"\r\n")[1:] if line) == [
        b"Accept-Encoding",
        b"Connection",
        b"Host",
    ]


def test_what_is_known_is_named_and_not_fetched_again():
    server = Server([ok(BODY, b'ETag: W/"17"')], [b'HTTP/1.1 304 Not Modified\r\nETag: "18"\r\n\r\n'])
    (status, etag), _ = get(server=server)
    assert (status, etag) == (200, b'W/"17"')
    assert get(server=server, etag=etag) == ((304, etag), [])
    assert b'\r\nIf-None-Match: W/"17"\r\n' in server.requests[1]


def test_a_304_for_what_was_never_fetched_is_a_failure():
    assert failure(b"HTTP/1.1 304 Not Modified\r\n\r\n").args[0] == "HTTP 304"


def test_an_etag_that_cannot_be_sent_back_is_none():
    for etag in (b"x" * 64, b"x" * 5000, b'"a b"', b'"\xff"', b'"a\rX-Y: z"', b""):
        assert get(ok(BODY, b"ETag: " + etag))[0] == (200, b""), etag


def test_when_nothing_more_is_wanted_the_rest_is_left_there():
    result, taken = get(ok(BODY[:305], framing=b"Content-Length: 500000"), HANG, wanted=2)
    assert (result, taken) == ((200, b""), PARCELS[:2])


def test_a_file_that_ends_early_is_a_failure_at_every_place():
    needs_memory()
    whole = ok(BODY)
    head = len(whole) - len(BODY)
    places = list(range(head)) + [head + at for at in (0, 1, 2, 3, 4, 5, 304, 305, 306, 307, len(BODY) - 1)]
    for cut in places:
        failure(whole[:cut])
    for at in (0, 1, 2, 3, 305, len(BODY) - 1):  # and as long as it says
        assert failure(ok(BODY[:at])).args[0] == "cut off", at
        assert failure(ok(chunked(BODY[:at], 40), framing=b"Transfer-Encoding: chunked")).args[0] == "cut off", at


def test_a_file_that_nobody_ends_is_read_only_as_far_as_it_is_allowed_to_go():
    endless = ok(b"", framing=b"Transfer-Encoding: chunked")
    parcel = b"\x03\xc0" + bytes(960)
    sent = [0]

    class Flood(Server):
        async def serve(self, reader, writer):
            await reader.read(512)
            writer.write(endless)
            try:
                while True:
                    writer.write(b"3c2\r\n" + parcel + b"\r\n")
                    await writer.drain()
                    sent[0] += 1
            except OSError:
                pass

    turns[0] = 0
    error, taken = get(server=Flood(), wanted=1 << 20, step_ms=10_000)
    assert error.args[0] == "cut off"
    assert turns[0] >= len(taken), "others have their turn between any two parcels of a flood"
    assert len(taken) == 524_288 // 962
    assert failure(ok(b"", framing=b"Content-Length: 524289")).args[0] == "too long"


def test_lies_about_lengths_end():
    for framing in (
        b"Content-Length: -5",
        b"Content-Length: many",
        b"Content-Length: 1e9",
        b"Content-Length: 99999999999999999999999999",
        b"Content-Length: ",
    ):
        failure(ok(BODY, framing=framing), HANG)
    for chunk in (b"-5\r\n", b"g\r\n", b"\r\n\r\n", b"fffffffff\r\n", b"0\r\n", b"0x\r\n", b"5;" + b"e" * 9000):
        failure(ok(chunk, framing=b"Transfer-Encoding: chunked"), HANG)
    failure(ok(b"2\r\nabcd", framing=b"Transfer-Encoding: chunked"), HANG)  # a chunk that is longer than it says


def test_a_page_for_people_is_no_roster():
    for page in (b"<!DOCTYPE html><html>Please log in to CafeNet</html>", b'{"error": 1}', b"\x00\x00" + BODY):
        assert failure(ok(page)).args[0] == "no roster"


def test_what_is_not_http_is_told():
    for line in (b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/2 200\r\n\r\n", b"\r\n\r\n", b"\x00\xff\n"):
        assert failure(line, HANG).args[0] == "no HTTP", line
    for line in (b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 2x0\r\n\r\n"):
        failure(line, HANG)


def test_a_head_without_an_end_ends():
    assert failure(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 2000, HANG).args[0] == "too long"
    assert failure(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000, HANG).args[0] == "too long"
    assert failure(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, HANG).args[0] == "too long"


def test_redirects_are_not_followed():
    for status in (301, 302, 303, 307, 308):
        server = Server([b"HTTP/1.1 %d Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status])
        assert failure(server=server).args == ("HTTP %d" % status, 0)
        assert len(server.requests) == 1


def test_when_to_come_again_is_told_in_seconds_or_as_a_date():
    now, later = b"Date: Wed, 21 Oct 2015 07:28:00 GMT", b"Wed, 21 Oct 2015 08:28:01 GMT"
    for headers, seconds in (
        ([b"Retry-After: 120"], 120),
        ([now, b"Retry-After: " + later], 3601),
        ([b"retry-after:120"], 120),
        ([b"Date: " + later, b"Retry-After: Thu, 22 Oct 2015 08:28:01 GMT"], 86_400),
        ([b"Retry-After: " + later], 0),  # of a server that does not say what time it is
        ([now, b"Retry-After: Wed, 99 Oct 2015 99:99:9x GMT"], 0),
        ([now, b"Retry-After: soon"], 0),
        ([], 0),
    ):
        answer = b"\r\n".join([b"HTTP/1.1 503 Busy"] + headers) + b"\r\n\r\n"
        assert failure(answer).args == ("HTTP 503", seconds), headers


def test_a_server_that_hangs_at_any_point_is_left():
    whole = ok(BODY)
    for at in (0, 8, 20, len(whole) - len(BODY), len(whole) - len(BODY) + 1, len(whole) - 20):
        assert isinstance(failure(whole[:at], HANG), asyncio.TimeoutError), at


def test_a_server_that_trickles_is_left():
    trickle = []
    for at in range(200):
        trickle += [BODY[at : at + 1], 20]
    assert isinstance(failure(ok(b"", framing=b"Content-Length: 1278"), *trickle), asyncio.TimeoutError)
    slow_head = []
    for code in b"HTTP/1.1 200 OK\r\nServer: slow and steady\r\n\r\n":
        slow_head += [bytes((code,)), 20]
    assert isinstance(failure(*slow_head), asyncio.TimeoutError)


def test_where_nobody_listens_it_says_so():
    assert isinstance(failure(url=b"http://127.0.0.1:1/x"), OSError)


def test_what_is_no_url_is_not_fetched():
    at = b"http://127.0.0.1/"
    for url in (b"", b"ftp://127.0.0.1/", b"127.0.0.1/a", at + b"\r\nX: y", at + b"a b", b"http:/a"):
        server = Server([ok(BODY)])
        assert failure(server=server, url=url).args[0] == "no URL", url
        assert not server.requests
    for url in (b"http://127.0.0.1:port/", b"http://127.0.0.1:99999999/", b"http://127.0.0.1:0/"):
        failure(url=url)


def test_what_the_intake_raises_ends_it():
    async def refuse(parcel):
        raise KeyError(1)

    async def act():
        server = Server([ok(BODY)])
        port = next(_ports)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
        try:
            await http.get(b"http://127.0.0.1:%d/x" % port, "127.0.0.1", b"", refuse)
        except KeyError:
            return True
        finally:
            listening.close()
            await listening.wait_closed()

    assert asyncio.run(act())
