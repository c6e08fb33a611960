"""The daemon as a process of its own, as systemd runs it: it can be killed and started again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from gatewayd.simulator.environment import Environment, daemon_toml


class DaemonProcess:
    """`gatewayd run` in a simulated environment; killed when the context is left, however the test ends.

    `folder` has its configuration, its state and its log.
    """

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._config = folder / "gatewayd.toml"
        self._config.write_text(daemon_toml(environment, folder), encoding="utf-8")

    async def start(self, **environ: str) -> None:
        """Start it, with `environ` added to this process's environment; it logs to `daemon.log`."""
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

    def log(self) -> str:
        """What it has logged so far."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")
