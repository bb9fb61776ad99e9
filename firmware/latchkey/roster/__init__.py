# SPDX-License-Identifier: Apache-2.0
"""The roster: keys that an authority hands to the car, as far as its owner allowed (docs/protocol.md, "The authority").

A parcel comes from anybody (`courier`, above), and `taking` loads no more for it than it deserves: `parcels` looks at
it and opens its seal, then `intake` verifies what is new, one at a time. Entries are staged in a file of their own, and
with the last of them `kept` renames the record that names this file: from then on it is in force. `lookup` is what
stays loaded: the keychain asks it about keys that came from a roster, and sessions about ones that nobody knows. Such a
key's phone is enrolled when it first says hello (`contact`) and it is its turn (`turns`). `install` is the owner's own
part: whose roster it is.
"""
