# SPDX-License-Identifier: Apache-2.0
"""A board that is simulated: the same compiled firmware, under MicroPython's unix port.

`board` is it: on its flash `image` it leads one `life` after the other, each a process of the `interpreter`, with
`portlink` and `pump` as its serial port. What is measured on it is here too, `heap` at rest and the radio's `latency`,
and so is what is told on it: `demo`, the story.
"""
