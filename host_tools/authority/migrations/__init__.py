# SPDX-License-Identifier: Apache-2.0
"""How a database becomes one of this version, step by step (Alembic)."""
