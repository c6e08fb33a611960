"""A hallway: network namespaces on one bridge, each a machine of its own with a veth for a network card."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Hallway:
    """Machines by name; every name carries this process's number, so that nobody's namespaces are touched."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._air = self._namespace("air")
        self._ip("-n", self._air, "link", "add", "hallway", "type", "bridge")
        self._ip("-n", self._air, "link", "set", "hallway", "up")

    def machine(self, name: str, *addresses: str) -> None:
        """Put a machine on the bridge, with `addresses` on its interface `net0`."""
        self._namespace(name)
        self.plug(name, "net0", *addresses)

    def plug(self, name: str, interface: str, *addresses: str) -> None:
        """Give machine `name` a network card on the bridge."""
        port = f"{interface}-{name}"
        self._ip("-n", self._air, "link", "add", port, "type", "veth", "peer", "name", interface, "netns", _space(name))
        self._ip("-n", self._air, "link", "set", port, "master", "hallway", "up")
        self._ip("-n", _space(name), "link", "set", interface, "up")
        for address in addresses:
            self.address(name, "add", address, interface)

    def address(self, name: str, change: str, address: str, interface: str = "net0") -> None:
        """`add` or `delete` an address of machine `name`."""
        self._ip("-n", _space(name), "address", change, address, "broadcast", "+", "dev", interface)

    def start(self, name: str, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Run `command` on machine `name` until the hallway is left."""
        command_there = self._on(name, command)
        process = subprocess.Popen(command_there, cwd=ROOT, stdout=subprocess.PIPE, text=True, **options)
        self._stack.callback(process.wait, 10)
        self._stack.callback(process.terminate)
        return process

    def run(self, name: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `command` on machine `name` to its end."""
        return subprocess.run(
            self._on(name, command), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options
        )

    def _on(self, name: str, command: tuple[str, ...]) -> list[str]:
        return ["ip", "netns", "exec", _space(name), *command]

    def _namespace(self, name: str) -> str:
        space = _space(name)
        self._ip("netns", "add", space)
        self._stack.callback(self._ip, "netns", "delete", space)
        return space

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def hallway() -> Iterator[Hallway]:
    """An empty one; nothing of it is left after this."""
    with ExitStack() as stack:
        yield Hallway(stack)


def why_not() -> str | None:
    """Why there can be no hallway on this machine; None where there can."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"probe-{os.getpid()}"
    try:
        subprocess.run(["ip", "netns", "add", probe], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted: {error.stderr.decode().strip()}"
    finally:
        with suppress(OSError):
            subprocess.run(["ip", "netns", "delete", probe], check=False, capture_output=True)
    return None


def _space(name: str) -> str:
    return f"{name}-{os.getpid()}"
