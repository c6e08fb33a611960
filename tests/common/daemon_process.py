"""The daemon as a process of its own, as systemd would run it: started, killed, started again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from gatewayd.simulator.environment import OWNER, PASSWORD, Environment


class Daemon:
    """`gatewayd run` in a simulated world; killed when this is left, however the test ended."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._config = folder / "gatewayd.toml"
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        self._config.write_text(
            f'''
[gateway]
state_dir = "{folder}"
[radio]
path = "{environment.radio_url}"
[cloud]
base_url = "{environment.cloud.base_url}"
username = "{OWNER}"
password_file = "{password}"
[mqtt]
host = "{environment.broker.host}"
port = {environment.broker.port}
[udp]
listen_port = {environment.udp_ports[0]}
announce_port = {environment.udp_ports[1]}
interfaces = ["lo"]
[wifi]
backend = "none"
[admin]
socket = "{folder}/admin.sock"
''',
            encoding="utf-8",
        )

    async def start(self, **environ: str) -> None:
        """Start it, with `environ` beside this process's own; what it logs goes to `daemon.log`."""
        log = await asyncio.to_thread((self.folder / "daemon.log").open, "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from gatewayd.cli import main; main(prog_name='gatewayd')",
                "run",
                "--config",
                str(self._config),
                stdout=log,
                stderr=log,
                env=os.environ | environ,
            )

    @property
    def pid(self) -> int | None:
        """The process's id; None where it has ended."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def __aenter__(self) -> "Daemon":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")
