"""The settings: read from TOML, then from the environment (`GATEWAYD_<SECTION>_<KEY>`), and checked as a whole.

`config/gatewayd.toml` lists every key with its default and the reason for it.
"""

import os
import ssl
import stat
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, field

from gatewayd.model.errors import ConfigError
from gatewayd.model.ids import is_topic_level

DEFAULT_PATH: Final = Path("/etc/gatewayd/gatewayd.toml")
_PREFIX: Final = "GATEWAYD_"
_MAX_QUOTED: Final = 100  # characters of a value in a fault
_MAX_PASSWORD_BYTES: Final = 65_535  # MQTT's own limit

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(ge=0)]
Interval = Annotated[float, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]


class _Section(msgspec.Struct, frozen=True, kw_only=True):
    pass


class GatewaySettings(_Section, frozen=True, kw_only=True):
    title: Text = "4K智能管家"
    type_sub: Text = "AA01GW-UG"
    state_dir: Text = "/var/lib/gatewayd"
    timezone: Text = "Asia/Shanghai"


class RadioSettings(_Section, frozen=True, kw_only=True):
    driver: Literal["ezsp", "simulated"] = "ezsp"
    path: Text = "/dev/ttyUSB0"
    baudrate: Annotated[int, Meta(ge=9600, le=3_000_000)] = 115_200
    flow_control: Literal["none", "software", "hardware"] = "software"
    channel: Annotated[int, Meta(ge=0, le=26)] = 0
    catalogue: str = ""


class CloudSettings(_Section, frozen=True, kw_only=True):
    base_url: Annotated[str, Meta(pattern=r"^https?://[^/]+")] = "https://aa.zjchilink.com:8084"
    username: str = ""
    password_file: str = "/etc/gatewayd/cloud-password"  # noqa: S105  (a path)
    owner: str = ""
    register: bool = True
    insecure: bool = False
    sync_interval_s: Interval = 900
    grants_valid_s: Annotated[float, Meta(ge=60)] = 604_800


class MqttSettings(_Section, frozen=True, kw_only=True):
    host: Text = "aa.zjchilink.com"
    port: Port = 9880
    tls: bool = False
    ca_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60


class UdpSettings(_Section, frozen=True, kw_only=True):
    listen_port: Port = 9820
    announce_port: Port = 9830
    announce_interval_s: Interval = 60
    interfaces: tuple[str, ...] = ()


class WifiSettings(_Section, frozen=True, kw_only=True):
    backend: Literal["networkmanager", "none"] = "networkmanager"
    interface: str = ""
    sealed_only: bool = False
    button: str = ""
    button_key: Annotated[int, Meta(ge=1, le=0x2FF)] = 0x211


class LockSettings(_Section, frozen=True, kw_only=True):
    command_ttl_s: Annotated[float, Meta(ge=1, le=3600)] = 30
    max_keys: Annotated[int, Meta(ge=1, le=1000)] = 100


class FirmwareSettings(_Section, frozen=True, kw_only=True):
    device_type: Annotated[int, Meta(ge=1, le=6)] = 2
    installer: Literal["release", "rauc", "none"] = "none"
    check_interval_s: Annotated[float, Meta(ge=60)] = 86_400
    public_key: str = ""


class AdminSettings(_Section, frozen=True, kw_only=True):
    socket: Text = "/run/gatewayd/admin.sock"
    http: Annotated[str, Meta(pattern=r"^$|^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")] = ""


class LogSettings(_Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, valid: `load` and `from_mapping` check them."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    radio: RadioSettings = field(default_factory=RadioSettings)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    udp: UdpSettings = field(default_factory=UdpSettings)
    wifi: WifiSettings = field(default_factory=WifiSettings)
    locks: LockSettings = field(default_factory=LockSettings)
    firmware: FirmwareSettings = field(default_factory=FirmwareSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def owner(self) -> str:
        """The user under whose topics the gateway publishes and listens."""
        return self.cloud.owner or self.cloud.username

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the API's times."""
        return ZoneInfo(self.gateway.timezone)

    @property
    def state_dir(self) -> Path:
        """The folder of the databases."""
        return Path(self.gateway.state_dir)


_SECTIONS: Final[Mapping[str, type[_Section]]] = {item.name: item.type for item in msgspec.structs.fields(Settings)}


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of `path` with `environ` on top. Raises ConfigError with every fault at once."""
    try:
        raw = read_toml(path)
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror}",)) from error
    except ValueError as error:
        raise ConfigError((f"{path}: not TOML: {error}",)) from error
    return from_mapping(raw, environ)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file in UTF-8, with or without a byte-order mark. Raises OSError, ValueError."""
    return parse_toml(path.read_text(encoding="utf-8-sig"))


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML text. Raises ValueError where it is none, or too deeply nested to be read."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def from_mapping(raw: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings of `raw` (sections of keys) with `environ` on top. Raises ConfigError with every fault at once."""
    faults = [*_misplaced(raw), *_unknown_variables(environ)]
    sections = {
        name: _section(name, kind, table if isinstance(table := raw.get(name, {}), dict) else {}, environ, faults)
        for name, kind in _SECTIONS.items()
    }
    settings = Settings(**sections)  # type: ignore[arg-type]  # each section was made of the type that its field has
    faults.extend(_contradictions(settings))
    if faults:
        raise ConfigError(tuple(faults))
    return settings


def _misplaced(raw: Mapping[str, Any]) -> Iterator[str]:
    for name, table in raw.items():
        if name not in _SECTIONS:
            yield f"[{name}]: unknown section; allowed: {', '.join(_SECTIONS)}"
        elif not isinstance(table, dict):
            yield f"{name}: found {table!r}; it is a section: write [{name}]"


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = {_variable(name, item.name) for name, kind in _SECTIONS.items() for item in msgspec.structs.fields(kind)}
    for variable in sorted(environ):
        if variable.startswith(_PREFIX) and variable not in known:
            yield f"{variable}: unknown variable; it would be {_PREFIX}<SECTION>_<KEY>"


def _variable(section: str, key: str) -> str:
    return f"{_PREFIX}{section}_{key}".upper()


def _section(
    name: str, kind: type[_Section], table: Mapping[str, Any], environ: Mapping[str, str], faults: list[str]
) -> _Section:
    fields = {item.name: item for item in msgspec.structs.fields(kind)}
    faults.extend(f"{name}.{key}: unknown key; allowed: {', '.join(fields)}" for key in table if key not in fields)
    values: dict[str, Any] = {}
    for key, item in fields.items():
        variable = _variable(name, key)
        place, found = (variable, environ[variable]) if variable in environ else (f"{name}.{key}", table.get(key))
        if found is None:
            continue
        from_environment = variable in environ
        if from_environment and item.type == tuple[str, ...]:
            found = tuple(filter(None, found.split(",")))
        try:
            values[key] = value = msgspec.convert(found, item.type, strict=not from_environment)
        except msgspec.ValidationError as error:
            faults.append(f"{place}: found {found!r}; {error}")
        else:
            if isinstance(value, str) and "\0" in value:  # no file, host or name has one
                faults.append(f"{place}: found {value!r}; no NUL is allowed")
                del values[key]
    return kind(**values)


def _contradictions(settings: Settings) -> Iterator[str]:
    """Faults that the type of a single key does not show."""
    try:
        ZoneInfo(settings.gateway.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"gateway.timezone: found {settings.gateway.timezone!r}; allowed: a zone's name, as Asia/Shanghai"
    if 1 <= settings.radio.channel <= 10:
        yield f"radio.channel: found {settings.radio.channel}; allowed: 11 to 26, or 0: the quietest one"
    if not settings.cloud.username:
        yield "cloud.username: empty; allowed: the account of this gateway in the cloud"
    yield from (
        f"cloud.{key}: found {name[:_MAX_QUOTED]!r}; it stands in MQTT topics: at most 255 bytes, no / + #, no control "
        "characters, no $ in front"
        for key, name in (("username", settings.cloud.username), ("owner", settings.cloud.owner))
        if name and not is_topic_level(name)
    )
    if settings.mqtt.ca_file and (reason := _no_ca(settings.mqtt.ca_file)):
        yield f"mqtt.ca_file: found {settings.mqtt.ca_file!r}; {reason}"
    if settings.udp.listen_port == settings.udp.announce_port:
        yield f"udp.announce_port: found {settings.udp.announce_port}; it is udp.listen_port as well"
    if settings.firmware.public_key and not _is_key(settings.firmware.public_key):
        yield "firmware.public_key: allowed: an Ed25519 public key, 64 hex digits"


def _no_ca(file: str) -> str | None:
    """Why `file` holds no certificates; None where it does."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "no certificate is in it (PEM)"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def without_effect(settings: Settings) -> Iterator[str]:
    """Valid settings that this version does not use, each with the reason."""
    if settings.admin.http:
        yield f"admin.http: found {settings.admin.http!r}; this version serves no status page and no /metrics yet"
    if settings.firmware.installer != "none":
        yield f"firmware.installer: found {settings.firmware.installer!r}; this version reports firmware, installs none"
    if settings.firmware.public_key:
        yield "firmware.public_key: this version installs no firmware and checks no signature"


def insecure_connections(settings: Settings) -> Iterator[str]:
    """Connections that others on the way can read and change, unless `cloud.insecure` says that they are meant."""
    if settings.cloud.insecure:
        return
    if not settings.mqtt.tls and not _is_loopback(settings.mqtt.host):
        yield (
            f"mqtt.tls: false: whoever is on the way to {settings.mqtt.host} reads the password and can operate"
            " the locks; set it where the broker speaks TLS, or cloud.insecure = true if this is meant"
        )
    url = urlsplit(settings.cloud.base_url)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        yield (
            f"cloud.base_url: http: whoever is on the way to {url.hostname} reads the password and can change answers;"
            " use https, or cloud.insecure = true if this is meant"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False


def load_password(settings: Settings, environ: Mapping[str, str]) -> str:
    """The cloud account's password: systemd's credential `cloud-password`, else `cloud.password_file`.

    Raises ConfigError where there is none, or where other users can read the file. No message contains the password.
    """
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (path := Path(credentials, "cloud-password")).exists():
        return _read_password(path, "the credential cloud-password")
    path = Path(settings.cloud.password_file)
    place = f"cloud.password_file {path}"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError((f"{place}: cannot be read: {os.strerror(error.errno or 0)}",)) from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ConfigError((f"{place}: others can read it or its group can write it; chmod 600 it",))
    return _read_password(path, place)


def _read_password(path: Path, place: str) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # an editor's byte-order mark is no part of it
            password = file.read(_MAX_PASSWORD_BYTES + 1).strip("\r\n")
    except OSError as error:
        raise ConfigError((f"{place}: cannot be read: {os.strerror(error.errno or 0)}",)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((f"{place}: not UTF-8 text",)) from error
    if not password:
        raise ConfigError((f"{place}: empty",))
    if "\0" in password or len(password.encode()) > _MAX_PASSWORD_BYTES:
        raise ConfigError((f"{place}: longer than {_MAX_PASSWORD_BYTES} bytes, or a NUL in it (UTF-16?)",))
    return password
