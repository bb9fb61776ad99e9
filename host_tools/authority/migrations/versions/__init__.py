# SPDX-License-Identifier: Apache-2.0
"""The steps. A step that was released is never changed."""
