# SPDX-License-Identifier: Apache-2.0
"""A phone: the other side of the car, written apart from the firmware so that the two check each other.

A command flows: `messages` builds the request, `client` gives it, `contact` signs it with the `session` whose counter
the `cache` has already put on disk, the connection carries it, and the answer comes back over its `inbox` through
`contact`, which believes only what is proven, to `outcome`, which says what it means (`refusals` has the names of
that). `pairing` is the one thing that happens before there is a session; `keyfile` is where a key lives. `view` asks
the car what it tells its owner, in messages of our own (`latchkey_pb2`, generated).

Rosters (docs/protocol.md, "The authority"): `trust` says whose a car takes, out of a `carfile`. A `courier` hands over
a `parcelfile`, which anybody may `fetch`; a phone carries some in its `pouch`, and `gossip` hands them over by the way.
"""
