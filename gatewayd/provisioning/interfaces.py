"""The IPv4 subnets of this machine that it can broadcast to, and a notice when they may have changed.

netifaces-plus reads the addresses; the kernel (rtnetlink) reports changes, so that nothing polls.
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

_RTMGRP_IPV4_IFADDR: Final = 0x10  # linux/rtnetlink.h
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
    """The kernel's notices that an IPv4 address of this machine was added or removed."""

    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink

    @classmethod
    @contextmanager
    def subscribed(cls) -> Iterator["AddressChanges"]:
        """Receive notices for the length of the block. Raises OSError."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
            netlink.setblocking(False)
            netlink.bind((0, _RTMGRP_IPV4_IFADDR))
            yield cls(netlink)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next notice, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_recv(self._netlink, 65536)
        except TimeoutError:
            return
        except OSError:  # ENOBUFS: more notices than the kernel's buffer holds; there was a change all the same
            return
