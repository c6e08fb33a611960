"""A simulated device: how it is described (a few declarative lines), and one that runs in a simulated network.

General ZCL commands are `general`'s, reports are `reporting`'s, and what a kind of device does is `devices/`'.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from gatewayd.simulator.radio import general, zcl, zdo
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, CommandHandler, SimulatedEndpoint, ZclReply
from gatewayd.simulator.radio.reporting import Reporter
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.zcl import Value, ZclStatus

_ROUTER_CAPABILITIES, _SLEEPY_CAPABILITIES = 0x8E, 0x80
"""MAC capability flags: a full-function device on mains that always listens; a sleepy one on batteries."""
MANUFACTURER_CODE = 0x1049

D_co = TypeVar("D_co", bound="Device", covariant=True)


@dataclass(frozen=True, slots=True)
class Description(Generic[D_co]):
    """What a device consists of. `ieee` is its address (16 hex digits); `factory` makes the device of it."""

    ieee: str
    endpoints: tuple[SimulatedEndpoint, ...]
    factory: Callable[["Description[D_co]", int, "DeviceNetwork"], D_co]
    poll_interval_s: float | None = None
    """How often a sleepy device asks its parent for messages; None: it always listens."""
    manufacturer_code: int = MANUFACTURER_CODE
    options: Mapping[str, Any] = field(default_factory=dict)


class DeviceNetwork(Protocol):
    """What a device needs of its network."""

    scheduler: Scheduler

    def send_from_device(self, device: "Device", endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        """Send a ZCL frame to the coordinator's endpoint `target`."""

    def command_executed(self, device: "Device", command: "ExecutedCommand") -> None:
        """Note that the device executes a command."""

    def local_time(self) -> int:
        """Seconds since 2000-01-01 on the local wall clock."""

    def device_left(self, device: "Device") -> None:
        """Take the device out of the network, and report it to the host."""


@dataclass(frozen=True, slots=True)
class ExecutedCommand:
    """A cluster command that a device executed: `at` on the scheduler's clock, `args` as on the wire."""

    at: float
    endpoint: int
    cluster: int
    command: int
    args: bytes


class Device:
    """A running device: its attribute values, bindings and reporting, and the commands that it has executed."""

    def __init__(self, description: "Description[Any]", nwk: int, network: DeviceNetwork) -> None:
        self.ieee = description.ieee
        self.address = bytes.fromhex(description.ieee)[::-1]
        self.description = description
        self.nwk = nwk
        self.joined = False
        self.bindings: list[zdo.Binding] = []
        self.executed: list[ExecutedCommand] = []
        self.descriptors = {end.id: end.descriptor for end in description.endpoints}
        self.manufacturer_code = description.manufacturer_code
        self.sleepy = description.poll_interval_s is not None
        self.logical_type = zdo.LogicalType.END_DEVICE if self.sleepy else zdo.LogicalType.ROUTER
        self.capabilities = _SLEEPY_CAPABILITIES if self.sleepy else _ROUTER_CAPABILITIES
        self.network = network
        self.clusters = {(end.id, cluster.id): cluster for end in description.endpoints for cluster in end.clusters}
        self.attributes: dict[AttributeKey, Attribute] = {
            (end, cluster.id, attribute.id): attribute
            for (end, _), cluster in self.clusters.items()
            for attribute in cluster.attributes
        }
        self.values: dict[AttributeKey, Value] = {key: attribute.value for key, attribute in self.attributes.items()}
        self.reporter = Reporter(network.scheduler, self._present_value, self._send_due_report)
        self._sequence = 0

    # For tests, benchmarks and the demo.

    def report_now(self, endpoint: int, cluster: int, attribute: int, value: Value) -> float:
        """Set and report an attribute at once, configured or not; returns the time of sending (scheduler's clock)."""
        key = (endpoint, cluster, attribute)
        self.values[key] = value
        self._send_report(key, value, 1)
        return self.network.scheduler.now()

    def value(self, endpoint: int, cluster: int, attribute: int) -> Value:
        """An attribute's value."""
        return self.values[endpoint, cluster, attribute]

    def int_value(self, endpoint: int, cluster: int, attribute: int) -> int:
        """A number's value."""
        value = self.values[endpoint, cluster, attribute]
        assert isinstance(value, int)
        return value

    def set_attribute(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        """Set an attribute; it is reported as the host has configured."""
        key = (endpoint, cluster, attribute)
        self.values[key] = value
        if self.reporter.is_configured(key):
            self.reporter.changed(key, value)

    def refresh(self, key: AttributeKey) -> None:
        """Bring an attribute up to date that changes by itself; overridden by the kinds that have such attributes."""

    def send_to_bound(self, endpoint: int, cluster: int, command: int, payload: bytes) -> None:
        """Send a cluster's own command to the bound endpoint; nothing where the cluster is not bound."""
        target = self.bound_endpoint(endpoint, cluster)
        if target is not None:
            self.send(endpoint, cluster, zcl.server_command(self.next_sequence(), command, payload), target)

    # For the network.

    def receive(self, profile: int, endpoint: int, cluster: int, message: bytes) -> bytes | None:
        """Handle a ZCL frame to one of the endpoints; returns the answer, None where it has none."""
        frame = zcl.Frame.parse(message)
        if frame is None:
            return None
        if not frame.cluster_specific:
            return general.answer(self, endpoint, cluster, frame)
        return self._execute(endpoint, cluster, frame)

    def send(self, endpoint: int, cluster: int, payload: bytes, target: int = 1) -> None:
        """Send a ZCL frame to the coordinator's endpoint `target`."""
        self.network.send_from_device(self, endpoint, cluster, payload, target)

    def next_sequence(self) -> int:
        """The sequence number of the next frame."""
        self._sequence = self._sequence + 1 & 0xFF
        return self._sequence

    def bound_endpoint(self, endpoint: int, cluster: int) -> int | None:
        """The coordinator's endpoint that a cluster is bound to; None where it is not bound."""
        for binding in self.bindings:
            if binding.endpoint == endpoint and binding.cluster == cluster:
                return binding.target_endpoint
        return None

    def forget_network(self) -> None:
        """Reset everything that joining and hosts have set up."""
        self.joined = False
        self.bindings.clear()
        self.reporter.clear()

    def _execute(self, endpoint: int, cluster: int, frame: zcl.Frame) -> bytes | None:
        handler = self._handler(endpoint, cluster, frame)
        if isinstance(handler, int):
            return frame.default_response(handler)
        command = ExecutedCommand(self.network.scheduler.now(), endpoint, cluster, frame.command, frame.payload)
        self.executed.append(command)
        self.network.command_executed(self, command)
        try:
            result = handler(self, endpoint, frame.payload)
        except (zcl.ShortDataError, struct.error):
            return frame.default_response(ZclStatus.MALFORMED_COMMAND)
        if isinstance(result, ZclReply):
            return frame.answer(result.command, result.payload, general=False)
        if result == ZclStatus.SUCCESS and frame.no_default_response:
            return None
        return frame.default_response(result)

    def _handler(self, endpoint: int, cluster: int, frame: zcl.Frame) -> CommandHandler | int:
        """What executes a command, or the status with which it is refused."""
        served = self.clusters.get((endpoint, cluster))
        if served is None:
            return ZclStatus.UNSUPPORTED_CLUSTER
        if frame.manufacturer is not None:
            return ZclStatus.UNSUP_MANUF_CLUSTER_COMMAND
        return served.commands.get(frame.command, ZclStatus.UNSUP_CLUSTER_COMMAND)

    def _present_value(self, key: AttributeKey) -> Value:
        self.refresh(key)
        return self.values[key]

    def _send_due_report(self, key: AttributeKey) -> bool:
        target = self.bound_endpoint(key[0], key[1])
        if target is None or not self.joined:
            return False
        self._send_report(key, self.values[key], target)
        return True

    def _send_report(self, key: AttributeKey, value: Value, target: int) -> None:
        endpoint, cluster, attribute = key
        type_ = self.attributes[key].type
        self.send(endpoint, cluster, zcl.report(self.next_sequence(), attribute, type_, value), target)
