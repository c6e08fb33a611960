"""The radio medium between the coordinator and its devices: delivery, acknowledgements, sleep, and what is lost.

What a device does with a message is `device`'s and `zdo`'s, the host's side is `ncp`'s, the faults are `faults`'.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gatewayd.simulator.radio import ezsp, zdo
from gatewayd.simulator.radio.device import MANUFACTURER_CODE, Device
from gatewayd.simulator.radio.endpoint import HOME_AUTOMATION
from gatewayd.simulator.radio.ezsp import EmberStatus, IncomingMessageType
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.ncp import Aps, Ncp, PendingAck
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler

AWAKE_S = 10.0
"""How long a sleepy device listens after it has joined."""

_ZDO_PROFILE, _ZDO_ENDPOINT = 0x0000, 0
_OUTGOING_DIRECT = 0x00
"""EmberOutgoingMessageType."""
_APS_OPTIONS = 0x0140
"""EmberApsOption: retry, enable route discovery."""
_COORDINATOR_CAPABILITIES = 0x8F
"""MAC capability flags: as a router's, and it may be the PAN coordinator."""
_INDIRECT_TIMEOUT_S = 7.68
"""How long a parent buffers a message for a sleepy child."""
_LEAVE_AND_REJOIN = 0x80
"""The flag of Mgmt_Leave_req, in the byte after the address."""
_LEAVE_FLAGS_AT = 9


@dataclass(slots=True, eq=False)
class BufferedMessage:
    """A message that waits for a sleepy device; `arrive` hands it over, `expiry` gives it up."""

    arrive: Callable[[], None]
    expiry: ScheduledAction | None = None


@dataclass(slots=True)
class ParentBuffer:
    """The messages that a sleepy device's parent buffers for it. The device polls every `interval` seconds."""

    interval: float
    phase: float
    awake_until: float = 0.0
    waiting: deque[BufferedMessage] = field(default_factory=deque)
    poll: ScheduledAction | None = None


class RadioMedium:
    """Delivers messages in both directions. `latency_s` is how long each takes."""

    def __init__(self, ncp: Ncp, scheduler: Scheduler, faults: RadioFaults, latency_s: float) -> None:
        self.latency_s = latency_s
        self.by_nwk: dict[int, Device] = {}
        self.by_address: dict[bytes, Device] = {}
        self._ncp = ncp
        self._scheduler = scheduler
        self._faults = faults
        self._buffers: dict[str, ParentBuffer] = {}
        self._aps_counter = 0
        self._coordinator = CoordinatorNode(ncp)
        ncp.medium = self

    def add(self, device: Device) -> None:
        self.by_nwk[device.nwk] = device
        self.by_address[device.address] = device
        interval = device.description.poll_interval_s
        if interval is not None:
            self._buffers[device.ieee] = ParentBuffer(interval, self._faults.chance.uniform(0, interval))

    def change_nwk(self, device: Device, nwk: int) -> None:
        """Give the device another network address."""
        del self.by_nwk[device.nwk]
        device.nwk = nwk
        self.by_nwk[nwk] = device

    def wake(self, device: Device, seconds: float = AWAKE_S) -> None:
        """Let a sleepy device receive at once for a while; what is buffered for it is delivered now."""
        if device.sleepy:
            buffer = self._buffers[device.ieee]
            buffer.awake_until = self._scheduler.now() + seconds
            self._deliver_buffered(buffer)

    def sleep(self, device: Device) -> None:
        """Let a sleepy device receive only when it polls."""
        if device.sleepy:
            self._buffers[device.ieee].awake_until = 0.0

    def drop_buffered(self) -> None:
        """The coordinator has restarted: what it buffered for sleepy devices is lost."""
        for buffer in self._buffers.values():
            for message in buffer.waiting:
                if message.expiry is not None:
                    message.expiry.cancel()
            buffer.waiting.clear()

    def announce(self, device: Device) -> None:
        """Broadcast the device's Device_annce."""
        payload = zdo.announcement(device, device.next_sequence())
        aps: Aps = (_ZDO_PROFILE, zdo.ZdoRequest.DEVICE_ANNCE, 0, 0, 0, 0, self._next_aps_counter())
        self._ncp.deliver(IncomingMessageType.BROADCAST, aps, device.nwk, payload)

    # From the coordinator.

    def unicast(self, nwk: int, aps: Aps, tag: int, payload: bytes, ack: PendingAck) -> int:
        """Send a message; messageSentHandler follows. Returns the EmberStatus with which it is accepted or refused."""
        status = self._faults.message_status()
        if status != EmberStatus.SUCCESS:
            return status

        def report_sent(status: int) -> None:
            ack.then(lambda: self._ncp.send_callback(ezsp.MESSAGE_SENT, _OUTGOING_DIRECT, nwk, *aps, tag, status, b""))

        if nwk == zdo.NWK_COORDINATOR:
            report_sent(EmberStatus.SUCCESS)
            self._deliver_to_coordinator(aps, payload, ack)
            return EmberStatus.SUCCESS
        device = self.by_nwk.get(nwk)

        def fail() -> None:
            report_sent(EmberStatus.DELIVERY_FAILED)

        def arrive() -> None:
            assert device is not None
            if not self._can_receive(device, aps):
                self._scheduler.after(self._faults.delivery_timeout_s, fail)
                return
            report_sent(EmberStatus.SUCCESS)
            self._deliver_to_device(device, aps, payload, ack)

        if device is None or not device.joined:
            self._scheduler.after(self._faults.delivery_timeout_s, fail)
        elif device.sleepy:
            self._deliver_or_buffer(device, arrive, fail)
        elif self.latency_s:
            self._scheduler.after(self.latency_s, arrive)
        else:
            arrive()
        return EmberStatus.SUCCESS

    def broadcast(self, aps: Aps, payload: bytes) -> None:
        """Deliver a broadcast to every device that listens."""
        profile, cluster, _, endpoint, *_ = aps
        if profile == _ZDO_PROFILE:
            self._broadcast_zdo(aps, payload)
            return
        for device in self.by_nwk.values():
            if device.joined and not device.sleepy and endpoint in device.descriptors:
                device.receive(profile, endpoint, cluster, payload)

    def _broadcast_zdo(self, aps: Aps, payload: bytes) -> None:
        """The device whose address is requested answers; other ZDO broadcasts have no answer."""
        requested = None
        if aps[1] == zdo.ZdoRequest.NWK_ADDR:
            requested = self.by_address.get(payload[1:9])
        elif aps[1] == zdo.ZdoRequest.IEEE_ADDR:
            requested = self.by_nwk.get(int.from_bytes(payload[1:3], "little"))
        if requested is not None and requested.joined and self._faults.is_reachable(requested.ieee):
            self._deliver_to_device(requested, aps, payload, self._ncp.pending_ack)

    def nwk_of(self, address: bytes) -> int | None:
        """The network address of a device in the network."""
        device = self.by_address.get(address)
        return device.nwk if device is not None and device.joined else None

    def address_of(self, nwk: int) -> bytes | None:
        """The EUI64 of a network address."""
        if nwk == zdo.NWK_COORDINATOR:
            return self._ncp.address
        device = self.by_nwk.get(nwk)
        return None if device is None else device.address

    def remove(self, address: bytes) -> bool:
        """Make a device leave; False where it is not in the network."""
        device = self.by_address.get(address)
        if device is None or not device.joined:
            return False
        device.network.device_left(device)
        return True

    # From devices.

    def send_from_device(self, device: Device, endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        """Send a ZCL frame to the coordinator's endpoint `target`; a sleepy device polls its parent then too."""
        if not device.joined or not self._faults.is_reachable(device.ieee):
            return
        aps: Aps = (HOME_AUTOMATION, cluster, endpoint, target, _APS_OPTIONS, 0, self._next_aps_counter())
        arriving = self._faults.payload_on_arrival(payload)
        for _ in range(self._faults.copies()):
            self._deliver_to_host(device, aps, arriving)
        if device.sleepy:
            self._deliver_buffered(self._buffers[device.ieee])

    def _deliver_to_host(self, device: Device, aps: Aps, payload: bytes) -> None:
        def deliver() -> None:
            self._ncp.deliver(IncomingMessageType.UNICAST, aps, device.nwk, payload)

        if self.latency_s:
            self._scheduler.after(self.latency_s, deliver)
        else:
            deliver()

    # To devices.

    def _can_receive(self, device: Device, aps: Aps) -> bool:
        endpoint = aps[3]
        has_endpoint = endpoint == _ZDO_ENDPOINT or endpoint in device.descriptors
        return has_endpoint and device.joined and self._faults.is_reachable(device.ieee)

    def _deliver_to_device(self, device: Device, aps: Aps, payload: bytes, ack: PendingAck) -> None:
        profile, cluster, source, endpoint, *_ = aps
        if endpoint == _ZDO_ENDPOINT:
            reply = zdo.answer(device, cluster, payload)
            if reply is not None:
                self._send_answer(device, (_ZDO_PROFILE, reply[0], _ZDO_ENDPOINT, _ZDO_ENDPOINT), reply[1], ack)
            if cluster == zdo.ZdoRequest.MGMT_LEAVE and len(payload) > _LEAVE_FLAGS_AT:
                ack.then(lambda: self._leave(device, payload[_LEAVE_FLAGS_AT]))
            return
        answer = device.receive(profile, endpoint, cluster, payload)
        if answer is not None:
            self._send_answer(device, (profile, cluster, endpoint, source), answer, ack)

    def _send_answer(self, device: Device, route: tuple[int, int, int, int], payload: bytes, ack: PendingAck) -> None:
        """`route`: profile, cluster, source and destination endpoint."""
        if self._faults.loses_answer(device.ieee):
            return
        aps: Aps = (*route, _APS_OPTIONS, 0, self._next_aps_counter())
        delay_s = self._faults.answer_delay_s(device.ieee)
        if delay_s:
            self._scheduler.after(delay_s, lambda: ack.then(lambda: self._deliver_to_host(device, aps, payload)))
        else:
            ack.then(lambda: self._deliver_to_host(device, aps, payload))

    def _leave(self, device: Device, flags: int) -> None:
        if flags & _LEAVE_AND_REJOIN:
            self.announce(device)
        else:
            device.network.device_left(device)

    def _deliver_to_coordinator(self, aps: Aps, payload: bytes, ack: PendingAck) -> None:
        """A message that the host sends to its own coordinator."""
        reply = zdo.answer(self._coordinator, aps[1], payload) if aps[3] == _ZDO_ENDPOINT else None
        if reply is None:
            return
        cluster, answer = reply
        answer_aps: Aps = (_ZDO_PROFILE, cluster, _ZDO_ENDPOINT, _ZDO_ENDPOINT, 0, 0, self._next_aps_counter())
        ack.then(lambda: self._ncp.deliver(IncomingMessageType.UNICAST, answer_aps, zdo.NWK_COORDINATOR, answer))

    # Sleepy devices.

    def _deliver_or_buffer(self, device: Device, arrive: Callable[[], None], fail: Callable[[], None]) -> None:
        buffer = self._buffers[device.ieee]
        now = self._scheduler.now()
        if now < buffer.awake_until:
            arrive()
            return
        message = BufferedMessage(arrive)
        message.expiry = self._scheduler.after(_INDIRECT_TIMEOUT_S, lambda: self._expire(buffer, message, fail))
        buffer.waiting.append(message)
        if buffer.poll is None:
            polls = math.ceil((now - buffer.phase) / buffer.interval)
            next_poll = buffer.phase + polls * buffer.interval
            buffer.poll = self._scheduler.at(next_poll, lambda: self._deliver_buffered(buffer))

    def _expire(self, buffer: ParentBuffer, message: BufferedMessage, fail: Callable[[], None]) -> None:
        buffer.waiting.remove(message)
        fail()

    def _deliver_buffered(self, buffer: ParentBuffer) -> None:
        """The device polls its parent: deliver what is buffered."""
        if buffer.poll is not None:
            buffer.poll.cancel()
            buffer.poll = None
        while buffer.waiting:
            message = buffer.waiting.popleft()
            if message.expiry is not None:
                message.expiry.cancel()
            message.arrive()

    def _next_aps_counter(self) -> int:
        self._aps_counter = self._aps_counter + 1 & 0xFF
        return self._aps_counter


class CoordinatorNode:
    """The coordinator as a node of its own network, as ZDO sees it."""

    logical_type = zdo.LogicalType.COORDINATOR
    capabilities = _COORDINATOR_CAPABILITIES
    manufacturer_code = MANUFACTURER_CODE
    nwk = zdo.NWK_COORDINATOR

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.bindings: list[zdo.Binding] = []

    @property
    def address(self) -> bytes:
        return self._ncp.address

    @property
    def descriptors(self) -> dict[int, zdo.SimpleDescriptor]:
        return self._ncp.endpoints
