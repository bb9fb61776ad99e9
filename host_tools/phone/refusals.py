# SPDX-License-Identifier: Apache-2.0
"""The names of a car's refusals: what the protocol calls the numbers that it sends."""

from __future__ import annotations

from tesla_protocol.command import errors_pb2, universal_message_pb2, vcsec_pb2

from host_tools.phone import latchkey_pb2


def message_fault(code: int) -> str:
    """The short name of a MessageFault code."""
    return _short(universal_message_pb2.MessageFault_E, code, "MESSAGEFAULT_ERROR_")


def keychain_fault(code: int) -> str:
    """The short name of a WhitelistOperation_information code."""
    return _short(vcsec_pb2.WhitelistOperation_information_E, code, "WHITELISTOPERATION_INFORMATION_")


def nominal_error(code: int) -> str:
    """The short name of a GenericError code."""
    return _short(errors_pb2.GenericError_E, code, "GENERICERROR_")


def grant_fault(code: int) -> str:
    """The name of a GrantFault code: its whole one, as the other enumerations have such names too."""
    return _short(latchkey_pb2.GrantFault, code, "")


def _short(enum: object, code: int, prefix: str) -> str:
    values: dict[int, str] = {number: name for name, number in enum.items()}  # type: ignore[attr-defined]
    return values.get(code, f"{prefix}{code}").removeprefix(prefix) or str(code)
