# SPDX-License-Identifier: Apache-2.0
"""Why a key operation may be refused (vcsec.proto, WhitelistOperation_information_E)."""

from micropython import const

UNDOCUMENTED_ERROR = const(1)
REMOVES_ONESELF = const(2)
WHITELIST_FULL = const(4)
NO_PERMISSION_TO_ADD = const(5)
INVALID_PUBLIC_KEY = const(6)
NO_PERMISSION_TO_REMOVE = const(7)
NO_PERMISSION_TO_CHANGE = const(8)
REMOVES_OWN_PERMISSIONS = const(11)
NOT_ON_WHITELIST = const(12)
ALREADY_ON_WHITELIST = const(13)
WITHOUT_ROLE = const(19)
WITH_SERVICE_ROLE = const(20)
ADDS_SERVICE = const(21)
COULD_NOT_START_AUTH = const(23)
NO_TAP_IN_TIME = const(25)
AUTH_CANCELLED = const(28)
