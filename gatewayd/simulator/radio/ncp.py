"""The coordinator (NCP): what each EZSP command does to it.

A method under "EZSP commands" is a row of `ezsp.COMMANDS`, which gives the types of its parameters (`Any` where there
are many) and of the response. Framing is `ash`'s, messages to and from devices are `medium`'s.
"""

import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from gatewayd.simulator.radio import ezsp, zdo
from gatewayd.simulator.radio.ezsp import (
    EmberStatus,
    EzspCallback,
    EzspConfigId,
    EzspMfgTokenId,
    EzspStatus,
    EzspValueId,
    Field,
    SecurityManagerKeyType,
    SlStatus,
)
from gatewayd.simulator.radio.network import Flash, NetworkParameters
from gatewayd.simulator.radio.scheduler import Scheduler

Aps = tuple[int, int, int, int, int, int, int]
"""profile, cluster, source endpoint, destination endpoint, options, group, sequence"""

_CURRENT_SECURITY_BITMASK = 0x0094
"""Trust centre with a hashed link key, which it has."""
_DEFAULT_CONFIGURATION: dict[int, int] = {
    EzspConfigId.KEY_TABLE_SIZE: 4,
    EzspConfigId.ADDRESS_TABLE_SIZE: 16,
    EzspConfigId.MULTICAST_TABLE_SIZE: 16,
    EzspConfigId.SECURITY_LEVEL: 5,
}
_VERSION_7_4_5 = bytes((0, 0, 7, 4, 5, 0, 0xAA))
_MFG_TOKENS: dict[int, bytes] = {
    EzspMfgTokenId.STRING: b"gatewayd".ljust(16, b"\xff"),
    EzspMfgTokenId.BOARD_NAME: b"simulator".ljust(16, b"\xff"),
}
_NO_MFG_TOKEN = b"\xff\xff"
_TOKEN_EUI64 = 0x0000_E12A
_TOKEN_CHILD = 0x0001_0580
_CHILD_CAPABILITIES = 0x80
_COUNTERS = 41
_CHANNELS = range(11, 27)
_FOR_EVER = 0xFF
"""The duration of permitJoining that has no end."""
_NULL_EUI64 = b"\xff" * 8


class PendingAck:
    """Runs actions once the host has acknowledged a response: some hosts take callbacks only after that."""

    __slots__ = ("_actions", "_confirmed")

    def __init__(self) -> None:
        self._confirmed = False
        self._actions: deque[Callable[[], None]] = deque()

    def then(self, action: Callable[[], None]) -> None:
        """Run `action` after the acknowledgement; at once where it has come."""
        if self._confirmed:
            action()
        else:
            self._actions.append(action)

    def confirm(self) -> None:
        """The acknowledgement has come."""
        self._confirmed = True
        while self._actions:
            self._actions.popleft()()


class Host(Protocol):
    """The connected host."""

    @property
    def is_full(self) -> bool:
        """Whether no more messages can be buffered for it."""
        ...

    def callback(self, frame: bytes) -> None:
        """Send a frame that the host has not asked for."""


class Medium(Protocol):
    """What the coordinator needs of the radio medium."""

    def drop_buffered(self) -> None: ...

    def unicast(self, nwk: int, aps: Aps, tag: int, payload: bytes, ack: PendingAck) -> int:
        """Accept a message to be sent; returns an EmberStatus."""

    def broadcast(self, aps: Aps, payload: bytes) -> None: ...
    def nwk_of(self, address: bytes) -> int | None: ...
    def address_of(self, nwk: int) -> bytes | None: ...

    def remove(self, address: bytes) -> bool:
        """Make a device leave; False where it is not in the network."""


class Ncp:
    """The coordinator's state, in RAM and in `flash`. `host` is the connected host; None while there is none."""

    def __init__(self, address: bytes, flash: Flash, scheduler: Scheduler) -> None:
        """`address` is the factory's EUI64, least significant byte first."""
        self._factory_address = address
        self.flash = flash
        self._scheduler = scheduler
        self.medium: Medium
        self.host: Host | None = None
        self._handlers = {row.id: (row, getattr(self, row.name)) for row in ezsp.COMMANDS.values()}
        self._queued_callbacks: list[bytes] = []
        self._sequence = 0
        self._is_handling = False
        self._aps_sequence = 0
        self.pending_ack = PendingAck()
        """Of the response to the last request."""
        self.power_cycle()

    def power_cycle(self) -> None:
        """Lose everything but the flash; the network is down until the host starts it."""
        self.running = False
        self.permit_until = 0.0
        self.endpoints: dict[int, zdo.SimpleDescriptor] = {}
        self._configuration = dict(_DEFAULT_CONFIGURATION)
        self._policies: dict[int, bytes] = {}
        self._multicast: dict[int, tuple[int, int]] = {}
        self._extended_timeouts: set[bytes] = set()
        self._address_table: dict[int, tuple[bytes, int]] = {}
        self._queued_callbacks.clear()

    @property
    def address(self) -> bytes:
        """The EUI64 in use, least significant byte first."""
        written = self.flash.tokens.get((_TOKEN_EUI64, 0), _NULL_EUI64)
        return self._factory_address if written == _NULL_EUI64 else written

    @property
    def permits_joining(self) -> bool:
        return self.running and self._scheduler.now() < self.permit_until

    # Between the host's session and the commands.

    def handle(self, data: bytes) -> bytes | None:
        """The response to a host's frame; None where it is none. Its callbacks wait for `send_queued_callbacks`."""
        request = ezsp.parse_request(data)
        if request is None:
            return None
        self._sequence = request.sequence
        self.pending_ack = PendingAck()
        found = self._handlers.get(request.command)
        if found is None:
            return request.response(ezsp.INVALID_COMMAND.id, bytes((EzspStatus.ERROR_INVALID_FRAME_ID,)))
        row, handler = found
        self._is_handling = True
        try:
            fields = handler(*row.parameters.unpack(request.parameters))
        except struct.error:
            return request.response(ezsp.INVALID_COMMAND.id, bytes((EzspStatus.ERROR_TRUNCATED,)))
        finally:
            self._is_handling = False
        return request.response(row.id, row.response.pack(fields))

    def send_queued_callbacks(self) -> None:
        """The response has been sent: send the callbacks that the request caused."""
        queued, self._queued_callbacks = self._queued_callbacks, []
        if self.host is not None:
            for frame in queued:
                self.host.callback(frame)

    def send_callback(self, callback: EzspCallback, *fields: Field) -> None:
        self._send(callback.frame(self._sequence, *fields))

    def deliver(self, type_: int, aps: Aps, sender: int, payload: bytes) -> None:
        """Pass a device's message to the host (incomingMessageHandler); lost while the buffers are full."""
        if self.running and self.host is not None and not self.host.is_full:
            self._send(ezsp.incoming_message(self._sequence, type_, aps, sender, payload))

    def _send(self, frame: bytes) -> None:
        if self._is_handling:
            self._queued_callbacks.append(frame)
        elif self.host is not None:
            self.host.callback(frame)

    # EZSP commands: start-up, and what the firmware is.

    def version(self, desired: int) -> tuple[Field, ...]:
        return ezsp.PROTOCOL_VERSION, ezsp.STACK_TYPE_MESH, ezsp.STACK_VERSION

    def nop(self) -> tuple[Field, ...]:
        return ()

    def echo(self, data: bytes) -> tuple[Field, ...]:
        return (data,)

    def add_endpoint(self, endpoint: int, *description: Any) -> tuple[Field, ...]:
        profile, device_type, version, inputs, outputs, lists = description
        numbers = struct.unpack_from(f"<{inputs + outputs}H", lists)
        self.endpoints[endpoint] = zdo.SimpleDescriptor(
            endpoint, profile, device_type, version, numbers[:inputs], numbers[inputs:]
        )
        return (EmberStatus.SUCCESS,)

    def get_mfg_token(self, token: int) -> tuple[Field, ...]:
        if token == EzspMfgTokenId.CUSTOM_EUI_64:
            return (_NULL_EUI64,)
        return (_MFG_TOKENS.get(token, _NO_MFG_TOKEN),)

    def get_configuration_value(self, number: int) -> tuple[Field, ...]:
        return EmberStatus.SUCCESS, self._configuration.get(number, 0)

    def set_configuration_value(self, number: int, value: int) -> tuple[Field, ...]:
        self._configuration[number] = value
        return (EmberStatus.SUCCESS,)

    def set_policy(self, policy: int, decision: bytes) -> tuple[Field, ...]:
        self._policies[policy] = decision
        return (EmberStatus.SUCCESS,)

    def get_policy(self, policy: int) -> tuple[Field, ...]:
        return EmberStatus.SUCCESS, self._policies.get(policy, b"\x00")

    def get_value(self, value: int) -> tuple[Field, ...]:
        if value == EzspValueId.VERSION_INFO:
            return EmberStatus.SUCCESS, _VERSION_7_4_5
        if value == EzspValueId.FREE_BUFFERS:
            return EmberStatus.SUCCESS, b"\xff"
        return EzspStatus.ERROR_INVALID_ID, b""

    def set_value(self, value: int, data: bytes) -> tuple[Field, ...]:
        if value == EzspValueId.NWK_FRAME_COUNTER:
            self.flash.frame_counter = int.from_bytes(data, "little")
        return (EmberStatus.SUCCESS,)

    def get_extended_value(self, value: int, characteristics: int) -> tuple[Field, ...]:
        return EzspStatus.ERROR_INVALID_ID, bytes(2)

    def get_token_data(self, token: int, index: int) -> tuple[Field, ...]:
        value = self.flash.tokens.get((token, index), _NULL_EUI64 if token == _TOKEN_EUI64 else None)
        if value is None:
            return EmberStatus.ERR_FATAL, b""
        return EmberStatus.SUCCESS, struct.pack("<I", len(value)) + value

    def set_token_data(self, token: int, index: int, data: bytes) -> tuple[Field, ...]:
        self.flash.tokens[token, index] = data
        self.flash.save()
        return (EmberStatus.SUCCESS,)

    def token_factory_reset(self, _keep_frame_counter: int, _keep_boot_counter: int) -> tuple[Field, ...]:
        self.flash.erase()
        return ()

    def set_manufacturer_code(self, code: int) -> tuple[Field, ...]:
        return ()

    def set_radio_power(self, power: int) -> tuple[Field, ...]:
        return (EmberStatus.SUCCESS,)

    def set_radio_cca_mode(self, mode: int) -> tuple[Field, ...]:
        return (EmberStatus.SUCCESS,)

    def read_counters(self) -> tuple[Field, ...]:
        return (bytes(2 * _COUNTERS),)

    def read_and_clear_counters(self) -> tuple[Field, ...]:
        return self.read_counters()

    def start_scan(self, type_: int, channels: int, duration: int) -> tuple[Field, ...]:
        scanned = [channel for channel in _CHANNELS if channels & 1 << channel]
        if type_ == ezsp.ENERGY_SCAN:
            for channel in scanned:
                self.send_callback(ezsp.ENERGY_SCAN_RESULT, channel, -70 - channel % 5)
        self.send_callback(ezsp.SCAN_COMPLETE, scanned[-1] if scanned else 0, EmberStatus.SUCCESS)
        return (EmberStatus.SUCCESS,)

    # EZSP commands: the network.

    def network_init(self, options: int) -> tuple[Field, ...]:
        if self.flash.network is None:
            return (EmberStatus.NOT_JOINED,)
        self._start_network()
        return (EmberStatus.SUCCESS,)

    def network_state(self) -> tuple[Field, ...]:
        return (ezsp.EmberNetworkStatus.JOINED_NETWORK if self.running else ezsp.EmberNetworkStatus.NO_NETWORK,)

    def form_network(self, *parameters: Any) -> tuple[Field, ...]:
        if self.running:
            return (EmberStatus.INVALID_CALL,)
        self.flash.network = NetworkParameters(*parameters)
        self.flash.save()
        self._start_network()
        return (EmberStatus.SUCCESS,)

    def leave_network(self) -> tuple[Field, ...]:
        if not self.running:
            return (EmberStatus.INVALID_CALL,)
        self.flash.network = None
        self.flash.save()
        self.running = False
        self.send_callback(ezsp.STACK_STATUS, EmberStatus.NETWORK_DOWN)
        return (EmberStatus.SUCCESS,)

    def get_network_parameters(self) -> tuple[Field, ...]:
        if self.flash.network is None or not self.running:
            return EmberStatus.NOT_JOINED, 0, bytes(8), 0, 0, 0, 0, 0, 0, 0
        return EmberStatus.SUCCESS, ezsp.EmberNodeType.COORDINATOR, *self.flash.network.fields()

    def permit_joining(self, seconds: int) -> tuple[Field, ...]:
        if not self.running:
            return (EmberStatus.NETWORK_DOWN,)
        self.permit_until = float("inf") if seconds == _FOR_EVER else self._scheduler.now() + seconds
        return (EmberStatus.SUCCESS,)

    def get_eui64(self) -> tuple[Field, ...]:
        return (self.address,)

    def get_node_id(self) -> tuple[Field, ...]:
        return (zdo.NWK_COORDINATOR,)

    def set_concentrator(self, *_settings: Field) -> tuple[Field, ...]:
        return (EmberStatus.SUCCESS,)

    def set_source_route_discovery_mode(self, mode: int) -> tuple[Field, ...]:
        return (0,)

    def _start_network(self) -> None:
        self.running = True
        self.send_callback(ezsp.STACK_STATUS, EmberStatus.NETWORK_UP)

    # EZSP commands: keys.

    def set_initial_security_state(
        self, _bitmask: int, link_key: bytes, network_key: bytes, sequence: int, _trust_center: bytes
    ) -> tuple[Field, ...]:
        self.flash.link_key, self.flash.network_key = link_key, network_key
        self.flash.network_key_sequence = sequence
        self.flash.save()
        return (EmberStatus.SUCCESS,)

    def get_current_security_state(self) -> tuple[Field, ...]:
        return EmberStatus.SUCCESS, _CURRENT_SECURITY_BITMASK, self.address

    def export_key(self, type_: int, _context: bytes) -> tuple[Field, ...]:
        keys: dict[int, bytes] = {
            SecurityManagerKeyType.NETWORK: self.flash.network_key,
            SecurityManagerKeyType.TRUST_CENTER_LINK: self.flash.link_key,
        }
        if type_ not in keys:
            return bytes(16), SlStatus.NOT_FOUND
        return keys[type_], SlStatus.OK

    def get_network_key_info(self) -> tuple[Field, ...]:
        return SlStatus.OK, 1, 0, self.flash.network_key_sequence, 0, self.flash.frame_counter

    def import_link_key(self, index: int, address: bytes, key: bytes) -> tuple[Field, ...]:
        self.flash.link_keys[index] = (address, key)
        self.flash.save()
        return (SlStatus.OK,)

    def export_link_key(self, index: int) -> tuple[Field, ...]:
        if index not in self.flash.link_keys:
            return bytes(8), bytes(16), 0, 0, 0, 0, SlStatus.NOT_FOUND
        address, key = self.flash.link_keys[index]
        return address, key, 0, 0, 0, 0, SlStatus.OK

    def import_transient_key(self, address: bytes, key: bytes, flags: int) -> tuple[Field, ...]:
        return (SlStatus.OK,)

    def clear_transient_link_keys(self) -> tuple[Field, ...]:
        return ()

    def find_key_table_entry(self, address: bytes, _link_key: int) -> tuple[Field, ...]:
        return (next((i for i, (owner, _) in self.flash.link_keys.items() if owner == address), ezsp.NULL_INDEX),)

    def erase_key_table_entry(self, index: int) -> tuple[Field, ...]:
        self.flash.link_keys.pop(index, None)
        return (EmberStatus.SUCCESS,)

    def clear_key_table(self) -> tuple[Field, ...]:
        self.flash.link_keys.clear()
        return (EmberStatus.SUCCESS,)

    def gp_sink_table_clear(self) -> tuple[Field, ...]:
        return ()

    # EZSP commands: tables.

    def get_multicast_table_entry(self, index: int) -> tuple[Field, ...]:
        if index >= self._configuration[EzspConfigId.MULTICAST_TABLE_SIZE]:
            return EmberStatus.INDEX_OUT_OF_RANGE, 0, 0, 0
        return EmberStatus.SUCCESS, *self._multicast.get(index, (0, 0)), 0

    def set_multicast_table_entry(self, index: int, group: int, endpoint: int, _rest: bytes) -> tuple[Field, ...]:
        self._multicast[index] = (group, endpoint)
        return (EmberStatus.SUCCESS,)

    def get_child_data(self, index: int) -> tuple[Field, ...]:
        return EmberStatus.NOT_JOINED, _NULL_EUI64, 0, ezsp.NULL_NODE_ID, 0, 0, 0, 0

    def set_child_data(self, index: int, address: bytes, _kind: int, nwk: int, _rest: bytes) -> tuple[Field, ...]:
        self.flash.tokens[_TOKEN_CHILD, index] = address + struct.pack("<HB", nwk, _CHILD_CAPABILITIES)
        return (EmberStatus.SUCCESS,)

    def set_extended_timeout(self, address: bytes, extended: int) -> tuple[Field, ...]:
        (self._extended_timeouts.add if extended else self._extended_timeouts.discard)(address)
        return ()

    def get_extended_timeout(self, address: bytes) -> tuple[Field, ...]:
        return (address in self._extended_timeouts,)

    def lookup_node_id(self, address: bytes) -> tuple[Field, ...]:
        nwk = self.medium.nwk_of(address)
        return (ezsp.NULL_NODE_ID if nwk is None else nwk,)

    def lookup_eui64(self, nwk: int) -> tuple[Field, ...]:
        address = self.medium.address_of(nwk)
        return (EmberStatus.ERR_FATAL, bytes(8)) if address is None else (EmberStatus.SUCCESS, address)

    def get_address_table_eui64(self, index: int) -> tuple[Field, ...]:
        return (self._address_table.get(index, (_NULL_EUI64, ezsp.NULL_NODE_ID))[0],)

    def get_address_table_node_id(self, index: int) -> tuple[Field, ...]:
        return (self._address_table.get(index, (_NULL_EUI64, ezsp.NULL_NODE_ID))[1],)

    def replace_address_table_entry(self, index: int, address: bytes, nwk: int, extended: int) -> tuple[Field, ...]:
        old_address, old_nwk = self._address_table.get(index, (_NULL_EUI64, ezsp.NULL_NODE_ID))
        was_extended = old_address in self._extended_timeouts
        self._address_table[index] = (address, nwk)
        self.set_extended_timeout(address, extended)
        return EmberStatus.SUCCESS, old_address, old_nwk, was_extended

    # EZSP commands: messages.

    def send_unicast(self, _kind: int, nwk: int, *rest: Any) -> tuple[Field, ...]:
        *aps, tag, payload = rest
        sequence = self._next_aps_sequence()
        if not self.running:
            return EmberStatus.NETWORK_DOWN, sequence
        frame: Aps = (*aps[:6], sequence)
        return self.medium.unicast(nwk, frame, tag, payload, self.pending_ack), sequence

    def send_broadcast(self, _destination: int, *rest: Any) -> tuple[Field, ...]:
        *aps, _radius, _tag, payload = rest
        sequence = self._next_aps_sequence()
        if not self.running:
            return EmberStatus.NETWORK_DOWN, sequence
        self.medium.broadcast((*aps[:6], sequence), payload)
        return EmberStatus.SUCCESS, sequence

    def proxy_broadcast(self, _source: int, destination: int, _nwk_sequence: int, *rest: Any) -> tuple[Field, ...]:
        return self.send_broadcast(destination, *rest)

    def send_multicast(self, *_message: Field) -> tuple[Field, ...]:
        """Accepted and dropped: no simulated device is in a group."""
        return (EmberStatus.SUCCESS if self.running else EmberStatus.NETWORK_DOWN), self._next_aps_sequence()

    def send_reply(self, *_message: Field) -> tuple[Field, ...]:
        return (EmberStatus.SUCCESS if self.running else EmberStatus.NETWORK_DOWN,)

    def remove_device(self, _nwk: int, _parent: bytes, address: bytes) -> tuple[Field, ...]:
        return (EmberStatus.SUCCESS if self.medium.remove(address) else EmberStatus.NOT_FOUND,)

    def _next_aps_sequence(self) -> int:
        self._aps_sequence = self._aps_sequence + 1 & 0xFF
        return self._aps_sequence
