"""The page of `gatewayd demo`: gateway, devices, the tour's steps, messages to the phone. It fits the screen."""

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

_MIN_ROWS: Final = 3
_PURPOSE_COLUMNS: Final = 14  # columns before an address


@dataclass(frozen=True, slots=True)
class DemoView:
    """What the page shows: snapshots of one moment."""

    status: GatewayStatus
    devices: Sequence[DeviceSnapshot | UnknownDeviceSnapshot]
    steps: Sequence[TourStep]
    received: Sequence[ReceivedMessage]  # by the phone, newest last
    now: float  # loop time, as in `received`


def page(view: DemoView, addresses: Mapping[str, str], width: int, height: int) -> Group:
    """The tables from top to bottom: the newest steps and messages that fit, and at least the first address."""
    head, devices = _head(view.status), _devices(view.devices)
    free = height - _rows(head) - _rows(devices) - 2 * _rows(_table()) - 1
    ways = _ways(addresses)
    ways_rows = _rows(ways) + sum(len(command) // (width - _PURPOSE_COLUMNS) for command in addresses.values())
    if free - ways_rows < 2 * _MIN_ROWS:
        ways = _ways(dict(islice(addresses.items(), 1)))
        ways_rows = _rows(ways)
    free -= ways_rows
    steps = max(_MIN_ROWS, min(len(view.steps), free - max(_MIN_ROWS, free // 2)))
    tables = (head, ways, devices, _steps(view.steps[-steps:]), _messages(view, max(_MIN_ROWS, free - steps)))
    return Group(*(Padding(table, (0, 0, 1, 0)) for table in tables[:-1]), tables[-1])


def _head(status: GatewayStatus) -> Table:
    radio = f"channel {status.radio.channel}" if status.radio.up else status.radio.trouble
    mqtt = "connected" if status.mqtt.up else status.mqtt.trouble
    waiting = ", ".join(f"{route} {depth}" for route, depth in status.outbox.items())
    table = _table(("gateway", 17), "radio", "cloud", "outbox", title="gatewayd demo: Ctrl-C ends it")
    table.add_row(str(status.gateway), str(radio), str(mqtt), waiting)
    return table


def _ways(addresses: Mapping[str, str]) -> Table:
    table = _table(("take part", 11), "by")
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"  # a command that is cut short cannot be copied
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
    table = _table(("took", 9), "step", "result")
    for step in steps:
        table.add_row(f"{step.took_s * 1000:6.1f} ms", step.title, step.result)
    return table


def _messages(view: DemoView, limit: int) -> Table:
    table = _table(("at", 9), "message to the phone", "status", "state")
    shown = (
        (message, columns) for message in reversed(view.received) if (columns := _message_columns(message)) is not None
    )
    for message, columns in reversed(list(islice(shown, limit))):
        at = time.localtime(time.time() - (view.now - message.at))
        table.add_row(time.strftime("%H:%M:%S", at), *columns)
    return table


def _message_columns(message: ReceivedMessage) -> tuple[str, str, str] | None:
    """(device, status, state) of a message; None for one that no gateway published about a device."""
    if message.meaning is None or message.meaning.is_request:
        return None
    try:
        record = from_wire(message.msg)
    except MalformedError:
        return None  # an answer without a record
    return record.title, message.meaning.desc, state_text(record)


def _table(*columns: str | tuple[str, int], title: str = "") -> Table:
    """A table of columns, each a name or (name, width); those without a width share the rest."""
    table = Table(title=title, title_style="bold", title_justify="left", box=None, expand=True)
    table.header_style = "bold cyan"
    for column in columns:
        name, width = (column, None) if isinstance(column, str) else column
        table.add_column(name, width=width, ratio=None if width else 1, no_wrap=True, overflow="ellipsis")
    return table


def _rows(table: Table) -> int:
    """The lines that a table takes, with the empty one after it."""
    return bool(table.title) + 1 + table.row_count + 1
