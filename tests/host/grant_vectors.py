# SPDX-License-Identifier: Apache-2.0
"""Test vectors of grants (docs/protocol.md), made by the host's side and written where the car's tests are.

`python -m tests.host.grant_vectors` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from host_tools.phone import grants, link, messages, session
from host_tools.phone import latchkey_pb2 as ours
from tests.host.rosters import VIN, private, public

FILE = Path(__file__).parents[1] / "unit" / "grant_vectors.py"
OWNER, GUEST, CAR = 1, 2, 301  # the private parts of their keys
HANDLE, SALT, NUMBER = 1, 0x01020304, 7
UNTIL = 1_801_526_400  # seconds since 1970

SHARED = session.shared_key(private(OWNER), public(CAR))
GRANT_KEY = grants.grant_key(SHARED, SALT)
REVOKE_KEY = grants.revoke_key(SHARED, SALT)

LIMITS = ours.Limits(role=messages.ROLES["guest"], not_after=UNTIL, uses=2, seconds=200_000, label=b"Bo")
NARROWER = ours.Limits(commands=0b111, not_after=UNTIL - 86400, label=b"Bo's son")

MADE = grants.make(GRANT_KEY, HANDLE, NUMBER, LIMITS)
NARROWED = grants.narrow(MADE, NARROWER)
PRESENTED = grants.bind(MADE, public(GUEST))
PRESENTED_NARROWED = grants.bind(NARROWED, public(GUEST))
NAMED = grants.make(GRANT_KEY, HANDLE, NUMBER + 1, ours.Limits(role=messages.ROLES["driver"], key=public(GUEST)))
REVOKED = grants.revocation(REVOKE_KEY, HANDLE, [NUMBER, NUMBER + 2], below=5)
OTHER = grants.enrolment(public(3), 0x05060708)  # another owner's key
REVOKED_ALL = grants.revocation(REVOKE_KEY, HANDLE, below=grants.ALL, maker=3, whose=OTHER)


def vectors() -> dict[str, str]:
    """All in hex, by name. What is called a grant or a revocation is the whole encoded message."""
    return {
        "VIN": VIN.encode().hex(),
        "CAR": public(CAR).hex(),
        "OWNER": public(OWNER).hex(),
        "GUEST": public(GUEST).hex(),
        "SHARED": SHARED.hex(),
        "GRANT_KEY": GRANT_KEY.hex(),
        "REVOKE_KEY": REVOKE_KEY.hex(),
        "LIMITS": grants.encoded(LIMITS).hex(),
        "MADE": MADE.SerializeToString().hex(),
        "PRESENTED": PRESENTED.SerializeToString().hex(),
        "NARROWED": NARROWED.SerializeToString().hex(),
        "PRESENTED_NARROWED": PRESENTED_NARROWED.SerializeToString().hex(),
        "NAMED": NAMED.SerializeToString().hex(),
        "REVOKED": REVOKED.SerializeToString().hex(),
        "OTHER": public(3).hex(),
        "OTHER_ENROLMENT": OTHER.hex(),
        "REVOKED_ALL": REVOKED_ALL.SerializeToString().hex(),
        "LINK": link.Link(VIN, public(CAR), MADE).encoded().hex(),
    }


def text() -> str:
    """The module with them for the tests that run under MicroPython."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Vectors of grants (docs/protocol.md): `python -m tests.host.grant_vectors` writes them."""',
        "",
    ]
    for name, value in vectors().items():
        if len(value) <= 96:
            lines.append(f'{name} = "{value}"')
        else:
            cut = [f'    "{value[at : at + 96]}"' for at in range(0, len(value), 96)]
            lines += [f"{name} = (", *cut, ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
