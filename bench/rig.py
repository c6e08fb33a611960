"""A peer under measurement: its process, what it says on MQTT, what it costs."""

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
"""A user who may read and write every topic."""


class Rig:
    """Runs one peer and hears all that it says."""

    def __init__(self, peer: Peer, client: aiomqtt.Client) -> None:
        self.peer = peer
        self._client = client
        self._process: asyncio.subprocess.Process | None = None
        self.on_message: Callable[[str, Any, float], None] = lambda topic, payload, at: None
        self._ready = asyncio.Event()
        self.joined: set[str] = set()
        self._news = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def on(cls, peer: Peer) -> AsyncIterator["Rig"]:
        """A rig on the peer's broker; the peer is stopped when this is left."""
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
            rig = cls(peer, client)
            await client.subscribe("#")
            listening = tasks.create_task(rig._listen())
            try:
                yield rig
            finally:
                await rig.stop()
                listening.cancel()

    async def start(self, timeout_s: float = 60) -> float:
        """Start the process; seconds until it said that it is ready."""
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
        """End the process as systemd would; seconds until it was gone."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return 0.0
        clock = asyncio.get_running_loop().time
        told = clock()
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()
        return clock() - told

    async def publish(self, topic: str, payload: bytes) -> None:
        """Say something to the peer, QoS 0."""
        await self._client.publish(topic, payload)

    async def until_joined(self, uuid: str, timeout_s: float = 60) -> None:
        """Wait until the peer says that the device is usable."""
        async with asyncio.timeout(timeout_s):
            while uuid not in self.joined:
                self._news.clear()
                await self._news.wait()

    def cost(self) -> psutil.Process:
        """The process, for its CPU, memory and I/O counters."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    async def _listen(self) -> None:
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
            if (uuid := self._joined(topic, payload)) is not None:
                self.joined.add(uuid)
                self._news.set()
            self.on_message(topic, payload, at)

    def _joined(self, topic: str, payload: Any) -> str | None:
        return self.peer.joined(topic, payload) if topic.count("/") >= 1 else None
