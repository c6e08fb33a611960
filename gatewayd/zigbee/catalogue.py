"""The catalogue: which device is what, read from `config/catalogue.toml` and a file of the user's own, which may add
rows and overrule them. Adding a device is adding a row.
"""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from gatewayd.model.errors import ConfigError
from gatewayd.zigbee.drivers import DRIVERS
from gatewayd.zigbee.drivers.base import Driver

ON_OFF = 0x0006


class CatalogueRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the catalogue, as the file's head explains it."""

    clusters: Annotated[tuple[int, ...], Meta(min_length=1)]
    driver: str
    type_sub: str
    title: str
    manufacturer: str | None = None
    model: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: tuple[CatalogueRow, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a device says of itself: its server clusters by endpoint, and its own words."""

    clusters: dict[int, frozenset[int]]
    manufacturer: str | None = None
    model: str | None = None

    @property
    def switched(self) -> tuple[int, ...]:
        """The endpoints that switch something, in order: channel 1, 2, …"""
        return tuple(sorted(endpoint for endpoint, clusters in self.clusters.items() if ON_OFF in clusters))


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    """A row that fits, with what it says of this device."""

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
        """The catalogue that came with this gatewayd."""
        return cls.read((resources.files("gatewayd") / "data" / "catalogue.toml").read_text(encoding="utf-8"))

    @classmethod
    def load(cls, own: str) -> "Catalogue":
        """The rows of the file `own` (radio.catalogue; "" for none), then the shipped ones. Raises ConfigError."""
        shipped = cls.shipped()
        if not own:
            return shipped
        try:
            text = Path(own).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError((f"radio.catalogue: {own} cannot be read: {error.strerror}",)) from error
        except UnicodeDecodeError as error:
            raise ConfigError((f"radio.catalogue: {own} is not UTF-8 text",)) from error
        return cls(cls.read(text, own).rows + shipped.rows)

    @classmethod
    def read(cls, text: str, name: str = "catalogue") -> "Catalogue":
        """The rows of a file. Raises ConfigError with the row and the key that are wrong."""
        try:
            rows = msgspec.convert(tomllib.loads(text), _File).device
        except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
            raise ConfigError((f"{name}: {error}",)) from error
        faults = tuple(
            f"{name}: device[{place}].driver: found {row.driver!r}; there are: {', '.join(DRIVERS)}"
            for place, row in enumerate(rows)
            if row.driver not in DRIVERS
        )
        if faults:
            raise ConfigError(faults)
        return cls(rows)

    def match(self, signature: Signature) -> CatalogueMatch | None:
        """The first row that fits; None for a device that nobody has described yet."""
        for row in self.rows:
            endpoints = [end for end, has in signature.clusters.items() if has.issuperset(row.clusters)]
            if endpoints and _says(row.manufacturer, signature.manufacturer) and _says(row.model, signature.model):
                ends = signature.switched if ON_OFF in row.clusters else (min(endpoints),)
                return CatalogueMatch(
                    DRIVERS[row.driver],
                    row.type_sub.format(channels=len(ends)),
                    row.title,
                    dict(enumerate(ends, start=1)),
                )
        return None


def _says(wanted: str | None, found: str | None) -> bool:
    return wanted is None or wanted == found
