# SPDX-License-Identifier: Apache-2.0
"""What outlives a power cut.

`files` writes a file whole or not at all, a block at a time. `journal` makes a change of several files one change: it
is written down first (the rename of the journal is the commit), then carried out, then forgotten; a boot carries out
what it finds written down. `provisioning` (identity, settings, an empty keychain) and `keys.keychain` are its users.
`accesslog` is a ring of who did what. Slow work is written as generators that yield between flash blocks: `files.run`
drives them at boot, `files.pace` in the running loop.
"""
