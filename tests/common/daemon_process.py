"""The daemon as a process of its own, as systemd runs it: it can be killed and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gatewayd.simulator.environment import Environment, daemon_toml

PROGRAM = "from gatewayd.cli import main; main(prog_name='gatewayd')"


class DaemonProcess:
    """`gatewayd run` in a simulated environment; killed when the context is left, however the test ends.

    `folder` has its configuration, its state and its log.
    """

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._log_begins = 0
        self._config = folder / "gatewayd.toml"
        self._config.write_text(daemon_toml(environment, folder), encoding="utf-8")

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

    async def __aenter__(self) -> "DaemonProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL."""
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
        """What it has logged so far."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")
