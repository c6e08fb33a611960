"""A program that receives announcements on the announce port and prints uuid and address of each, one a line."""

import asyncio

from gatewayd.model.errors import MalformedError
from gatewayd.provisioning.client.datagrams import Announcement, decode_message
from gatewayd.provisioning.udp_socket import Sender, UdpSocket


def print_announcement(datagram: bytes, _sender: Sender) -> None:
    try:
        message = decode_message(datagram)
    except MalformedError:
        return
    if isinstance(message, Announcement):
        print(message.uuid, message.ip, flush=True)  # noqa: T201  (the test that started this reads it)


async def main() -> None:
    async with UdpSocket(print_announcement).bound(9830, is_shared=True):
        print("listening", flush=True)  # noqa: T201
        await asyncio.Event().wait()


asyncio.run(main())
