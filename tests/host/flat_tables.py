# SPDX-License-Identifier: Apache-2.0
"""The message tables of the firmware (wire/pb.py) as JSON can say them: number, negative for a member of the oneof, and
kind or table of each field."""

FLAT = """
def flat(table):
    fields = table if isinstance(table, bytes) else table[0]
    out = []
    for at in range(0, len(fields), 2):
        kind, more = fields[at + 1] & 7, fields[at + 1] >> 3
        number = fields[at] & 127 | (0 if kind == 7 else more << 7)
        out += [-number if fields[at] & 128 else number, flat(table[more]) if kind == 7 else kind]
    return out
"""
