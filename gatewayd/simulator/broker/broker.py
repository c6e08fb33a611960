"""A broker with the vendor's rules (§4.1): users log in with a password, and each may use the topics under his name.

It runs in a process of its own, which can be killed and started again on the same port.
"""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gatewayd.simulator.broker.amqtt import Amqtt
from gatewayd.simulator.broker.kind import BrokerError, BrokerKind, BrokerSettings
from gatewayd.simulator.broker.mosquitto import Mosquitto
from gatewayd.simulator.ports import free_port

KINDS: Final[tuple[BrokerKind, ...]] = (Mosquitto(), Amqtt())
"""In the order of preference."""

_ALL_TOPICS: Final = "#"
_START_TIMEOUT_S: Final = 20
_LOG_SHOWN: Final = 500  # characters of the log in an error


class Broker:
    """A running broker on loopback. Made by `start`."""

    def __init__(self, kind: str, command: Sequence[str], settings: BrokerSettings, folder: Path) -> None:
        self.kind = kind
        self.host = settings.host
        self.port = settings.port
        self._command = command
        self._log = folder / "log"
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        users: Mapping[str, str],
        *,
        grants: Mapping[str, Sequence[str]] = MappingProxyType({}),
        kinds: Sequence[BrokerKind] = KINDS,
    ) -> AsyncIterator["Broker"]:
        """Run a broker for `users` (name → password); each may use the topics under his own name.

        `grants`: the other users whose topics a user may use, as a gateway's account those of users with an
        authorization; "#" is all topics. Raises BrokerError where none of `kinds` is installed.
        """
        kind = next((kind for kind in kinds if kind.is_installed()), None)
        if kind is None:
            raise BrokerError("no broker is installed: apt-get install mosquitto, or pip install 'gatewayd[demo]'")
        filters = {name: [_topics_of(user) for user in (name, *grants.get(name, ()))] for name in users}
        with tempfile.TemporaryDirectory(prefix="gatewayd-broker-") as folder:
            settings = BrokerSettings("127.0.0.1", free_port(), users, filters)
            broker = cls(kind.name, await kind.prepare(settings, Path(folder)), settings, Path(folder))
            await broker.restart()
            try:
                yield broker
            finally:
                await broker.kill()

    async def restart(self) -> None:
        """Start it (again) on its port, without sessions or retained messages. Raises BrokerError."""
        with self._log.open("ab") as log:
            # In a process group of its own: Ctrl-C in a terminal must not end it before those that are connected to it.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, process_group=0
            )
        with suppress(TimeoutError):  # raised as BrokerError below
            async with asyncio.timeout(_START_TIMEOUT_S):
                while self._process.returncode is None:
                    if await self._accepts_connections():
                        return
                    await asyncio.sleep(0.01)
        raise BrokerError(f"{self.kind} did not start: {self._log.read_text()[-_LOG_SHOWN:]}")

    async def kill(self) -> None:
        """Kill it, as a power cut would."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def reload(self) -> None:
        """Have it read its users and access list anew (SIGHUP); its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        """Stop it (SIGSTOP): its connections stay, and nothing is answered until it is killed or thawed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _accepts_connections(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def _topics_of(user: str) -> str:
    return _ALL_TOPICS if user == _ALL_TOPICS else f"{user}/#"
