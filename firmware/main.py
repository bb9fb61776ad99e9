# SPDX-License-Identifier: Apache-2.0
"""Run the agent on the board that this is (`board` comes from boards/<BOARD>/)."""

import board

from latchkey import agent

agent.main(board)
