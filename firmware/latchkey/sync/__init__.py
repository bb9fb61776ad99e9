# SPDX-License-Identifier: Apache-2.0
"""When a car asks its server for the roster. Loaded around a poll; a car that never polls works all the same.

`polling` says how many seconds to wait: from a start to the first poll, after a poll that was answered, and after one
that was not. It is arithmetic and keeps nothing: who asks counts the failures in a row, which a restart may forget.
"""
