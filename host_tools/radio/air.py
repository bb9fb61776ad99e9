# SPDX-License-Identifier: Apache-2.0
"""The virtual radio: Bluetooth controllers that hear each other, and a local socket where others join over HCI.

Bumble's virtual controller takes some short cuts that matter here, and `VirtualController` does without them: a scan
answer is what the advertiser set, only one of two phones that answer the same advertisement is connected, a
connection attempt can be given up, and advertising is as frequent as asked for.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import InvalidArgumentError
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSink, StreamPacketSource

_LOG = logging.getLogger(__name__)
_RSSI = -50


class VirtualController(Controller):
    """One Bluetooth radio on the air, with legacy advertising like the boards'."""

    le_features = Controller.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
    le_acl_data_packet_length = 251
    supported_commands = Controller.supported_commands - {hci.HCI_LE_EXTENDED_CREATE_CONNECTION_COMMAND}

    def __init__(self, name: str, air: LocalLink) -> None:
        super().__init__(name, link=air, public_address=hci.Address.generate_static_address())

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        advertiser = self._advertiser(pdu.advertiser_address)
        if self.le_scan_enable:
            kinds = hci.HCI_LE_Advertising_Report_Event.EventType
            self._report(kinds.ADV_IND, pdu.advertiser_address, pdu.data)
            if self.le_scan_type == hci.HCI_LE_Set_Scan_Parameters_Command.ACTIVE_SCANNING and advertiser:
                self._report(kinds.SCAN_RSP, pdu.advertiser_address, advertiser.scan_response_data)
        pending = self.pending_le_connection
        if pending and advertiser and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def send_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        if isinstance(packet, ll.ConnectInd):  # at once: whoever answers the advertisement next comes too late
            for other in list(self.link.controllers):
                if other is not self:
                    other.on_ll_advertising_pdu(packet)
        else:
            super().send_advertising_pdu(packet)

    def on_hci_le_set_advertising_parameters_command(
        self, command: hci.HCI_LE_Set_Advertising_Parameters_Command
    ) -> hci.HCI_StatusReturnParameters:
        done = super().on_hci_le_set_advertising_parameters_command(command)
        self.le_legacy_advertiser.advertising_interval_min = command.advertising_interval_min * 5 // 8  # milliseconds
        return done

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def leave(self) -> None:
        """The radio is gone: whoever was connected to it notices by the silence."""
        self.le_legacy_advertiser.stop()
        for connection in list(self.le_connections.values()):
            with suppress(InvalidArgumentError):
                connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self.le_connections.clear()
        self.set_packet_sink(None)
        self.link.controllers.discard(self)

    def _advertiser(self, address: hci.Address) -> LegacyAdvertiser | None:
        for controller in self.link.controllers:
            advertiser = controller.le_legacy_advertiser
            if advertiser.enabled and advertiser.address == address:
                return advertiser
        return None

    def _report(self, kind: int, address: hci.Address, data: bytes) -> None:
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=kind, address_type=address.address_type, address=address, data=data, rssi=_RSSI
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))


class _Guest(StreamPacketSource):
    """A process that joined the air: its HCI bytes, and the controller that they drive."""

    def __init__(self, air: LocalLink) -> None:
        super().__init__()
        self._air = air

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.WriteTransport):
            raise TypeError("not a stream")
        self._controller = VirtualController("phone", self._air)
        self._controller.host = StreamPacketSink(transport)
        self.set_packet_sink(self._controller)

    def connection_lost(self, exc: Exception | None) -> None:
        _LOG.debug("a phone left the air: %s", exc)
        self._controller.leave()


async def serve_air(air: LocalLink, path: Path) -> asyncio.Server:
    """Let other processes join over a local socket; Bumble calls it `unix:PATH`."""
    return await asyncio.get_running_loop().create_unix_server(lambda: _Guest(air), str(path))
