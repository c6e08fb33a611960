"""What a node answers to requests of the Zigbee Device Object (ZDO): addresses, descriptors, bindings, leaving.

Pure: a node is seen through a Protocol, and a request gives the response's cluster and payload.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

_RESPONSE = 0x8000
"""A response's cluster is its request's with this bit."""
NWK_COORDINATOR = 0x0000


class ZdoRequest(IntEnum):
    """Clusters of the requests (Zigbee specification §2.4.3)."""

    NWK_ADDR = 0x0000
    IEEE_ADDR = 0x0001
    NODE_DESC = 0x0002
    POWER_DESC = 0x0003
    SIMPLE_DESC = 0x0004
    ACTIVE_EP = 0x0005
    MATCH_DESC = 0x0006
    DEVICE_ANNCE = 0x0013
    BIND = 0x0021
    UNBIND = 0x0022
    MGMT_LQI = 0x0031
    MGMT_RTG = 0x0032
    MGMT_BIND = 0x0033
    MGMT_LEAVE = 0x0034
    MGMT_PERMIT_JOINING = 0x0036


class ZdoStatus(IntEnum):
    """Zigbee specification §2.4.5."""

    SUCCESS = 0x00
    INV_REQUESTTYPE = 0x80
    DEVICE_NOT_FOUND = 0x81
    INVALID_EP = 0x82
    NOT_ACTIVE = 0x83
    NOT_SUPPORTED = 0x84
    NO_ENTRY = 0x88


class LogicalType(IntEnum):
    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


_NO_RESPONSE = frozenset({ZdoRequest.DEVICE_ANNCE, ZdoRequest.MGMT_PERMIT_JOINING})
_IEEE_ADDRESS_MODE = 0x03
_LAST_ENDPOINT = 240
_FREQUENCY_2400_MHZ = 0x40
_MAINS_POWERED = 0x04
"""The MAC capability of a node that is not on batteries."""
_POWER_BY_MAINS, _POWER_BY_BATTERY = 0xC110, 0xC441
_SERVER_MASK, _SERVER_MASK_OF_COORDINATOR = 0x2C00, 0x2C41
"""Stack revision 22; the coordinator is the trust center and network manager too."""
_MAX_BUFFER_SIZE, _MAX_TRANSFER_SIZE = 82, 128
_BINDINGS_A_PAGE = 3


@dataclass(frozen=True, slots=True)
class SimpleDescriptor:
    """`inputs` are the server clusters, `outputs` the client clusters."""

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
    """A cluster's binding to `target` (an EUI64, least significant byte first) and its endpoint."""

    endpoint: int
    cluster: int
    target: bytes
    target_endpoint: int


class Node(Protocol):
    """What ZDO needs of a node."""

    @property
    def address(self) -> bytes: ...
    @property
    def nwk(self) -> int: ...
    @property
    def logical_type(self) -> int: ...
    @property
    def capabilities(self) -> int: ...
    @property
    def manufacturer_code(self) -> int: ...
    @property
    def descriptors(self) -> dict[int, SimpleDescriptor]: ...
    @property
    def bindings(self) -> list[Binding]: ...


def answer(node: Node, cluster: int, request: bytes) -> tuple[int, bytes] | None:
    """The response's cluster and payload (sequence number first); None where a request has no response."""
    if cluster & _RESPONSE or cluster in _NO_RESPONSE or not request:
        return None
    sequence, body = request[:1], request[1:]
    handler = _HANDLERS.get(cluster)
    if handler is None:
        return cluster | _RESPONSE, sequence + bytes((ZdoStatus.NOT_SUPPORTED,))
    try:
        reply = handler(node, body)
    except (struct.error, IndexError):
        reply = bytes((ZdoStatus.INV_REQUESTTYPE,))
    return cluster | _RESPONSE, sequence + reply


def announcement(node: Node, sequence: int) -> bytes:
    """The payload of Device_annce."""
    return struct.pack("<BH8sB", sequence, node.nwk, node.address, node.capabilities)


def _list16(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"<B{len(values)}H", len(values), *values)


def _nwk_address(node: Node, body: bytes) -> bytes:
    status = ZdoStatus.SUCCESS if body[:8] == node.address else ZdoStatus.DEVICE_NOT_FOUND
    return struct.pack("<B8sH", status, body[:8], node.nwk)


def _ieee_address(node: Node, body: bytes) -> bytes:
    return struct.pack("<B8sH", ZdoStatus.SUCCESS, node.address, node.nwk)


def _node_descriptor(node: Node, body: bytes) -> bytes:
    is_coordinator = node.logical_type == LogicalType.COORDINATOR
    server_mask = _SERVER_MASK_OF_COORDINATOR if is_coordinator else _SERVER_MASK
    return struct.pack(
        "<BHBBBHBHHHB", ZdoStatus.SUCCESS, node.nwk, node.logical_type, _FREQUENCY_2400_MHZ, node.capabilities,
        node.manufacturer_code, _MAX_BUFFER_SIZE, _MAX_TRANSFER_SIZE, server_mask, _MAX_TRANSFER_SIZE, 0,
    )  # fmt: skip


def _power_descriptor(node: Node, body: bytes) -> bytes:
    power = _POWER_BY_MAINS if node.capabilities & _MAINS_POWERED else _POWER_BY_BATTERY
    return struct.pack("<BHH", ZdoStatus.SUCCESS, node.nwk, power)


def _simple_descriptor(node: Node, body: bytes) -> bytes:
    endpoint = body[2]
    descriptor = node.descriptors.get(endpoint)
    if descriptor is None:
        status = ZdoStatus.NOT_ACTIVE if 0 < endpoint <= _LAST_ENDPOINT else ZdoStatus.INVALID_EP
        return struct.pack("<BHB", status, node.nwk, 0)
    packed = descriptor.pack()
    return struct.pack("<BHB", ZdoStatus.SUCCESS, node.nwk, len(packed)) + packed


def _active_endpoints(node: Node, body: bytes) -> bytes:
    endpoints = bytes(node.descriptors)
    return struct.pack("<BHB", ZdoStatus.SUCCESS, node.nwk, len(endpoints)) + endpoints


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
    return struct.pack("<BHB", ZdoStatus.SUCCESS, node.nwk, len(found)) + found


def _binding(body: bytes) -> Binding | None:
    _, endpoint, cluster, mode = struct.unpack_from("<8sBHB", body)
    if mode != _IEEE_ADDRESS_MODE:
        return None
    target, target_endpoint = struct.unpack_from("<8sB", body, 12)
    return Binding(endpoint, cluster, target, target_endpoint)


def _bind(node: Node, body: bytes) -> bytes:
    binding = _binding(body)
    if binding is None:
        return bytes((ZdoStatus.NOT_SUPPORTED,))
    if binding.endpoint not in node.descriptors:
        return bytes((ZdoStatus.INVALID_EP,))
    if binding not in node.bindings:
        node.bindings.append(binding)
    return bytes((ZdoStatus.SUCCESS,))


def _unbind(node: Node, body: bytes) -> bytes:
    binding = _binding(body)
    if binding is None or binding not in node.bindings:
        return bytes((ZdoStatus.NO_ENTRY,))
    node.bindings.remove(binding)
    return bytes((ZdoStatus.SUCCESS,))


def _bindings(node: Node, body: bytes) -> bytes:
    start = body[0]
    page = node.bindings[start : start + _BINDINGS_A_PAGE]
    rows = b"".join(
        struct.pack(
            "<8sBHB8sB", node.address, one.endpoint, one.cluster, _IEEE_ADDRESS_MODE, one.target, one.target_endpoint
        )
        for one in page
    )
    return struct.pack("<BBBB", ZdoStatus.SUCCESS, len(node.bindings), start, len(page)) + rows


def _empty_table(node: Node, body: bytes) -> bytes:
    """Neighbours and routes: every simulated device is in range of the coordinator."""
    return struct.pack("<BBBB", ZdoStatus.SUCCESS, 0, body[0], 0)


def _leave(node: Node, body: bytes) -> bytes:
    return bytes((ZdoStatus.SUCCESS if len(body) >= 9 else ZdoStatus.INV_REQUESTTYPE,))


_HANDLERS: dict[int, Callable[[Node, bytes], bytes]] = {
    ZdoRequest.NWK_ADDR: _nwk_address,
    ZdoRequest.IEEE_ADDR: _ieee_address,
    ZdoRequest.NODE_DESC: _node_descriptor,
    ZdoRequest.POWER_DESC: _power_descriptor,
    ZdoRequest.SIMPLE_DESC: _simple_descriptor,
    ZdoRequest.ACTIVE_EP: _active_endpoints,
    ZdoRequest.MATCH_DESC: _match_descriptor,
    ZdoRequest.BIND: _bind,
    ZdoRequest.UNBIND: _unbind,
    ZdoRequest.MGMT_LQI: _empty_table,
    ZdoRequest.MGMT_RTG: _empty_table,
    ZdoRequest.MGMT_BIND: _bindings,
    ZdoRequest.MGMT_LEAVE: _leave,
}
