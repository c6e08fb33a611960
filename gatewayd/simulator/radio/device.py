"""Devices: how one is described (a few declarative lines), and one that lives in a simulated house.

What it sends goes through `Air`; what a general ZCL command does to it is `general`'s, reports are `reporting`'s.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from gatewayd.simulator.radio import general, zcl, zdo
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Handler, SimulatedEndpoint, ZclReply
from gatewayd.simulator.radio.reporting import Reporter
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.zcl import Value

_MAINS_ROUTER, _BATTERY_END_DEVICE = 0x8E, 0x80


D_co = TypeVar("D_co", bound="Device", covariant=True)


@dataclass(frozen=True, slots=True)
class Description(Generic[D_co]):
    """A kind of device with its address (16 hex digits). `lives_as` is what it becomes in a house."""

    ieee: str
    endpoints: tuple[SimulatedEndpoint, ...]
    lives_as: Callable[["Description[D_co]", int, "DeviceNetwork"], D_co]
    poll_interval_s: float | None = None
    """A sleepy device asks its parent for messages this often; None: it always listens."""
    manufacturer_code: int = 0x1049
    options: Mapping[str, Any] = field(default_factory=dict)


class DeviceNetwork(Protocol):
    """What a device sees of the house that it stands in."""

    scheduler: Scheduler

    def from_device(self, device: "Device", endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        """Radio a message to the coordinator's endpoint `target`."""

    def executed(self, device: "Device", entry: "ExecutedCommand") -> None:
        """A command was executed."""

    def local_time(self) -> int:
        """Seconds since 2000-01-01 on the house's wall clock."""

    def left(self, device: "Device") -> None:
        """The device has left the network."""


@dataclass(frozen=True, slots=True)
class ExecutedCommand:
    """A cluster command that a device carried out: `at` on the house's clock, `args` as on the wire."""

    at: float
    endpoint: int
    cluster: int
    command: int
    args: bytes


class Device:
    """A live device: attribute values, bindings, reporting, and the log of what it executed."""

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
        self.role = zdo.END_DEVICE if self.sleepy else zdo.ROUTER
        self.capabilities = _BATTERY_END_DEVICE if self.sleepy else _MAINS_ROUTER
        self.network = network
        self.clusters = {(end.id, cluster.id): cluster for end in description.endpoints for cluster in end.clusters}
        self.attributes: dict[AttributeKey, Attribute] = {
            (end, cluster.id, attribute.id): attribute
            for (end, _), cluster in self.clusters.items()
            for attribute in cluster.attributes
        }
        self.values: dict[AttributeKey, Value] = {key: attribute.value for key, attribute in self.attributes.items()}
        self.reporter = Reporter(network.scheduler, self._current, self._send_due_report)
        self._sequence = 0

    # What tests, benches and people do to it.

    def report_now(self, endpoint: int, cluster: int, attribute: int, value: Value) -> float:
        """Set and report an attribute at once, configured or not; returns the house's time of sending."""
        key = (endpoint, cluster, attribute)
        self.values[key] = value
        self._send_report(key, value, 1)
        return self.network.scheduler.now()

    def get(self, endpoint: int, cluster: int, attribute: int) -> Value:
        return self.values[endpoint, cluster, attribute]

    def refresh(self, key: AttributeKey) -> None:
        """Bring an attribute up to date that changes by itself; the kinds that have such override this."""

    def number(self, endpoint: int, cluster: int, attribute: int) -> int:
        value = self.values[endpoint, cluster, attribute]
        assert isinstance(value, int)
        return value

    def put(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        """The world changed an attribute; it is reported as the host has configured."""
        key = (endpoint, cluster, attribute)
        self.values[key] = value
        if self.reporter.watches(key):
            self.reporter.changed(key, value)

    def notify(self, endpoint: int, cluster: int, command: int, payload: bytes) -> None:
        """Send a cluster's own command to whoever is bound to the cluster."""
        target = self.bound_to(endpoint, cluster)
        if target is not None:
            self.send(endpoint, cluster, zcl.notification(self.next_sequence(), command, payload), target)

    # What the network does to it.

    def receive(self, profile: int, endpoint: int, cluster: int, message: bytes) -> bytes | None:
        """A ZCL message for one of the endpoints; the answer, if there is one."""
        frame = zcl.Frame.parse(message)
        if frame is None:
            return None
        if not frame.cluster_specific:
            return general.answer(self, endpoint, cluster, frame)
        return self._execute(endpoint, cluster, frame)

    def send(self, endpoint: int, cluster: int, payload: bytes, target: int = 1) -> None:
        self.network.from_device(self, endpoint, cluster, payload, target)

    def next_sequence(self) -> int:
        self._sequence = self._sequence + 1 & 0xFF
        return self._sequence

    def bound_to(self, endpoint: int, cluster: int) -> int | None:
        """The coordinator's endpoint that a cluster's reports go to, if it is bound."""
        for binding in self.bindings:
            if binding.endpoint == endpoint and binding.cluster == cluster:
                return binding.target_endpoint
        return None

    def forget_network(self) -> None:
        """Factory state of everything that joining and hosts have set up."""
        self.joined = False
        self.bindings.clear()
        self.reporter.clear()

    def _execute(self, endpoint: int, cluster: int, frame: zcl.Frame) -> bytes | None:
        handler = self._handler(endpoint, cluster, frame)
        if isinstance(handler, int):
            return frame.default_response(handler)
        entry = ExecutedCommand(self.network.scheduler.now(), endpoint, cluster, frame.command, frame.payload)
        self.executed.append(entry)
        self.network.executed(self, entry)
        try:
            result = handler(self, endpoint, frame.payload)
        except (zcl.ShortDataError, struct.error):
            return frame.default_response(zcl.MALFORMED)
        if isinstance(result, ZclReply):
            return frame.answer(result.command, result.payload, general=False)
        if result == zcl.SUCCESS and frame.no_default_response:
            return None
        return frame.default_response(result)

    def _handler(self, endpoint: int, cluster: int, frame: zcl.Frame) -> Handler | int:
        """What carries a command out, or the status that says why nothing does."""
        served = self.clusters.get((endpoint, cluster))
        if served is None:
            return zcl.UNSUPPORTED_CLUSTER
        if frame.manufacturer is not None:
            return zcl.UNSUPPORTED_MANUFACTURER_COMMAND
        return served.commands.get(frame.command, zcl.UNSUPPORTED_CLUSTER_COMMAND)

    def _current(self, key: AttributeKey) -> Value:
        self.refresh(key)
        return self.values[key]

    def _send_due_report(self, key: AttributeKey) -> bool:
        target = self.bound_to(key[0], key[1])
        if target is None or not self.joined:
            return False
        self._send_report(key, self.values[key], target)
        return True

    def _send_report(self, key: AttributeKey, value: Value, target: int) -> None:
        endpoint, cluster, attribute = key
        kind = self.attributes[key].type
        self.send(endpoint, cluster, zcl.report(self.next_sequence(), attribute, kind, value), target)
