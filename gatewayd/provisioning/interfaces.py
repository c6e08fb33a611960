"""The IPv4 subnets that this machine is on and can broadcast to, and when they change.

netifaces-plus reads the addresses; the kernel (rtnetlink) says when to read them again, so nothing polls.
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from typing import Final

import netifaces
import structlog

log = structlog.get_logger()

_RTMGRP_IPV4_IFADDR: Final = 0x10

Raw = Mapping[str, Mapping[int, Iterable[Mapping[str, str]]]]
"""What netifaces says: interface → address family → addresses."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """One of this machine's addresses, with its netmask, and where everybody beside it can be reached."""

    interface: str
    address: IPv4Interface
    broadcast: IPv4Address

    def has_host(self, address: IPv4Address) -> bool:
        """True for an address that one machine on this subnet can have."""
        network = self.address.network
        return address in network and address not in (network.network_address, self.broadcast)


def subnets(only: Collection[str] = ()) -> tuple[Subnet, ...]:
    """The subnets now; of the interfaces `only` where some are named."""
    try:
        raw = netifaces.allifaddresses()
    except OSError as error:
        log.warning("addresses_not_read", reason=str(error))
        return ()
    return read(raw, only)


def read(raw: Raw, only: Collection[str] = ()) -> tuple[Subnet, ...]:
    """The subnets in `raw`. Loopback counts only where it is named; what has no neighbours to broadcast to never."""
    found = (
        subnet
        for name, families in raw.items()
        if not only or name.partition(":")[0] in only  # "eth0:1" is a second address of eth0
        for one in families.get(netifaces.AF_INET, ())
        if (subnet := _subnet(name, one)) is not None and (only or not subnet.address.is_loopback)
    )
    return tuple(sorted(found, key=lambda subnet: (subnet.interface, subnet.address)))


def _subnet(name: str, one: Mapping[str, str]) -> Subnet | None:
    try:
        address = IPv4Interface(f"{one['addr']}/{one['netmask']}")
    except (KeyError, AddressValueError, NetmaskValueError):
        return None
    if address.network.prefixlen > 30 or ("broadcast" not in one and not address.is_loopback):
        return None
    broadcast = IPv4Address(one.get("broadcast", address.network.broadcast_address))
    # An address that was set without one is shown with itself in its place.
    if broadcast == address.ip:
        broadcast = address.network.broadcast_address
    return Subnet(name, address, broadcast)


class Neighbourhood:
    """The subnets that this machine is on, as they were when somebody last looked; `read` looks."""

    def __init__(self, read: Callable[[], tuple[Subnet, ...]]) -> None:
        self._read = read
        self.subnets = read()

    def look(self) -> tuple[Subnet, ...]:
        """The subnets now."""
        self.subnets = self._read()
        return self.subnets


class Changes:
    """Says when addresses of this machine may have changed."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    @contextmanager
    def followed(cls) -> Iterator["Changes"]:
        """Listen to the kernel as long as this is entered."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as line:
            line.setblocking(False)
            line.bind((0, _RTMGRP_IPV4_IFADDR))
            yield cls(line)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next change, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_recv(self._line, 65536)
        except TimeoutError:
            return
        except OSError:  # ENOBUFS: more changes than the kernel keeps
            return
