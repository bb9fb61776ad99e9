# SPDX-License-Identifier: Apache-2.0
"""The tests. A package, so that no other one named `tests` on the path stands for it."""
