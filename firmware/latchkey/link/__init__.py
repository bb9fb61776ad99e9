# SPDX-License-Identifier: Apache-2.0
"""Links: how whole messages get in and out of the board.

A link turns bytes into messages and gives each to `handle(connection, message)`, the router's; answers come back
through `connection.send`, which queues and returns at once. `connection` is what all links' connections have. `frames`
cuts the byte streams of the radio into messages, `lines` does it for the serial port, `serial` and `ble` carry them.
Nothing here knows what a message means.
"""
