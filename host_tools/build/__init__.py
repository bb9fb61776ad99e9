# SPDX-License-Identifier: Apache-2.0
"""From the firmware's sources to what a board loads.

`schema` writes the protocol's names down for the firmware, from the published descriptors. The sources say those
names; `stage` puts numbers for them. `shorten` puts short names for words: `naming` says where they meet, `theirs`
which are not ours. `staging` keeps the folders of both, `compiling` makes .mpy files of that, and `size` holds them
against the budget. `boards` are the kinds of board that there are, `firmware` is what each of them loads, and `wheel`
puts it into the package that is installed.
"""
