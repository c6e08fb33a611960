"""The air between the coordinator and its devices: delivery, acknowledgements, sleep, and what gets lost."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gatewayd.simulator.radio import ezsp, zdo
from gatewayd.simulator.radio.device import Device
from gatewayd.simulator.radio.endpoint import HOME_AUTOMATION
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.ncp import Aps, Ncp, Ticket
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler

_SENT_DIRECT = 0x00
_DEVICE_OPTIONS = 0x0140
_INDIRECT_TIMEOUT_S = 7.68
_REJOIN_FLAG = 0x80
_NWK_COORDINATOR = 0x0000
_ROUTERS_AND_COORDINATOR = 0xFFFC
AWAKE_S = 10.0


@dataclass(slots=True, eq=False)
class BufferedMessage:
    arrive: Callable[[], None]
    expiry: ScheduledAction | None = None


@dataclass(slots=True)
class ParentBuffer:
    """What a sleepy device's parent keeps for it."""

    interval: float
    phase: float
    awake_until: float = 0.0
    waiting: deque[BufferedMessage] = field(default_factory=deque)
    poll: ScheduledAction | None = None


class RadioMedium:
    def __init__(self, ncp: Ncp, scheduler: Scheduler, faults: RadioFaults, latency_s: float) -> None:
        self.latency_s = latency_s
        self.by_nwk: dict[int, Device] = {}
        self.by_address: dict[bytes, Device] = {}
        self._ncp = ncp
        self._scheduler = scheduler
        self._faults = faults
        self._mailboxes: dict[str, ParentBuffer] = {}
        self._counter = 0
        self._coordinator = CoordinatorNode(ncp)
        ncp.medium = self

    def put(self, device: Device) -> None:
        self.by_nwk[device.nwk] = device
        self.by_address[device.address] = device
        interval = device.description.poll_interval_s
        if interval is not None:
            self._mailboxes[device.ieee] = ParentBuffer(interval, self._faults.chance.uniform(0, interval))

    def move(self, device: Device, nwk: int) -> None:
        """The device has another address from now on."""
        del self.by_nwk[device.nwk]
        device.nwk = nwk
        self.by_nwk[nwk] = device

    def awaken(self, device: Device, seconds: float = AWAKE_S) -> None:
        """A sleepy device listens for a while, as it does when it joins or its button is pressed."""
        if device.sleepy:
            box = self._mailboxes[device.ieee]
            box.awake_until = self._scheduler.now() + seconds
            self._hand_over(box)

    def put_to_sleep(self, device: Device) -> None:
        if device.sleepy:
            self._mailboxes[device.ieee].awake_until = 0.0

    def announce(self, device: Device) -> None:
        payload = zdo.announcement(device, device.next_sequence())
        aps: Aps = (0x0000, zdo.DEVICE_ANNOUNCE, 0, 0, 0, 0, self._next_counter())
        self._ncp.deliver(ezsp.BROADCAST, aps, device.nwk, payload)

    # From the coordinator.

    def unicast(self, nwk: int, aps: Aps, tag: int, payload: bytes, ticket: Ticket) -> int:
        refused = self._faults.refuses_message()
        if refused:
            return refused

        def sent(status: int) -> None:
            ticket.then(lambda: self._ncp.tell(ezsp.MESSAGE_SENT, _SENT_DIRECT, nwk, *aps, tag, status, b""))

        if nwk == _NWK_COORDINATOR:
            sent(ezsp.SUCCESS)
            self._to_itself(aps, payload, ticket)
            return ezsp.SUCCESS
        device = self.by_nwk.get(nwk)

        def fail() -> None:
            sent(ezsp.DELIVERY_FAILED)

        def arrive() -> None:
            assert device is not None
            if not self._hears(device, aps):
                self._scheduler.after(self._faults.delivery_timeout_s, fail)
                return
            sent(ezsp.SUCCESS)
            self._arrive(device, aps, payload, ticket)

        if device is None or not device.joined:
            self._scheduler.after(self._faults.delivery_timeout_s, fail)
        elif device.sleepy:
            self._keep_for(device, arrive, fail)
        elif self.latency_s:
            self._scheduler.after(self.latency_s, arrive)
        else:
            arrive()
        return ezsp.SUCCESS

    def broadcast(self, aps: Aps, payload: bytes) -> None:
        profile, cluster, _, endpoint, *_ = aps
        if profile == 0:
            self._answer_to_all(aps, payload)
            return
        for device in self.by_nwk.values():
            if device.joined and not device.sleepy and endpoint in device.descriptors:
                device.receive(profile, endpoint, cluster, payload)

    def _answer_to_all(self, aps: Aps, payload: bytes) -> None:
        """Who is asked for its address answers a broadcast; of the others, and to anything else, none is due."""
        asked = None
        if aps[1] == zdo.NWK_ADDRESS:
            asked = self.by_address.get(payload[1:9])
        elif aps[1] == zdo.IEEE_ADDRESS:
            asked = self.by_nwk.get(int.from_bytes(payload[1:3], "little"))
        if asked is not None and asked.joined and self._faults.reachable(asked.ieee):
            self._arrive(asked, aps, payload, self._ncp.ticket)

    def nwk_of(self, address: bytes) -> int | None:
        device = self.by_address.get(address)
        return device.nwk if device is not None and device.joined else None

    def address_of(self, nwk: int) -> bytes | None:
        if nwk == _NWK_COORDINATOR:
            return self._ncp.address
        device = self.by_nwk.get(nwk)
        return None if device is None else device.address

    def remove(self, address: bytes) -> bool:
        device = self.by_address.get(address)
        if device is None or not device.joined:
            return False
        device.network.left(device)
        return True

    # From devices.

    def from_device(self, device: Device, endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        if not device.joined or not self._faults.reachable(device.ieee):
            return
        aps: Aps = (HOME_AUTOMATION, cluster, endpoint, target, _DEVICE_OPTIONS, 0, self._next_counter())
        arriving = self._faults.garbles(payload)
        for _ in range(self._faults.copies()):
            self._deliver(device, aps, arriving)
        if device.sleepy:
            self._hand_over(self._mailboxes[device.ieee])

    def _deliver(self, device: Device, aps: Aps, payload: bytes) -> None:
        if self.latency_s:
            self._scheduler.after(self.latency_s, lambda: self._ncp.deliver(ezsp.UNICAST, aps, device.nwk, payload))
        else:
            self._ncp.deliver(ezsp.UNICAST, aps, device.nwk, payload)

    # Arriving.

    def _hears(self, device: Device, aps: Aps) -> bool:
        endpoint = aps[3]
        known = endpoint == 0 or endpoint in device.descriptors
        return known and device.joined and self._faults.reachable(device.ieee)

    def _arrive(self, device: Device, aps: Aps, payload: bytes, ticket: Ticket) -> None:
        profile, cluster, source, endpoint, *_ = aps
        if endpoint == 0:
            reply = zdo.answer(device, cluster, payload)
            if reply is not None:
                self._answer(device, (0, reply[0], 0, 0), reply[1], ticket)
            if cluster == zdo.MGMT_LEAVE and len(payload) >= 10:
                ticket.then(lambda: self._leave(device, payload[9]))
            return
        answer = device.receive(profile, endpoint, cluster, payload)
        if answer is not None:
            self._answer(device, (profile, cluster, endpoint, source), answer, ticket)

    def _answer(self, device: Device, way: tuple[int, int, int, int], payload: bytes, ticket: Ticket) -> None:
        if self._faults.loses_answer(device.ieee):
            return
        aps: Aps = (*way, _DEVICE_OPTIONS, 0, self._next_counter())
        delay = self._faults.answer_delay(device.ieee)
        if delay:
            self._scheduler.after(delay, lambda: ticket.then(lambda: self._deliver(device, aps, payload)))
        else:
            ticket.then(lambda: self._deliver(device, aps, payload))

    def _leave(self, device: Device, flags: int) -> None:
        if flags & _REJOIN_FLAG:
            self.announce(device)
        else:
            device.network.left(device)

    def _to_itself(self, aps: Aps, payload: bytes, ticket: Ticket) -> None:
        reply = zdo.answer(self._coordinator, aps[1], payload) if aps[3] == 0 else None
        if reply is None:
            return
        back: Aps = (0, reply[0], 0, 0, 0, 0, self._next_counter())
        ticket.then(lambda: self._ncp.deliver(ezsp.UNICAST, back, _NWK_COORDINATOR, reply[1]))

    # Sleep.

    def _keep_for(self, device: Device, arrive: Callable[[], None], fail: Callable[[], None]) -> None:
        box = self._mailboxes[device.ieee]
        now = self._scheduler.now()
        if now < box.awake_until:
            arrive()
            return
        message = BufferedMessage(arrive)
        message.expiry = self._scheduler.after(_INDIRECT_TIMEOUT_S, lambda: self._expire(box, message, fail))
        box.waiting.append(message)
        if box.poll is None:
            rounds = math.ceil((now - box.phase) / box.interval)
            box.poll = self._scheduler.at(box.phase + rounds * box.interval, lambda: self._hand_over(box))

    def _expire(self, box: ParentBuffer, message: BufferedMessage, fail: Callable[[], None]) -> None:
        box.waiting.remove(message)
        fail()

    def _hand_over(self, box: ParentBuffer) -> None:
        """The device has asked its parent: it gets what waits."""
        if box.poll is not None:
            box.poll.cancel()
            box.poll = None
        while box.waiting:
            message = box.waiting.popleft()
            if message.expiry is not None:
                message.expiry.cancel()
            message.arrive()

    def _next_counter(self) -> int:
        self._counter = self._counter + 1 & 0xFF
        return self._counter


class CoordinatorNode:
    """The coordinator as a node of its own network, as ZDO sees it."""

    role = zdo.COORDINATOR
    capabilities = 0x8F
    manufacturer_code = 0x1049
    nwk = _NWK_COORDINATOR

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.bindings: list[zdo.Binding] = []

    @property
    def address(self) -> bytes:
        return self._ncp.address

    @property
    def descriptors(self) -> dict[int, zdo.SimpleDescriptor]:
        return self._ncp.endpoints
