# SPDX-License-Identifier: Apache-2.0
"""An authority: who may hand keys to many cars, by files that anybody may carry (docs/protocol.md, "The authority").

`parcels` makes what a car reads: the list of its keys, signed and sealed, as one file. Nothing here talks to a car.
"""
