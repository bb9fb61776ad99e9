# SPDX-License-Identifier: Apache-2.0
"""The host side of Latchkey, in rooms. Nothing here imports firmware code: the two implementations check each other.

`cli` is the command line. `phone` is a client of ours, which gives a car signed commands over a connection: one of
`serial` (the harness as a library, on a board's port) or one of `radio` (Bluetooth, the virtual air). `build` makes of
the firmware's sources what a board loads, `flash` brings it onto a board, and `sim` runs it without one. `explain` says
in words what a car said in numbers, `report` runs the bench suite and writes down what came of it, and `fleet` lets a
million cars poll. `authority` makes the files from which they learn whose keys to take.

Imports between the rooms go one way (`make lint` proves it). What most of them use lies beside them: `faults`, what can
go wrong, `words`, foreign text made fit to be shown, and `places`, where the files of a checkout or of an installed
package are. A room's own `__init__` imports nothing, so that each command loads what it needs.
"""
