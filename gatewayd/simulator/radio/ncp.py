"""The coordinator itself: what each EZSP command does to it. A method here is a row of `ezsp.COMMANDS`,
which says the types of what it takes (`Any` where there are many) and gives.

Framing is `ash`'s, the devices and the air between are `medium`'s; `host` is whoever is connected, if anybody is.
"""

import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from gatewayd.simulator.radio import ezsp, zdo
from gatewayd.simulator.radio.ezsp import SUCCESS, EzspCallback, Field
from gatewayd.simulator.radio.network import Flash, NetworkParameters
from gatewayd.simulator.radio.scheduler import Scheduler

Aps = tuple[int, int, int, int, int, int, int]
"""profile, cluster, source endpoint, destination endpoint, options, group, sequence"""

_NO_NETWORK, _JOINED_NETWORK = 0x00, 0x02
_NODE_COORDINATOR = 0x01
_NOBODY = 0xFFFF
_NETWORK_KEY, _LINK_KEY = 1, 2
_SECURITY_MODE = 0x0094
"""Trust centre with a hashed link key, which it has."""
_ENERGY_SCAN = 0
_KEY_TABLE_SIZE, _ADDRESS_TABLE_SIZE, _MULTICAST_TABLE_SIZE = 0x1E, 0x05, 0x06
_DEFAULT_CONFIGURATION = {_KEY_TABLE_SIZE: 4, _ADDRESS_TABLE_SIZE: 16, _MULTICAST_TABLE_SIZE: 16, 0x0D: 5}
_VALUE_FREE_BUFFERS, _VALUE_VERSION, _VALUE_FRAME_COUNTER = 0x03, 0x11, 0x23
_VERSION_7_4_5 = bytes((0, 0, 7, 4, 5, 0, 0xAA))
_MFG_STRING, _MFG_BOARD, _MFG_CUSTOM_EUI64 = 0x01, 0x02, 0x0C
_TOKENS = {_MFG_STRING: b"gatewayd".ljust(16, b"\xff"), _MFG_BOARD: b"simulator".ljust(16, b"\xff")}
_TOKEN_EUI64 = 0x0000_E12A
_TOKEN_CHILD = 0x0001_0580
_COUNTERS = 41
_NO_ADDRESS = b"\xff" * 8


class Ticket:
    """Holds back what follows a response until the host has acknowledged it: some hosts listen only then."""

    __slots__ = ("_actions", "_confirmed")

    def __init__(self) -> None:
        self._confirmed = False
        self._actions: deque[Callable[[], None]] = deque()

    def then(self, action: Callable[[], None]) -> None:
        if self._confirmed:
            action()
        else:
            self._actions.append(action)

    def confirm(self) -> None:
        self._confirmed = True
        while self._actions:
            self._actions.popleft()()


class Host(Protocol):
    def callback(self, frame: bytes) -> None:
        """Send an unasked frame to the host."""


class Medium(Protocol):
    """What the coordinator needs of the air around it."""

    def unicast(self, nwk: int, aps: Aps, tag: int, payload: bytes, ticket: Ticket) -> int:
        """Take a message to be sent; returns an EmberStatus."""

    def broadcast(self, aps: Aps, payload: bytes) -> None: ...
    def nwk_of(self, address: bytes) -> int | None: ...
    def address_of(self, nwk: int) -> bytes | None: ...
    def remove(self, address: bytes) -> bool: ...


class Ncp:
    def __init__(self, address: bytes, flash: Flash, scheduler: Scheduler) -> None:
        self._factory_address = address
        self.flash = flash
        self._scheduler = scheduler
        self.medium: Medium
        self.host: Host | None = None
        self._handlers = {row.id: (row, getattr(self, row.name)) for row in ezsp.COMMANDS.values()}
        self._queued: list[bytes] = []
        self._sequence = 0
        self._handling = False
        self._aps_sequence = 0
        self.ticket = Ticket()
        self.power_cycle()

    def power_cycle(self) -> None:
        """All but the flash is forgotten; the network is down until the host starts it."""
        self.running = False
        self.permit_until = 0.0
        self.endpoints: dict[int, zdo.SimpleDescriptor] = {}
        self._configuration = dict(_DEFAULT_CONFIGURATION)
        self._policies: dict[int, bytes] = {}
        self._multicast: dict[int, tuple[int, int]] = {}
        self._patient: set[bytes] = set()
        self._address_table: dict[int, tuple[bytes, int]] = {}
        self._queued.clear()

    @property
    def address(self) -> bytes:
        own = self.flash.tokens.get((_TOKEN_EUI64, 0), _NO_ADDRESS)
        return self._factory_address if own == _NO_ADDRESS else own

    @property
    def permits_joining(self) -> bool:
        return self.running and self._scheduler.now() < self.permit_until

    # Between the line and the commands.

    def handle(self, data: bytes) -> bytes | None:
        """The response to a host's frame. Callbacks that it causes are kept for `release`."""
        request = ezsp.parse_request(data)
        if request is None:
            return None
        self._sequence = request.sequence
        self.ticket = Ticket()
        known = self._handlers.get(request.command)
        if known is None:
            return request.response(ezsp.INVALID_COMMAND.id, bytes((ezsp.EZSP_INVALID_FRAME_ID,)))
        row, handler = known
        self._handling = True
        try:
            fields = handler(*row.takes.unpack(request.parameters))
        except struct.error:
            return request.response(ezsp.INVALID_COMMAND.id, bytes((ezsp.EZSP_TRUNCATED,)))
        finally:
            self._handling = False
        return request.response(row.id, row.gives.pack(fields))

    def release(self) -> None:
        """The response is on its way: what it caused may follow."""
        queued, self._queued = self._queued, []
        if self.host is not None:
            for frame in queued:
                self.host.callback(frame)

    def tell(self, callback: EzspCallback, *fields: Field) -> None:
        self._out(callback.frame(self._sequence, *fields))

    def deliver(self, kind: int, aps: Aps, sender: int, payload: bytes) -> None:
        """A message from the air, for the host."""
        if self.running and self.host is not None:
            self._out(ezsp.incoming_message(self._sequence, kind, aps, sender, payload))

    def _out(self, frame: bytes) -> None:
        if self._handling:
            self._queued.append(frame)
        elif self.host is not None:
            self.host.callback(frame)

    # Starting, and what the firmware is.

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
        return (SUCCESS,)

    def get_mfg_token(self, token: int) -> tuple[Field, ...]:
        if token == _MFG_CUSTOM_EUI64:
            return (_NO_ADDRESS,)
        return (_TOKENS.get(token, b"\xff\xff"),)

    def get_configuration_value(self, number: int) -> tuple[Field, ...]:
        return SUCCESS, self._configuration.get(number, 0)

    def set_configuration_value(self, number: int, value: int) -> tuple[Field, ...]:
        self._configuration[number] = value
        return (SUCCESS,)

    def set_policy(self, policy: int, decision: bytes) -> tuple[Field, ...]:
        self._policies[policy] = decision
        return (SUCCESS,)

    def get_policy(self, policy: int) -> tuple[Field, ...]:
        return SUCCESS, self._policies.get(policy, b"\x00")

    def get_value(self, value: int) -> tuple[Field, ...]:
        if value == _VALUE_VERSION:
            return SUCCESS, _VERSION_7_4_5
        if value == _VALUE_FREE_BUFFERS:
            return SUCCESS, b"\xff"
        return ezsp.EZSP_INVALID_ID, b""

    def set_value(self, value: int, data: bytes) -> tuple[Field, ...]:
        if value == _VALUE_FRAME_COUNTER:
            self.flash.frame_counter = int.from_bytes(data, "little")
        return (SUCCESS,)

    def get_extended_value(self, value: int, characteristics: int) -> tuple[Field, ...]:
        return ezsp.EZSP_INVALID_ID, bytes(2)

    def get_token_data(self, token: int, index: int) -> tuple[Field, ...]:
        kept = self.flash.tokens.get((token, index), _NO_ADDRESS if token == _TOKEN_EUI64 else None)
        if kept is None:
            return ezsp.ERR_FATAL, b""
        return SUCCESS, struct.pack("<I", len(kept)) + kept

    def set_token_data(self, token: int, index: int, data: bytes) -> tuple[Field, ...]:
        self.flash.tokens[token, index] = data
        self.flash.save()
        return (SUCCESS,)

    def token_factory_reset(self, _keep_frame_counter: int, _keep_boot_counter: int) -> tuple[Field, ...]:
        self.flash.erase()
        return ()

    def set_manufacturer_code(self, code: int) -> tuple[Field, ...]:
        return ()

    def set_radio_power(self, power: int) -> tuple[Field, ...]:
        return (SUCCESS,)

    def set_radio_cca_mode(self, mode: int) -> tuple[Field, ...]:
        return (SUCCESS,)

    def read_counters(self) -> tuple[Field, ...]:
        return (bytes(2 * _COUNTERS),)

    def read_and_clear_counters(self) -> tuple[Field, ...]:
        return self.read_counters()

    def start_scan(self, kind: int, channels: int, duration: int) -> tuple[Field, ...]:
        wanted = [channel for channel in range(11, 27) if channels & 1 << channel]
        if kind == _ENERGY_SCAN:
            for channel in wanted:
                self.tell(ezsp.ENERGY_SCAN_RESULT, channel, -70 - channel % 5)
        self.tell(ezsp.SCAN_COMPLETE, wanted[-1] if wanted else 0, SUCCESS)
        return (SUCCESS,)

    # The network.

    def network_init(self, options: int) -> tuple[Field, ...]:
        if self.flash.network is None:
            return (ezsp.NOT_JOINED,)
        self._come_up()
        return (SUCCESS,)

    def network_state(self) -> tuple[Field, ...]:
        return (_JOINED_NETWORK if self.running else _NO_NETWORK,)

    def form_network(self, *parameters: Any) -> tuple[Field, ...]:
        if self.running:
            return (ezsp.INVALID_CALL,)
        self.flash.network = NetworkParameters(*parameters)
        self.flash.save()
        self._come_up()
        return (SUCCESS,)

    def leave_network(self) -> tuple[Field, ...]:
        if not self.running:
            return (ezsp.INVALID_CALL,)
        self.flash.network = None
        self.flash.save()
        self.running = False
        self.tell(ezsp.STACK_STATUS, ezsp.NETWORK_DOWN)
        return (SUCCESS,)

    def get_network_parameters(self) -> tuple[Field, ...]:
        if self.flash.network is None or not self.running:
            return ezsp.NOT_JOINED, 0, bytes(8), 0, 0, 0, 0, 0, 0, 0
        return SUCCESS, _NODE_COORDINATOR, *self.flash.network.fields()

    def permit_joining(self, seconds: int) -> tuple[Field, ...]:
        if not self.running:
            return (ezsp.NETWORK_DOWN,)
        self.permit_until = float("inf") if seconds == 0xFF else self._scheduler.now() + seconds
        return (SUCCESS,)

    def get_eui64(self) -> tuple[Field, ...]:
        return (self.address,)

    def get_node_id(self) -> tuple[Field, ...]:
        return (0x0000,)

    def set_concentrator(self, *_settings: Field) -> tuple[Field, ...]:
        return (SUCCESS,)

    def set_source_route_discovery_mode(self, mode: int) -> tuple[Field, ...]:
        return (0,)

    def _come_up(self) -> None:
        self.running = True
        self.tell(ezsp.STACK_STATUS, ezsp.NETWORK_UP)

    # Keys.

    def set_initial_security_state(
        self, _bitmask: int, link_key: bytes, network_key: bytes, sequence: int, _trust_center: bytes
    ) -> tuple[Field, ...]:
        self.flash.link_key, self.flash.network_key = link_key, network_key
        self.flash.network_key_sequence = sequence
        self.flash.save()
        return (SUCCESS,)

    def get_current_security_state(self) -> tuple[Field, ...]:
        return SUCCESS, _SECURITY_MODE, self.address

    def export_key(self, kind: int, _context: bytes) -> tuple[Field, ...]:
        keys = {_NETWORK_KEY: self.flash.network_key, _LINK_KEY: self.flash.link_key}
        if kind not in keys:
            return bytes(16), ezsp.SL_NOT_FOUND
        return keys[kind], ezsp.SL_OK

    def get_network_key_info(self) -> tuple[Field, ...]:
        return ezsp.SL_OK, 1, 0, self.flash.network_key_sequence, 0, self.flash.frame_counter

    def import_link_key(self, index: int, address: bytes, key: bytes) -> tuple[Field, ...]:
        self.flash.link_keys[index] = (address, key)
        self.flash.save()
        return (ezsp.SL_OK,)

    def export_link_key(self, index: int) -> tuple[Field, ...]:
        if index not in self.flash.link_keys:
            return bytes(8), bytes(16), 0, 0, 0, 0, ezsp.SL_NOT_FOUND
        address, key = self.flash.link_keys[index]
        return address, key, 0, 0, 0, 0, ezsp.SL_OK

    def import_transient_key(self, address: bytes, key: bytes, flags: int) -> tuple[Field, ...]:
        return (ezsp.SL_OK,)

    def clear_transient_link_keys(self) -> tuple[Field, ...]:
        return ()

    def find_key_table_entry(self, address: bytes, _link_key: int) -> tuple[Field, ...]:
        return (next((i for i, (whose, _) in self.flash.link_keys.items() if whose == address), 0xFF),)

    def erase_key_table_entry(self, index: int) -> tuple[Field, ...]:
        self.flash.link_keys.pop(index, None)
        return (SUCCESS,)

    def clear_key_table(self) -> tuple[Field, ...]:
        self.flash.link_keys.clear()
        return (SUCCESS,)

    def gp_sink_table_clear(self) -> tuple[Field, ...]:
        return ()

    # Tables.

    def get_multicast_table_entry(self, index: int) -> tuple[Field, ...]:
        if index >= self._configuration[_MULTICAST_TABLE_SIZE]:
            return ezsp.INDEX_OUT_OF_RANGE, 0, 0, 0
        return SUCCESS, *self._multicast.get(index, (0, 0)), 0

    def set_multicast_table_entry(self, index: int, group: int, endpoint: int, _rest: bytes) -> tuple[Field, ...]:
        self._multicast[index] = (group, endpoint)
        return (SUCCESS,)

    def get_child_data(self, index: int) -> tuple[Field, ...]:
        return ezsp.NOT_JOINED, _NO_ADDRESS, 0, _NOBODY, 0, 0, 0, 0

    def set_child_data(self, index: int, address: bytes, _kind: int, nwk: int, _rest: bytes) -> tuple[Field, ...]:
        self.flash.tokens[_TOKEN_CHILD, index] = address + struct.pack("<HB", nwk, 0x80)
        return (SUCCESS,)

    def set_extended_timeout(self, address: bytes, extended: int) -> tuple[Field, ...]:
        (self._patient.add if extended else self._patient.discard)(address)
        return ()

    def get_extended_timeout(self, address: bytes) -> tuple[Field, ...]:
        return (address in self._patient,)

    def lookup_node_id(self, address: bytes) -> tuple[Field, ...]:
        nwk = self.medium.nwk_of(address)
        return (_NOBODY if nwk is None else nwk,)

    def lookup_eui64(self, nwk: int) -> tuple[Field, ...]:
        address = self.medium.address_of(nwk)
        return (ezsp.ERR_FATAL, bytes(8)) if address is None else (SUCCESS, address)

    def get_address_table_eui64(self, index: int) -> tuple[Field, ...]:
        return (self._address_table.get(index, (_NO_ADDRESS, _NOBODY))[0],)

    def get_address_table_node_id(self, index: int) -> tuple[Field, ...]:
        return (self._address_table.get(index, (_NO_ADDRESS, _NOBODY))[1],)

    def replace_address_table_entry(self, index: int, address: bytes, nwk: int, extended: int) -> tuple[Field, ...]:
        old_address, old_nwk = self._address_table.get(index, (_NO_ADDRESS, _NOBODY))
        was_patient = old_address in self._patient
        self._address_table[index] = (address, nwk)
        self.set_extended_timeout(address, extended)
        return SUCCESS, old_address, old_nwk, was_patient

    # Messages.

    def send_unicast(self, _kind: int, nwk: int, *rest: Any) -> tuple[Field, ...]:
        *aps, tag, payload = rest
        sequence = self._next_aps_sequence()
        if not self.running:
            return ezsp.NETWORK_DOWN, sequence
        frame: Aps = (*aps[:6], sequence)
        return self.medium.unicast(nwk, frame, tag, payload, self.ticket), sequence

    def send_broadcast(self, _destination: int, *rest: Any) -> tuple[Field, ...]:
        *aps, _radius, _tag, payload = rest
        sequence = self._next_aps_sequence()
        if not self.running:
            return ezsp.NETWORK_DOWN, sequence
        self.medium.broadcast((*aps[:6], sequence), payload)
        return SUCCESS, sequence

    def proxy_broadcast(self, _source: int, destination: int, _nwk_sequence: int, *rest: Any) -> tuple[Field, ...]:
        return self.send_broadcast(destination, *rest)

    def send_multicast(self, *_message: Field) -> tuple[Field, ...]:
        """Nobody in the simulated house is in a group."""
        return (SUCCESS if self.running else ezsp.NETWORK_DOWN), self._next_aps_sequence()

    def send_reply(self, *_message: Field) -> tuple[Field, ...]:
        return (SUCCESS if self.running else ezsp.NETWORK_DOWN,)

    def remove_device(self, _nwk: int, _parent: bytes, address: bytes) -> tuple[Field, ...]:
        return (SUCCESS if self.medium.remove(address) else ezsp.NOT_FOUND,)

    def _next_aps_sequence(self) -> int:
        self._aps_sequence = self._aps_sequence + 1 & 0xFF
        return self._aps_sequence
