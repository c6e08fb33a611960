"""A connection that ends while something is about to be written to it."""

import asyncio
from typing import Any

import aiomqtt

from gatewayd.cloud.mqtt.client import MqttClient, MqttMessage
from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.message_limit import MessageLimit
from tests.common.cloud import OWNER

CONNACK = bytes.fromhex("2003000000")
PUBLISH = bytes.fromhex("320900036f2f6700010000")  # QoS 1: it asks for a PUBACK
DISCONNECT = bytes.fromhex("e000")


async def test_broker_that_asks_for_an_answer_and_ends_leaves_no_error_of_the_loop() -> None:
    ends = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(CONNACK)
        await ends.wait()
        writer.write(PUBLISH + DISCONNECT)
        await writer.drain()
        await reader.read()
        writer.close()

    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    incoming = IncomingLimit(MessageLimit(OWNER))
    client = MqttClient(host, port, incoming=incoming, protocol=aiomqtt.ProtocolVersion.V5)
    async with client, asyncio.timeout(20):
        for number in range(5):  # paho reads as many packets at once as it has messages in flight
            client.send(MqttMessage(f"{OWNER}/lock/{number}/update", b"", qos=1))
        await asyncio.sleep(0.1)
        ends.set()
        await client.wait_disconnected()
        await asyncio.sleep(0.1)
    server.close()
    assert errors == []
