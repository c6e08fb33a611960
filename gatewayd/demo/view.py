"""What `gatewayd demo` draws: the gateway, its devices, the tour's steps, what the phone hears. It fits the screen."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table

from gatewayd.admin.state_text import state_text
from gatewayd.admin.status import DeviceSnapshot, GatewayStatus, UnknownDeviceSnapshot
from gatewayd.model.errors import MalformedError
from gatewayd.model.record_wire import from_wire
from gatewayd.simulator.app_client import ReceivedMessage
from gatewayd.simulator.tour import TourStep

_FEWEST: Final = 3
_DOOR: Final = 14  # columns before an address


@dataclass(frozen=True, slots=True)
class DemoView:
    """What there is to be seen at one moment."""

    status: GatewayStatus
    devices: Sequence[DeviceSnapshot | UnknownDeviceSnapshot]
    steps: Sequence[TourStep]
    heard: Sequence[ReceivedMessage]  # the newest last
    now: float  # the loop's clock, as in `heard`


def page(sight: DemoView, addresses: Mapping[str, str], width: int, height: int) -> Group:
    """The tables from top to bottom; of steps and messages the newest that fit, of addresses at least the first."""
    head, devices = _head(sight.status), _devices(sight.devices)
    room = height - _rows(head) - _rows(devices) - 2 * _rows(_table()) - 1
    doors = _doors(addresses)
    tall = _rows(doors) + sum(len(command) // (width - _DOOR) for command in addresses.values())
    if room - tall < 2 * _FEWEST:
        doors = _doors(dict(islice(addresses.items(), 1)))
        tall = _rows(doors)
    room -= tall
    steps = max(_FEWEST, min(len(sight.steps), room - max(_FEWEST, room // 2)))
    tables = (head, doors, devices, _steps(sight.steps[-steps:]), _messages(sight, max(_FEWEST, room - steps)))
    return Group(*(Padding(table, (0, 0, 1, 0)) for table in tables[:-1]), tables[-1])


def _head(status: GatewayStatus) -> Table:
    radio = f"channel {status.radio.channel}" if status.radio.up else status.radio.trouble
    mqtt = "connected" if status.mqtt.up else status.mqtt.trouble
    waiting = ", ".join(f"{route} {depth}" for route, depth in status.outbox.items())
    table = _table(("gateway", 17), "radio", "cloud", "outbox", title="gatewayd demo: Ctrl-C ends it")
    table.add_row(str(status.gateway), str(radio), str(mqtt), waiting)
    return table


def _doors(addresses: Mapping[str, str]) -> Table:
    table = _table(("take part", 11), "by")
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"  # what is cut short cannot be copied
    for purpose, command in addresses.items():
        table.add_row(purpose, command)
    return table


def _devices(devices: Sequence[DeviceSnapshot | UnknownDeviceSnapshot]) -> Table:
    table = _table(("device", 16), "title", ("online", 7), ("battery", 8), "last change")
    for device in devices:
        if isinstance(device, UnknownDeviceSnapshot):
            table.add_row(None, device.title, "no", "-", device.state)
            continue
        battery = "-" if device.battery is None else f"{device.battery} %"
        table.add_row(device.type, device.title, "yes" if device.online else "no", battery, device.state)
    return table


def _steps(steps: Sequence[TourStep]) -> Table:
    table = _table(("took", 9), "what happened", "seen")
    for step in steps:
        table.add_row(f"{step.took_s * 1000:6.1f} ms", step.title, step.seen)
    return table


def _messages(sight: DemoView, most: int) -> Table:
    table = _table(("at", 9), "the phone hears", "that", "and it is")
    said = ((seen, words) for seen in reversed(sight.heard) if (words := _in_words(seen)) is not None)
    for seen, words in reversed(list(islice(said, most))):
        at = time.localtime(time.time() - (sight.now - seen.at))
        table.add_row(time.strftime("%H:%M:%S", at), *words)
    return table


def _in_words(seen: ReceivedMessage) -> tuple[str, str, str] | None:
    """Who says what; None for what is not a gateway's word about a device."""
    if seen.meaning is None or seen.meaning.is_request:
        return None
    try:
        record = from_wire(seen.msg)
    except MalformedError:
        return None  # an answer without a record
    return record.title, seen.meaning.desc, state_text(record)


def _table(*columns: str | tuple[str, int], title: str = "") -> Table:
    """Columns with their widths; those without share what is left."""
    table = Table(title=title, title_style="bold", title_justify="left", box=None, expand=True)
    table.header_style = "bold cyan"
    for column in columns:
        name, width = (column, None) if isinstance(column, str) else column
        table.add_column(name, width=width, ratio=None if width else 1, no_wrap=True, overflow="ellipsis")
    return table


def _rows(table: Table) -> int:
    """How many lines it takes, with the empty one after it."""
    return bool(table.title) + 1 + table.row_count + 1
