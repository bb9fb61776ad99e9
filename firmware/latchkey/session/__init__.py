# SPDX-License-Identifier: Apache-2.0
"""Sessions: who is speaking, and have they said it before?

`sessions` computes every key's epoch, and keeps the few sessions that have verified a tag. `handshake` tells a phone
its session's epoch, counter and time; `verify` takes a signed request in the order of law 3 (key, epoch,
tag, expiry, counter) and returns its plaintext; `reply` signs or encrypts the answer. `metadata` is the string that
all tags are bound to.
"""
