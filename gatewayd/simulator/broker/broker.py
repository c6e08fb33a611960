"""A broker with the vendor's rules (§4.1): who knows his password, and each user under his own name.

It can be killed and brought back on the same port.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gatewayd.simulator.broker.amqtt import Amqtt
from gatewayd.simulator.broker.kind import BrokerError, BrokerKind, BrokerProcess
from gatewayd.simulator.broker.mosquitto import Mosquitto
from gatewayd.simulator.ports import free_port

KINDS: Final[tuple[BrokerKind, ...]] = (Mosquitto(), Amqtt())
"""The first that is installed is taken."""

_START_S: Final = 20


class Broker:
    """A running broker on loopback. Made by `start`."""

    def __init__(self, kind: str, command: Sequence[str], plan: BrokerProcess, folder: Path) -> None:
        self.kind = kind
        self.host = plan.host
        self.port = plan.port
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
        """A broker that knows `users` (name: password). Each may use the topics under his own name.

        `grants` names whose topics a user may use besides: a gateway's account those of the users whom the cloud has
        authorized on its devices; "#" is everybody's. Raises BrokerError where none of `kinds` is installed.
        """
        kind = next((kind for kind in kinds if kind.is_installed()), None)
        if kind is None:
            raise BrokerError("no broker is installed: apt-get install mosquitto, or pip install 'gatewayd[demo]'")
        filters = {name: [_all_of(one) for one in (name, *grants.get(name, ()))] for name in users}
        with tempfile.TemporaryDirectory(prefix="gatewayd-broker-") as folder:
            plan = BrokerProcess("127.0.0.1", free_port(), users, filters)
            broker = cls(kind.name, await kind.prepare(plan, Path(folder)), plan, Path(folder))
            await broker.restart()
            try:
                yield broker
            finally:
                await broker.kill()

    async def restart(self) -> None:
        """Start it (again) on its port; it remembers nothing. Raises BrokerError."""
        with self._log.open("ab") as log:
            # In a process group of its own: Ctrl-C in a terminal is for the demo alone, which stops the broker last.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, process_group=0
            )
        with suppress(TimeoutError):  # said below
            async with asyncio.timeout(_START_S):
                while self._process.returncode is None:
                    if await self._answers():
                        return
                    await asyncio.sleep(0.01)
        raise BrokerError(f"{self.kind} did not start: {self._log.read_text()[-500:]}")

    async def kill(self) -> None:
        """Kill it, as a power cut would."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def _all_of(user: str) -> str:
    return "#" if user == "#" else f"{user}/#"
