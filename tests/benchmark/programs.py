# SPDX-License-Identifier: Apache-2.0
"""What is measured under MicroPython: programs that print one line of JSON, {"times": microseconds, "counts": numbers}.

Each begins with what `latchkey measure` runs on a board, and with a loop that everything else is compared with. A time
is the best of ten short ones: a busy computer only ever adds to it, and not to all of them. They use the unit tests'
stand-ins, and so the firmware as unit tests run it.
"""

from host_tools.flash.measure import BEGIN, QUICK, SLOW

REFERENCE = "a loop of 1,000 rounds"

_BEGIN = f"""{BEGIN}
def loop():
 x = 7
 for i in range(1000): x = (x * 5 + i) & 0xffff
from collections import OrderedDict
times, counts = OrderedDict(), OrderedDict()
def best(time): return min([time() for _ in range(10)])
def short(do):
 do()
 count = took = 1
 while took < 500:
  count *= 2
  begun = now()
  for _ in range(count): do()
  took = since(now(), begun)
 def once():
  gc.collect()
  begun = now()
  for _ in range(count): do()
  return since(now(), begun) / count
 return best(once)
times[{REFERENCE!r}] = short(loop)
"""
_END = """
print(json.dumps({"times": times, "counts": counts}))
"""


def crypto() -> str:
    """Those that `latchkey measure` takes of a board, and an agreement by the plain version."""
    lines = [f"times[{name!r}] = short(lambda: {code})" for name, code in QUICK.items()]
    lines.append("from latchkey.crypto import ecdsa, p256, points_plain, publickey")
    lines.append("private = asyncio.run(publickey.generate_private())")
    for name, (code, after) in SLOW.items():
        lines.append(f"times[{name!r}] = best(lambda: asyncio.run(slowly(lambda: {code}))[0])")
        lines.append(after)
    lines.append("p256.walk, p256.BLINDING = points_plain.walk, points_plain.BLINDING")
    lines.append("plain = lambda: asyncio.run(slowly(lambda: publickey.ecdh(private, public)))[0]")
    lines.append("times['p256 ecdh, plain'] = best(plain)")
    return _BEGIN + "\n".join(lines) + _END


_COMMAND = """
from latchkey.session.verify import verify
from latchkey.wire import envelope
from support import CLIENT_PUBLIC, Conn, message, other_key, owner, signed
from test_router import ENCRYPT, START, Car, VIN, request

car = Car(owner(), bench=False)
handle = car.router.handle
counter = 0
def starts(count, **bent):
 global counter
 session = car.sessions.find(CLIENT_PUBLIC)
 made = []
 for _ in range(count):
  counter += 1
  made.append(message(signed(START, session, counter, car.clock.now() + 5, flags=ENCRYPT, **bent)))
 return made
def each(do, make):
 def once():
  given = make()
  gc.collect()
  begun = now()
  for one in given: do(one)
  return since(now(), begun) / len(given)
 return best(once)
def allocated(data):
 conn = Conn()
 gc.collect()
 gc.disable()
 before = gc.mem_alloc()
 handle(conn, data)
 after = gc.mem_alloc()
 gc.enable()
 return after - before

COUNT = 10
def some(): return starts(COUNT)
def decoded(): return [envelope.read(data) for data in some()]
until = car.clock.now()
handle(car.conn, starts(1)[0])
times["a start, decoding to encrypted answer"] = each(lambda data: handle(car.conn, data), some)
times["of which decoding"] = each(envelope.read, some)
times["of which verifying"] = each(lambda one: verify(one, car.sessions, VIN, until), decoded)
counts["bytes allocated by a start"] = allocated(starts(1)[0])

known, stranger = [message(request(session_info_request={"public_key": key})) for key in (CLIENT_PUBLIC, other_key(1))]
used = starts(1)
handle(car.conn, used[0])
times["a handshake"] = each(lambda data: handle(car.conn, data), lambda: [known] * COUNT)
times["a stranger's handshake"] = each(lambda data: handle(car.conn, data), lambda: [stranger] * COUNT)
times["a start refused for its tag"] = each(lambda data: handle(Conn(), data), lambda: starts(COUNT, tag=bytes(16)))
times["a start refused as a replay"] = each(lambda data: handle(Conn(), data), lambda: used * COUNT)
counts["bytes allocated by a handshake"] = allocated(known)
"""


def command() -> str:
    """A start through the router, its parts, and what is refused."""
    return _BEGIN + _COMMAND + _END


_LOOKUPS = """
from test_keychain import _store_of
for count in (4, 4096):
 _, reads, read, took = _store_of(count)
 times["a look-up among %d keys" % count] = took
 counts["flash reads of a look-up among %d keys" % count] = reads
 counts["bytes read by a look-up among %d keys" % count] = read
"""


def lookups() -> str:
    """A keychain in flash, few keys and as many as it takes."""
    return _BEGIN + _LOOKUPS + _END


def reference() -> str:
    """The loop alone."""
    return _BEGIN + _END


_CAR = """
import asyncio
from flash import Flash, make_image
from latchkey import provisioning
from ramflash import mount
from support import VEHICLE_PRIVATE, VEHICLE_PUBLIC
from test_keychain import _fill, opened
make_image({image!r})
mount(Flash({image!r}), fresh=True)
asyncio.run(provisioning.provision("/data", {settings!r}, VEHICLE_PRIVATE, VEHICLE_PUBLIC))
_fill(opened(), {count})
print("{{}}")
"""


def car(image: str, settings: bytes, count: int) -> str:
    """Makes the flash image of a car that has so many keys."""
    return _CAR.format(image=image, settings=settings, count=count)
