"""The IPv4 subnets of this machine that it can broadcast to, the address by which its default route leaves, and a
notice when either may have changed.

netifaces-plus reads the addresses; the kernel (rtnetlink) reports changes, so that nothing polls.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from pathlib import Path
from typing import Final

import netifaces
import structlog

log = structlog.get_logger()

_RTMGRP_IPV4_IFADDR: Final = 0x10  # linux/rtnetlink.h
_RTMGRP_IPV4_ROUTE: Final = 0x40
_MAX_DRAINED: Final = 1_000
ROUTES: Final = Path("/proc/net/route")
_RTF_UP, _RTF_REJECT = 0x1, 0x200  # linux/route.h
_LONGEST_PREFIX: Final = 30  # a /31 or /32 has no broadcast address

RawAddresses = Mapping[str, Mapping[int, Iterable[Mapping[str, str]]]]
"""What netifaces returns: interface → address family → addresses."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """One of this machine's addresses with its netmask, and the address that broadcasts to its subnet."""

    interface: str
    address: IPv4Interface
    broadcast: IPv4Address

    def has_host(self, address: IPv4Address) -> bool:
        """True for an address that a single machine on this subnet can have."""
        network = self.address.network
        return address in network and address not in (network.network_address, self.broadcast)


def subnets(only: Collection[str] = ()) -> tuple[Subnet, ...]:
    """This machine's subnets now; with `only`, those of the named interfaces. Empty where they cannot be read."""
    try:
        raw = netifaces.allifaddresses()
    except OSError as error:
        log.warning("addresses_not_read", reason=str(error))
        return ()
    return parse_subnets(raw, only)


def parse_subnets(raw: RawAddresses, only: Collection[str] = ()) -> tuple[Subnet, ...]:
    """The subnets in `raw`, sorted. Loopback counts only where `only` names it; what cannot be broadcast to, never."""
    found = (
        subnet
        for name, families in raw.items()
        if not only or name.partition(":")[0] in only  # "eth0:1" is a second address of eth0
        for entry in families.get(netifaces.AF_INET, ())
        if (subnet := _subnet(name, entry)) is not None and (only or not subnet.address.is_loopback)
    )
    return tuple(sorted(found, key=lambda subnet: (subnet.interface, subnet.address)))


def _subnet(name: str, entry: Mapping[str, str]) -> Subnet | None:
    try:
        address = IPv4Interface(f"{entry['addr']}/{entry['netmask']}")
    except (KeyError, AddressValueError, NetmaskValueError):
        return None
    if address.network.prefixlen > _LONGEST_PREFIX or ("broadcast" not in entry and not address.is_loopback):
        return None
    broadcast = IPv4Address(entry.get("broadcast", address.network.broadcast_address))
    # netifaces shows an address that was set without a broadcast address as its own broadcast address.
    if broadcast == address.ip:
        broadcast = address.network.broadcast_address
    return Subnet(name, address, broadcast)


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """Where packets to the internet leave; no gateway on a point-to-point line."""

    interface: str
    gateway: IPv4Address | None


def uplink_address() -> IPv4Address | None:
    """This machine's address on its default route; None where it has none, or it cannot be read."""
    try:
        route = parse_default_route(ROUTES.read_text(encoding="ascii", errors="replace"))
        return None if route is None else address_on(route, netifaces.allifaddresses())
    except OSError as error:
        log.warning("default_route_not_read", reason=str(error))
        return None


def parse_default_route(table: str) -> DefaultRoute | None:
    """The default route with the lowest metric in `table`, which is as /proc/net/route; None where there is none."""
    routes: list[tuple[int, DefaultRoute]] = []
    for line in table.splitlines()[1:]:
        try:
            name, destination, gateway, flags, _, _, metric, mask = line.split()[:8]
            is_default = int(destination, 16) == int(mask, 16) == 0
            address = IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder))
            if is_default and int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP:
                routes.append((int(metric), DefaultRoute(name, address if int(address) else None)))
        except (ValueError, OverflowError):
            continue
    return min(routes, key=lambda route: route[0])[1] if routes else None


def address_on(route: DefaultRoute, raw: RawAddresses) -> IPv4Address | None:
    """The address in `raw` that the route's gateway shares a subnet with, else the first of its interface."""
    addresses: list[IPv4Interface] = []
    for name, families in raw.items():
        if name.partition(":")[0] != route.interface:
            continue
        for entry in families.get(netifaces.AF_INET, ()):
            with suppress(KeyError, AddressValueError, NetmaskValueError):
                addresses.append(IPv4Interface(f"{entry['addr']}/{entry.get('netmask', '255.255.255.255')}"))
    beside_gateway = (one for one in addresses if route.gateway is not None and route.gateway in one.network)
    found = next(beside_gateway, addresses[0] if addresses else None)
    return None if found is None else found.ip


class LocalSubnets:
    """This machine's subnets as last read; `refresh` reads them again with `read`."""

    def __init__(self, read: Callable[[], tuple[Subnet, ...]]) -> None:
        self._read = read
        self.current = read()

    def refresh(self) -> tuple[Subnet, ...]:
        """Read the subnets, and return them."""
        self.current = self._read()
        return self.current


class AddressChanges:
    """The kernel's notices that an IPv4 address or route of this machine was added or removed."""

    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink

    @classmethod
    @contextmanager
    def subscribed(cls) -> Iterator["AddressChanges"]:
        """Receive notices for the length of the block. Raises OSError."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
            netlink.setblocking(False)
            netlink.bind((0, _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE))
            yield cls(netlink)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next notice, and those that came with it, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_recv(self._netlink, 65536)
            for _ in range(_MAX_DRAINED):
                self._netlink.recv(65536)
        except (TimeoutError, BlockingIOError):
            return
        except OSError:  # ENOBUFS: more notices than the kernel's buffer holds; there was a change all the same
            return
