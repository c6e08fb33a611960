"""A phone that only listens on the announce port: prints who announces which address, a line each."""

import asyncio

from gatewayd.model.errors import MalformedError
from gatewayd.provisioning.client.datagrams import Announced, decode_answer
from gatewayd.provisioning.udp_socket import Requester, UdpSocket


def say(datagram: bytes, _gateway: Requester) -> None:
    try:
        heard = decode_answer(datagram)
    except MalformedError:
        return
    if isinstance(heard, Announced):
        print(heard.uuid, heard.ip, flush=True)  # noqa: T201  (whoever started this reads it)


async def main() -> None:
    async with UdpSocket(say).bound(9830, is_shared=True):
        print("listening", flush=True)  # noqa: T201
        await asyncio.Event().wait()


asyncio.run(main())
