"""An installer's old phone in the hallway: the API's datagrams as it shows them (§10, §13), no extension of ours."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from gatewayd.model.status import UdpStatus
from gatewayd.model.wifi import Auth, Encryption

_AGAIN_S: Final = 1.0
"""Datagrams are lost: a question without an answer is asked again."""

Datagram = Mapping[str, Any]


class Installer(asyncio.DatagramProtocol):
    """Asks the gateway at `port` of this machine."""

    def __init__(self, port: int) -> None:
        self._gateway = ("127.0.0.1", port)
        self._transport: asyncio.DatagramTransport | None = None
        self._heard: asyncio.Queue[Datagram] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def beside(cls, port: int) -> AsyncIterator["Installer"]:
        """A phone on loopback, until this is left."""
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(lambda: cls(port), local_addr=("127.0.0.1", 0))
        phone._transport = transport
        try:
            yield phone
        finally:
            transport.close()

    def datagram_received(self, data: bytes, _address: object) -> None:
        """asyncio's word for what arrives."""
        self._heard.put_nowait(msgspec.json.decode(data, type=dict[str, Any]))

    async def discover(self) -> Datagram:
        """§10: who is there? The gateway's record."""
        question = {"msg": {"category": "gw"}, "status": 200501, "desc": "关闭"}
        answer = await self._ask(question, _has(UdpStatus.AVAILABLE_DEVICE))
        record: Datagram = answer["msg"]
        return record

    async def networks(self) -> list[Datagram]:
        """§13.1: the networks that the gateway hears."""
        answer = await self._ask(
            {"status": _code(UdpStatus.WIFI_LIST_REQUESTED)}, _has(UdpStatus.WIFI_LIST, UdpStatus.WIFI_LIST_FAILED)
        )
        found: list[Datagram] = answer.get("data", [])
        return found

    async def join(self, ssid: str, passphrase: str) -> Datagram | None:
        """§13.4, a WPA2 network: the gateway's record on it; None where it could not (§13.5)."""
        data = {"auth": Auth.WPA2PSK, "encry": Encryption.AES, "ssid": ssid, "pwd": passphrase}
        while not self._heard.empty():
            self._heard.get_nowait()  # earlier announcements are no answer

        def is_outcome(said: Datagram) -> bool:
            if said["status"] == _code(UdpStatus.AVAILABLE_DEVICE):
                return bool(said["msg"]["param"]["access_ssid"] == ssid)
            return bool(said["status"] == _code(UdpStatus.WIFI_JOIN_FAILED))

        answer = await self._ask({"status": _code(UdpStatus.WIFI_JOIN_REQUESTED), "data": data}, is_outcome)
        record: Datagram | None = answer.get("msg")
        return record

    async def _ask(self, question: Datagram, is_answer: Callable[[Datagram], bool], timeout_s: float = 20) -> Datagram:
        """Raises TimeoutError."""
        assert self._transport is not None
        async with asyncio.timeout(timeout_s):
            while True:
                self._transport.sendto(msgspec.json.encode(question), self._gateway)
                try:
                    async with asyncio.timeout(_AGAIN_S):
                        while not is_answer(answer := await self._heard.get()):
                            pass
                except TimeoutError:
                    continue
                return answer


def _code(word: UdpStatus) -> int:
    return word.value[0]


def _has(*words: UdpStatus) -> Callable[[Datagram], bool]:
    return lambda said: said["status"] in {_code(word) for word in words}
