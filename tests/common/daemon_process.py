"""The daemon as a process of its own, as systemd would run it: started, killed, started again."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gatewayd.simulator.environment import OWNER, PASSWORD, Environment

PROGRAM = "from gatewayd.cli import main; main(prog_name='gatewayd')"


class Daemon:
    """`gatewayd run` in a simulated world; killed when this is left, however the test ended."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._log_begins = 0
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

    async def start(
        self, *, program: str = PROGRAM, prefix: Sequence[str] = (), stderr: int | None = None, **environ: str
    ) -> None:
        """Start it, with `environ` beside this process's own; what it logs goes to `daemon.log`, or to `stderr`.

        `program` is the Python that runs, `prefix` a command that runs the daemon as its own process (`unshare …`).
        """
        log = await asyncio.to_thread((self.folder / "daemon.log").open, "ab")
        with log:
            self._log_begins = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *prefix,
                sys.executable,
                "-c",
                program,
                "run",
                "--config",
                str(self._config),
                stdout=log,
                stderr=log if stderr is None else stderr,
                env=os.environ | environ,
                process_group=0,
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

    def signal(self, number: signal.Signals, *, to_group: bool = False) -> None:
        """Send a signal to the process, or to its whole process group, as a terminal does."""
        assert self._process is not None
        if to_group:
            os.killpg(self._process.pid, number)
        else:
            os.kill(self._process.pid, number)

    async def end(self, within_s: float) -> int | None:
        """The exit status, as `subprocess` gives it; None where it has not ended after `within_s` seconds."""
        assert self._process is not None
        try:
            async with asyncio.timeout(within_s):
                return await self._process.wait()
        except TimeoutError:
            return None

    async def until_logged(self, event: str, within_s: float = 30.0) -> None:
        """Wait until it has logged `event` since it was started."""
        path = self.folder / "daemon.log"
        async with asyncio.timeout(within_s):
            while f'"{event}"'.encode() not in path.read_bytes()[self._log_begins :]:
                await asyncio.sleep(0.005)

    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")
