# SPDX-License-Identifier: Apache-2.0
"""What a car did and said, in words.

`decode` takes a message apart, and `unseal` opens what is encrypted in it, for whoever has the key. `checks` are what
the firmware checks, and from these `explanation` says why a car said no. `logbook` reads the access log, and
`monitor` shows a car at a glance.
"""
