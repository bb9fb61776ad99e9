# SPDX-License-Identifier: Apache-2.0
"""What all tests share: the collector of the folders that run under MicroPython, and its options."""

pytest_plugins = ["tests.micropython_plugin", "host_tools.report.recorder"]
