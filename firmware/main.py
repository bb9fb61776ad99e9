# SPDX-License-Identifier: Apache-2.0
"""Run the agent on the board that this is (`board` comes from boards/<BOARD>/). A production build never leaves here:
whatever the agent ends by, outputs are safe by then, and the board starts again after a pause."""

import micropython

micropython.kbd_intr(-1)  # as in boot.py, which says why
pressed = False
try:
    for _ in (0, 1):
        pass
except KeyboardInterrupt:
    pressed = True
try:
    from latchkey import prompt
except Exception:  # noqa: BLE001 - absent or damaged, whatever it is: this is a production build
    prompt = None  # type: ignore[assignment]
try:
    if prompt:
        prompt.allow(pressed)
    import board

    from latchkey import agent

    agent.main(board, prompt)
finally:
    if not prompt:
        import time

        import machine

        time.sleep_ms(5000)  # what fails at once wears nothing out by failing again and again
        machine.reset()
