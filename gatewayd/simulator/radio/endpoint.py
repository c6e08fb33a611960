"""How an endpoint of a device is described: its clusters, their attributes, and what their commands do. Data only.

What a device does with it is `device`'s, the answers to ZCL's general commands are `general`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewayd.simulator.radio import zdo
from gatewayd.simulator.radio.zcl import DataType, Value

HOME_AUTOMATION = 0x0104

AttributeKey = tuple[int, int, int]
"""(endpoint, cluster, attribute)"""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a server cluster, with its first value."""

    id: int
    type: DataType
    value: Value
    writable: bool = False
    reportable: bool = False


@dataclass(frozen=True, slots=True)
class ZclReply:
    """A cluster's own response to a command."""

    command: int
    payload: bytes = b""


CommandHandler = Callable[[Any, int, bytes], ZclReply | int]
"""What a command does: (device, endpoint, payload) → a response, or a ZCL status for the default response."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server cluster: its attributes and what its commands do."""

    id: int
    attributes: tuple[Attribute, ...] = ()
    commands: Mapping[int, CommandHandler] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedEndpoint:
    """An endpoint: its server clusters, and the ids of its client clusters (`outputs`)."""

    id: int
    device_type: int
    clusters: tuple[Cluster, ...]
    outputs: tuple[int, ...] = ()
    profile: int = HOME_AUTOMATION

    @property
    def descriptor(self) -> zdo.SimpleDescriptor:
        inputs = tuple(cluster.id for cluster in self.clusters)
        return zdo.SimpleDescriptor(self.id, self.profile, self.device_type, 1, inputs, self.outputs)
