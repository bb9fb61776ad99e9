# SPDX-License-Identifier: Apache-2.0
"""The wire: bytes to dicts and back.

`pb` is a small protobuf codec driven by the tables of `messages`; `envelope` reads a RoutableMessage into a Request,
whose memoryviews point into the link's buffer and are good only until the router returns.
"""
