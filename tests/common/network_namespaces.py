"""Machines on one network: network namespaces, each with a veth pair to a common bridge."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BRIDGE = "bridge0"


class NamespaceNetwork:
    """The machines, by name. Each namespace's name ends with this process's id, so that runs do not collide."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._switch = self._add_namespace("switch")
        self._ip("-n", self._switch, "link", "add", BRIDGE, "type", "bridge")
        self._ip("-n", self._switch, "link", "set", BRIDGE, "up")

    def add_machine(self, name: str, *addresses: str) -> None:
        """Add a machine with `addresses` on its interface `net0`."""
        self._add_namespace(name)
        self.add_interface(name, "net0", *addresses)

    def add_interface(self, name: str, interface: str, *addresses: str) -> None:
        """Connect another interface of machine `name` to the bridge."""
        port, namespace = f"{interface}-{name}", _namespace(name)
        self._ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", interface, "netns", namespace)
        self._ip("-n", self._switch, "link", "set", port, "master", BRIDGE, "up")
        self._ip("-n", namespace, "link", "set", interface, "up")
        for address in addresses:
            self.add_address(name, address, interface)

    def add_address(self, name: str, address: str, interface: str = "net0") -> None:
        """Add an address to machine `name`."""
        self._ip("-n", _namespace(name), "address", "add", address, "broadcast", "+", "dev", interface)

    def delete_address(self, name: str, address: str, interface: str = "net0") -> None:
        """Delete an address of machine `name`."""
        self._ip("-n", _namespace(name), "address", "delete", address, "dev", interface)

    def start(self, name: str, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start `command` on machine `name`; it is terminated with the network."""
        process = subprocess.Popen(_in_namespace(name, command), cwd=ROOT, stdout=subprocess.PIPE, text=True, **options)
        self._stack.callback(process.wait, 10)
        self._stack.callback(process.terminate)
        return process

    def run(self, name: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `command` on machine `name`, and wait until it ends."""
        return subprocess.run(
            _in_namespace(name, command), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options
        )

    def _add_namespace(self, name: str) -> str:
        namespace = _namespace(name)
        self._ip("netns", "add", namespace)
        self._stack.callback(self._ip, "netns", "delete", namespace)
        return namespace

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def namespace_network() -> Iterator[NamespaceNetwork]:
    """A network without machines; it is removed after the block with everything added."""
    with ExitStack() as stack:
        yield NamespaceNetwork(stack)


def unavailable_reason() -> str | None:
    """Why network namespaces cannot be used on this machine; None where they can."""
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


def _in_namespace(name: str, command: tuple[str, ...]) -> list[str]:
    return ["ip", "netns", "exec", _namespace(name), *command]


def _namespace(name: str) -> str:
    return f"{name}-{os.getpid()}"
