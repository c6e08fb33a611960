"""A peer under measurement: its process, its messages on MQTT, its costs."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import psutil

from bench.peers import Peer
from gatewayd.simulator.environment import PASSWORD

OBSERVER = "bench"
"""A user of the broker who may read and write every topic."""

OnMessage = Callable[[str, Any, float], None]
"""(topic, decoded payload, event loop's time)"""


def ignore_message(topic: str, payload: Any, at: float) -> None:
    """An OnMessage that does nothing."""


class PeerProcess:
    """Runs one peer, and receives all its messages; `on_message` is called with each."""

    def __init__(self, peer: Peer, client: aiomqtt.Client) -> None:
        self.peer = peer
        self._client = client
        self._process: asyncio.subprocess.Process | None = None
        self.on_message: OnMessage = ignore_message
        self._ready = asyncio.Event()
        self.joined: set[str] = set()
        self._device_joined = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def connect(cls, peer: Peer) -> AsyncIterator["PeerProcess"]:
        """Connect to the peer's broker; the process is stopped when the context is left."""
        broker = peer.environment.broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=OBSERVER,
            password=PASSWORD,
            identifier=f"bench-{peer.state.name}",
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        async with client, asyncio.TaskGroup() as tasks:
            process = cls(peer, client)
            await client.subscribe("#")
            receiving = tasks.create_task(process._receive())
            try:
                yield process
            finally:
                await process.stop()
                receiving.cancel()

    async def start(self, timeout_s: float = 60) -> float:
        """Start the process; returns the seconds until it is ready."""
        self.peer.prepare()
        self._ready.clear()
        command, environment = self.peer.command_line()
        clock = asyncio.get_running_loop().time
        started = clock()
        log = await asyncio.to_thread((self.peer.state / "output.log").open, "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *command, env=os.environ | environment, stdout=log, stderr=log, cwd=Path(__file__).parents[1]
            )
        async with asyncio.timeout(timeout_s):
            await self._ready.wait()
        return clock() - started

    async def stop(self) -> float:
        """Stop the process as systemd does; returns the seconds until it has exited."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return 0.0
        clock = asyncio.get_running_loop().time
        signalled = clock()
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()
        return clock() - signalled

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message to the peer, QoS 0."""
        await self._client.publish(topic, payload)

    async def wait_until_joined(self, uuid: str, timeout_s: float = 60) -> None:
        """Wait until the peer reports the device as usable."""
        async with asyncio.timeout(timeout_s):
            while uuid not in self.joined:
                self._device_joined.clear()
                await self._device_joined.wait()

    def cost(self) -> psutil.Process:
        """The process, for its CPU, memory and I/O counters."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    async def _receive(self) -> None:
        clock = asyncio.get_running_loop().time
        async for message in self._client.messages:
            at = clock()
            topic = message.topic.value
            try:
                payload = json.loads(message.payload) if message.payload else {}
            except ValueError:
                payload = {}
            if self._process is not None and not message.retain and self.peer.is_ready(topic, payload):
                self._ready.set()
            if (uuid := self._joined_uuid(topic, payload)) is not None:
                self.joined.add(uuid)
                self._device_joined.set()
            self.on_message(topic, payload, at)

    def _joined_uuid(self, topic: str, payload: Any) -> str | None:
        return self.peer.joined(topic, payload) if topic.count("/") >= 1 else None
