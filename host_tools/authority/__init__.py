# SPDX-License-Identifier: Apache-2.0
"""An authority: who may hand keys to many cars, by files that anybody may carry (docs/protocol.md, "The authority").

`desk` is what people do: cars and keys are added, keys revoked, the authority's own `keys` changed. It goes to the
`database`, whose tables are in `models`. `plan` says what each car's roster is now and whether that has to be written,
`parcels` makes it, signed and sealed, as one file, and `publish` puts it into the `store`; `serve` is a store's server
for the bench. Nothing here talks to a car.
"""
