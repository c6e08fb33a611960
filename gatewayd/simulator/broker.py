"""The vendor's broker, simulated by a real one: Mosquitto where it is installed, with a password file and an ACL that
keeps each user under his own name (§4.1). It can be killed and brought back on the same port.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

_PLACES: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin"


class BrokerError(Exception):
    """The broker cannot be had, or does not start."""


class Broker:
    """A running broker on loopback."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self._program = program
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls, users: Mapping[str, str], *, grants: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> AsyncIterator["Broker"]:
        """A broker that knows `users` (name: password). Each may use the topics under his own name.

        `grants` names whose topics a user may use besides: a gateway's account those of the users whom the cloud has
        authorized on its devices; "#" is everybody's. Raises BrokerError where there is no Mosquitto.
        """
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PLACES)
        if program is None:
            raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
        with tempfile.TemporaryDirectory(prefix="gatewayd-broker-") as folder:
            broker = cls(program, Path(folder), _free_port())
            await broker._configure(users, grants)
            await broker.restart()
            try:
                yield broker
            finally:
                await broker.kill()

    async def restart(self) -> None:
        """Start it (again) on its port; it remembers nothing."""
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "-c", str(self._folder / "mosquitto.conf"), stdout=log, stderr=log
            )
        for _ in range(200):
            if self._process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
        raise BrokerError(f"mosquitto did not start: {(self._folder / 'log').read_text()[-500:]}")

    async def kill(self) -> None:
        """Kill it, as a power cut would."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _configure(self, users: Mapping[str, str], grants: Mapping[str, Sequence[str]]) -> None:
        passwords, acl = self._folder / "passwords", self._folder / "acl"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        passwords.chmod(0o600)
        hasher = shutil.which("mosquitto_passwd") or shutil.which("mosquitto_passwd", path=_PLACES)
        if hasher is None:
            raise BrokerError("mosquitto_passwd is not installed; it comes with mosquitto")
        hashing = await asyncio.create_subprocess_exec(hasher, "-U", str(passwords))
        if await hashing.wait() != 0:
            raise BrokerError("mosquitto_passwd refused the users")
        granted = "".join(
            f"user {name}\n" + "".join(f"topic readwrite {'#' if other == '#' else other + '/#'}\n" for other in others)
            for name, others in grants.items()
        )
        acl.write_text(f"pattern readwrite %u/#\n{granted}")
        (self._folder / "mosquitto.conf").write_text(
            f"listener {self.port} {self.host}\n"
            f"password_file {passwords}\nacl_file {acl}\nallow_anonymous false\n"
            "user root\npersistence false\nmax_queued_messages 100000\n"
            "max_inflight_messages 1000\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
