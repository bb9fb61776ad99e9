# SPDX-License-Identifier: Apache-2.0
"""The radio of a simulated board, and phones on it.

On the car's side `car_side` takes what the board's `bluetooth` stand-in asks for from a local socket, and `peripheral`
does it as a GATT server, on the air (`air`: virtual controllers in this process, which other processes join over
HCI) or on a real Bluetooth adapter. On the phone's side `adapter` makes a Bluetooth controller look like one that
the bleak library knows, and `phone_side` carries whole messages over bleak, whatever is below it.
"""
