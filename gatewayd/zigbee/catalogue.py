"""The catalogue: rows that give a device its driver and type, by its clusters, manufacturer and model.

Rows of the user's own file are tried before those of `config/catalogue.toml`. The drivers are in `drivers/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from zigpy.zcl.clusters.general import OnOff

from gatewayd.config import parse_toml
from gatewayd.model.errors import ConfigError
from gatewayd.zigbee.drivers import DRIVERS
from gatewayd.zigbee.drivers.base import Driver

_CHANNELS: Final = "{channels}"
"""What stands in a `type_sub` for the number of channels."""


class CatalogueRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the catalogue; the head of `config/catalogue.toml` explains the keys."""

    clusters: Annotated[tuple[Annotated[int, Meta(ge=0, le=0xFFFF)], ...], Meta(min_length=1)]
    driver: str
    type_sub: str
    title: str
    manufacturer: str | None = None
    model: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: tuple[CatalogueRow, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What rows are matched with: a device's server clusters by endpoint, its manufacturer and its model."""

    clusters: dict[int, frozenset[int]]
    manufacturer: str | None = None
    model: str | None = None

    @property
    def on_off_endpoints(self) -> tuple[int, ...]:
        """The endpoints with an On/Off cluster, in order: channels 1, 2, …"""
        return tuple(sorted(endpoint for endpoint, clusters in self.clusters.items() if OnOff.cluster_id in clusters))


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    """The driver, the type and the channels of a device, by the row that fits it."""

    driver: Driver
    type_sub: str
    title: str
    channels: dict[int, int]  # channel: endpoint


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows, in the order in which they are tried."""

    rows: tuple[CatalogueRow, ...]

    @classmethod
    def shipped(cls) -> "Catalogue":
        """The rows of `config/catalogue.toml`, which the package contains."""
        return cls.parse((resources.files("gatewayd") / "data" / "catalogue.toml").read_text(encoding="utf-8"))

    @classmethod
    def load(cls, file: str) -> "Catalogue":
        """The rows of `file` (radio.catalogue; "" for none), then the shipped ones. Raises ConfigError."""
        shipped = cls.shipped()
        if not file:
            return shipped
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError((f"radio.catalogue: {file} cannot be read: {error.strerror}",)) from error
        except UnicodeDecodeError as error:
            raise ConfigError((f"radio.catalogue: {file} is not UTF-8 text",)) from error
        return cls(cls.parse(text, file).rows + shipped.rows)

    @classmethod
    def parse(cls, text: str, name: str = "catalogue") -> "Catalogue":
        """The rows of a file's text; `name` stands in errors. Raises ConfigError with the row and the key at fault."""
        try:
            rows = msgspec.convert(parse_toml(text), _File).device
        except ValueError as error:
            raise ConfigError((f"{name}: {error}",)) from error
        faults = tuple(
            f"{name}: device[{place}].{fault}" for place, row in enumerate(rows) for fault in _faults_of_row(row)
        )
        if faults:
            raise ConfigError(faults)
        return cls(rows)

    def match(self, signature: Signature) -> CatalogueMatch | None:
        """The first row that fits; None where none does."""
        for row in self.rows:
            endpoints = [end for end, clusters in signature.clusters.items() if clusters.issuperset(row.clusters)]
            if (
                endpoints
                and row.manufacturer in (None, signature.manufacturer)
                and row.model in (None, signature.model)
            ):
                switched = OnOff.cluster_id in row.clusters
                channels = signature.on_off_endpoints if switched else (min(endpoints),)
                return CatalogueMatch(
                    DRIVERS[row.driver],
                    row.type_sub.replace(_CHANNELS, str(len(channels))),
                    row.title,
                    dict(enumerate(channels, start=1)),
                )
        return None


def _faults_of_row(row: CatalogueRow) -> Iterator[str]:
    """What the types of the keys do not show: each fault begins with its key."""
    if row.driver not in DRIVERS:
        yield f"driver: found {row.driver!r}; there are: {', '.join(DRIVERS)}"
    rest = row.type_sub.replace(_CHANNELS, "")
    if "{" in rest or "}" in rest:
        yield f"type_sub: found {row.type_sub!r}; in braces stands {_CHANNELS} alone"
