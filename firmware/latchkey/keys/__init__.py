# SPDX-License-Identifier: Apache-2.0
"""Keys: who may do what, and how that changes.

`record` is one key as it lies in flash, in one of 64 files (`buckets`). `keychain` finds it by public key, id or slot
at a cost that does not grow with the count, and changes it atomically. `policy` decides role by command. `desk` is
where keys are asked for, and loads the rest when somebody does: `whitelist` plans what a request would change, or says
why it may not, and `enrolment` carries that out, after a card tap where one is needed. `makers` are owners who lend the
car with nobody online: `granted` and `revoking` are what anybody brings of theirs, `spent` says which of their grants
are dead.
"""
