# SPDX-License-Identifier: Apache-2.0
"""Keys: who may do what, and how that changes.

`record` is one key as it lies in flash, `keychain` finds it by public key, id or slot at a cost that does not grow
with the count, and changes it atomically. `policy` decides role by command. `enrolment` turns a request for a change
into one: it waits for the card tap where one is needed, guards the last owner, and is the only caller of
`Keychain.apply`. `whitelist` answers what a phone asks about the keychain.
"""
