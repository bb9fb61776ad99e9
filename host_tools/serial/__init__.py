# SPDX-License-Identifier: Apache-2.0
"""A car on a serial port, real or simulated: the harness as a library (docs/bench.md has the protocol).

Bytes come in at the `port`, of which `lines` finds those that are ours; `wire` numbers and acknowledges them and keeps
the rest as log text. An `attachment` makes channels of it, and `bench` is what a program holds: the harness's hand,
and connections for phones. `shape` refuses an answer that is none. `share` lets several processes attach to one port;
`bridge` gives the connections on to client libraries, over TCP.
"""
