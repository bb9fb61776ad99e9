# SPDX-License-Identifier: Apache-2.0
"""The host side of Latchkey: a phone, the bench, the simulated board and the command line.

Nothing here imports firmware code: the two implementations of the protocol check each other. Bytes flow from
`cli` to `phone` or `bench`, through `port` to a serial port, which is a board's or the simulated board's.
"""
