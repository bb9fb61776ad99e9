# SPDX-License-Identifier: Apache-2.0
"""The bench: the harness's hand inside the board (docs/bench.md, "Operations").

`operations` does what a request asks for: it can tap the card and cut the power. `meter` stands between the links and
the router: it counts and times what passes, passes on what the car emits, and loses answers when it is told to.
`stretches` times what the loop does without giving way. `measured` is what `latchkey measure` asks for at the prompt. A
production build contains none of this, and a car whose settings say bench: false does not load it.
"""
