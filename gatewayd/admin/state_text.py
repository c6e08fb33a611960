"""A device's state in a line for people, from its record. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from gatewayd.model.record import LockParam, Param, Record, SwitchParam

_FIELDS: Final[tuple[tuple[str, str | Mapping[int, str]], ...]] = (
    ("operate", {0: "locked", 1: "unlocked", 2: "held open"}),
    ("position", "{} % open"),
    ("temperature", "{} °C"),
    ("humidity", "{} % humid"),
    ("illuminance", "{} lx"),
    ("occupancy", {False: "nobody there", True: "somebody there"}),
    ("alarm", {False: "quiet", True: "alarm"}),
    ("tamper", {False: "untouched", True: "tampered with"}),
    ("low_battery", {False: "battery good", True: "battery low"}),
)
"""Fields of a record's param and how they are shown. `operate` is shown for locks alone: it is their state, and of
other devices the last operation."""


def state_text(record: Record) -> str:
    """What the record says of its device, in one line; empty where that is nothing."""
    param = record.param
    if isinstance(param, SwitchParam):
        channels = " ".join("-" if one.value is None else "on" if one.value else "off" for one in param.channel)
        power = getattr(param, "power", None)
        return channels if power is None else f"{channels} {power:g} W"
    texts = (_field_text(param, name, form) for name, form in _FIELDS)
    return ", ".join(text for text in texts if text is not None)


def clusters_text(clusters: Iterable[int]) -> str:
    """Cluster ids as a row of the catalogue writes them: `0x0006 0x0101`."""
    return " ".join(f"{cluster:#06x}" for cluster in clusters)


def _field_text(param: Param, name: str, form: str | Mapping[int, str]) -> str | None:
    value = getattr(param, name, None)
    if value is None or (name == "operate" and not isinstance(param, LockParam)):
        return None
    return form.format(value) if isinstance(form, str) else form.get(value, str(value))
