# SPDX-License-Identifier: Apache-2.0
"""The acceptance run: the bench suite on a car, and what is left of it to read.

`run` starts pytest on tests/bench. Inside it, `recorder` (a pytest plugin) keeps what was said during each test and
puts it under a failure, decoded; it also tells every result at once, a line of JSON each. `run` shows these as progress
and gathers them into `results`; `page` makes one HTML file of those, with the drawings of `plots`.
"""
