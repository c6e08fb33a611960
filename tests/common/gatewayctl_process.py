"""Runs gatewayctl as a process, as an operator does."""

import asyncio
import sys
from pathlib import Path

_START = "from gatewayd.ctl.main import main; main(prog_name='gatewayctl')"


async def run_gatewayctl(socket: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run it with the daemon's admin socket; returns the exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _START, "--socket", str(socket), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
