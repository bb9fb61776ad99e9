# SPDX-License-Identifier: Apache-2.0
"""One buffer for whoever needs a kilobyte between two awaits, and has it copied out before the next.

Messages are encoded in it (wire/pb.py), and a bucket's index is searched in it (keys/buckets.py).
"""

BUFFER = bytearray(1040)
