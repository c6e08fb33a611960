"""What any node answers to the Zigbee Device Object's requests: addresses, descriptors, bindings, leaving.

Pure: a node is seen through a small Protocol, and a request gives the answer's cluster and payload.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

RESPONSE = 0x8000
NWK_ADDRESS, IEEE_ADDRESS = 0x0000, 0x0001
DEVICE_ANNOUNCE = 0x0013
MGMT_LEAVE = 0x0034
MGMT_PERMIT_JOINING = 0x0036

SUCCESS = 0x00
DEVICE_NOT_FOUND = 0x81
INVALID_ENDPOINT = 0x82
NOT_ACTIVE = 0x83
NOT_SUPPORTED = 0x84
NO_ENTRY = 0x88
MALFORMED = 0x80

_IEEE_ADDRESS_MODE = 0x03

COORDINATOR, ROUTER, END_DEVICE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SimpleDescriptor:
    endpoint: int
    profile: int
    device_type: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def pack(self) -> bytes:
        head = struct.pack("<BHHB", self.endpoint, self.profile, self.device_type, self.version)
        return head + _list16(self.inputs) + _list16(self.outputs)


@dataclass(frozen=True, slots=True)
class Binding:
    endpoint: int
    cluster: int
    target: bytes
    target_endpoint: int


class Node(Protocol):
    """What ZDO needs to know of a node."""

    @property
    def address(self) -> bytes: ...
    @property
    def nwk(self) -> int: ...
    @property
    def role(self) -> int: ...
    @property
    def capabilities(self) -> int: ...
    @property
    def manufacturer_code(self) -> int: ...
    @property
    def descriptors(self) -> dict[int, SimpleDescriptor]: ...
    @property
    def bindings(self) -> list[Binding]: ...


def answer(node: Node, cluster: int, request: bytes) -> tuple[int, bytes] | None:
    """The response's cluster and payload (transaction number first); None for what has no response."""
    if cluster & RESPONSE or cluster in {DEVICE_ANNOUNCE, MGMT_PERMIT_JOINING} or not request:
        return None
    sequence, body = request[:1], request[1:]
    handler = _HANDLERS.get(cluster)
    if handler is None:
        return cluster | RESPONSE, sequence + bytes((NOT_SUPPORTED,))
    try:
        reply = handler(node, body)
    except (struct.error, IndexError):
        reply = bytes((MALFORMED,))
    return cluster | RESPONSE, sequence + reply


def announcement(node: Node, sequence: int) -> bytes:
    return struct.pack("<BH8sB", sequence, node.nwk, node.address, node.capabilities)


def _list16(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"<B{len(values)}H", len(values), *values)


def _nwk_address(node: Node, body: bytes) -> bytes:
    status = SUCCESS if body[:8] == node.address else DEVICE_NOT_FOUND
    return struct.pack("<B8sH", status, body[:8], node.nwk)


def _ieee_address(node: Node, body: bytes) -> bytes:
    return struct.pack("<B8sH", SUCCESS, node.address, node.nwk)


def _node_descriptor(node: Node, body: bytes) -> bytes:
    frequency_2400_mhz = 0x40
    servers = 0x2C41 if node.role == COORDINATOR else 0x2C00
    return struct.pack(
        "<BHBBBHBHHHB", SUCCESS, node.nwk, node.role, frequency_2400_mhz,
        node.capabilities, node.manufacturer_code, 82, 128, servers, 128, 0,
    )  # fmt: skip


def _power_descriptor(node: Node, body: bytes) -> bytes:
    mains = node.capabilities & 0x04
    return struct.pack("<BHH", SUCCESS, node.nwk, 0xC110 if mains else 0xC441)


def _simple_descriptor(node: Node, body: bytes) -> bytes:
    endpoint = body[2]
    descriptor = node.descriptors.get(endpoint)
    if descriptor is None:
        status = NOT_ACTIVE if 0 < endpoint <= 240 else INVALID_ENDPOINT
        return struct.pack("<BHB", status, node.nwk, 0)
    packed = descriptor.pack()
    return struct.pack("<BHB", SUCCESS, node.nwk, len(packed)) + packed


def _active_endpoints(node: Node, body: bytes) -> bytes:
    endpoints = bytes(node.descriptors)
    return struct.pack("<BHB", SUCCESS, node.nwk, len(endpoints)) + endpoints


def _match_descriptor(node: Node, body: bytes) -> bytes:
    _, profile, count = struct.unpack_from("<HHB", body)
    inputs = set(struct.unpack_from(f"<{count}H", body, 5))
    at = 5 + 2 * count
    outputs = set(struct.unpack_from(f"<{body[at]}H", body, at + 1))
    found = bytes(
        one.endpoint
        for one in node.descriptors.values()
        if one.profile == profile and (inputs & set(one.inputs) or outputs & set(one.outputs))
    )
    return struct.pack("<BHB", SUCCESS, node.nwk, len(found)) + found


def _binding(body: bytes) -> Binding | None:
    _, endpoint, cluster, mode = struct.unpack_from("<8sBHB", body)
    if mode != _IEEE_ADDRESS_MODE:
        return None
    target, target_endpoint = struct.unpack_from("<8sB", body, 12)
    return Binding(endpoint, cluster, target, target_endpoint)


def _bind(node: Node, body: bytes) -> bytes:
    binding = _binding(body)
    if binding is None:
        return bytes((NOT_SUPPORTED,))
    if binding.endpoint not in node.descriptors:
        return bytes((INVALID_ENDPOINT,))
    if binding not in node.bindings:
        node.bindings.append(binding)
    return bytes((SUCCESS,))


def _unbind(node: Node, body: bytes) -> bytes:
    binding = _binding(body)
    if binding is None or binding not in node.bindings:
        return bytes((NO_ENTRY,))
    node.bindings.remove(binding)
    return bytes((SUCCESS,))


def _bindings(node: Node, body: bytes) -> bytes:
    start = body[0]
    page = node.bindings[start : start + 3]
    rows = b"".join(
        struct.pack("<8sBHB8sB", node.address, b.endpoint, b.cluster, _IEEE_ADDRESS_MODE, b.target, b.target_endpoint)
        for b in page
    )
    return struct.pack("<BBBB", SUCCESS, len(node.bindings), start, len(page)) + rows


def _empty_table(node: Node, body: bytes) -> bytes:
    """Neighbours and routes: in the simulated air everybody hears the coordinator."""
    return struct.pack("<BBBB", SUCCESS, 0, body[0], 0)


def _leave(node: Node, body: bytes) -> bytes:
    return bytes((SUCCESS if len(body) >= 9 else MALFORMED,))


_HANDLERS: dict[int, Callable[[Node, bytes], bytes]] = {
    NWK_ADDRESS: _nwk_address,
    IEEE_ADDRESS: _ieee_address,
    0x0002: _node_descriptor,
    0x0003: _power_descriptor,
    0x0004: _simple_descriptor,
    0x0005: _active_endpoints,
    0x0006: _match_descriptor,
    0x0021: _bind,
    0x0022: _unbind,
    0x0031: _empty_table,
    0x0032: _empty_table,
    0x0033: _bindings,
    MGMT_LEAVE: _leave,
}
