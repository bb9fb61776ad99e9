# SPDX-License-Identifier: Apache-2.0
"""A fleet of any size through an outage of its server: do its cars make it worse?

`rules` is the firmware's latchkey/sync/polling.py once more, for arrays; a test holds the two equal. `policies` sets
two other ways to take a failure beside it. `simulation` runs one policy against a server that falls silent and comes
back, and `plot` draws what the server was asked.
"""
