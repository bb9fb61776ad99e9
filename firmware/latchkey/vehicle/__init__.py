# SPDX-License-Identifier: Apache-2.0
"""The vehicle: what a permitted command does.

`commands` takes what the router decoded and calls one method of `state`, which changes as a whole or refuses as a
whole, and says so once through `on_change`; `pins` then makes the outputs follow. Inputs come the other way: a
debounced edge in `pins` calls `brake` or `door`. `state` knows no pins and no clock but the one it was given.
"""
