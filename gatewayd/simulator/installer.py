"""An installer's phone with the vendor's old app: the API's datagrams over UDP (§10, §13), without our extensions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import msgspec

from gatewayd.model.ids import Category
from gatewayd.model.status import OperationStatus, UdpStatus
from gatewayd.model.wifi import Auth, Encryption

_RESEND_S: Final = 1.0
"""A request without an answer is sent again: datagrams are lost."""

Datagram = Mapping[str, Any]


class Installer(asyncio.DatagramProtocol):
    """Sends requests to the gateway at `port` of this machine."""

    def __init__(self, port: int) -> None:
        self._gateway = ("127.0.0.1", port)
        self._transport: asyncio.DatagramTransport | None = None
        self._received: asyncio.Queue[Datagram] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int) -> AsyncIterator["Installer"]:
        """A phone on loopback whose gateway listens on `port`."""
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(lambda: cls(port), local_addr=("127.0.0.1", 0))
        try:
            yield phone
        finally:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class for UDP is no DatagramTransport in Python 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Called by asyncio."""
        self._received.put_nowait(msgspec.json.decode(data, type=dict[str, Any]))

    async def discover(self) -> Datagram:
        """§10: the gateway's record. Raises TimeoutError, as the other requests do."""
        status = OperationStatus.OFF  # as in the example of §10
        request = {"msg": {"category": Category.GATEWAY}, "status": status.code, "desc": status.desc}
        answer = await self._request(request, _has_status(UdpStatus.AVAILABLE_DEVICE))
        record: Datagram = answer["msg"]
        return record

    async def scan(self) -> list[Datagram]:
        """§13.1: the Wi-Fi networks that the gateway receives."""
        answer = await self._request(
            {"status": _code(UdpStatus.WIFI_LIST_REQUESTED)},
            _has_status(UdpStatus.WIFI_LIST, UdpStatus.WIFI_LIST_FAILED),
        )
        networks: list[Datagram] = answer.get("data", [])
        return networks

    async def join(self, ssid: str, passphrase: str) -> Datagram | None:
        """§13.4, a WPA2 network: the gateway's record on it; None where the join failed (§13.5)."""
        data = {"auth": Auth.WPA2PSK, "encry": Encryption.AES, "ssid": ssid, "pwd": passphrase}
        while not self._received.empty():
            self._received.get_nowait()  # earlier announcements are no answer

        def is_answer(datagram: Datagram) -> bool:
            if datagram["status"] == _code(UdpStatus.AVAILABLE_DEVICE):
                return bool(datagram["msg"]["param"]["access_ssid"] == ssid)
            return bool(datagram["status"] == _code(UdpStatus.WIFI_JOIN_FAILED))

        answer = await self._request({"status": _code(UdpStatus.WIFI_JOIN_REQUESTED), "data": data}, is_answer)
        record: Datagram | None = answer.get("msg")
        return record

    async def _request(
        self, request: Datagram, is_answer: Callable[[Datagram], bool], timeout_s: float = 20
    ) -> Datagram:
        assert self._transport is not None
        async with asyncio.timeout(timeout_s):
            while True:
                self._transport.sendto(msgspec.json.encode(request), self._gateway)
                try:
                    async with asyncio.timeout(_RESEND_S):
                        while not is_answer(answer := await self._received.get()):
                            pass
                except TimeoutError:
                    continue
                return answer


def _code(status: UdpStatus) -> int:
    return status.value[0]


def _has_status(*statuses: UdpStatus) -> Callable[[Datagram], bool]:
    return lambda datagram: datagram["status"] in {_code(status) for status in statuses}
