"""The configuration: every fault at once, each with its key, the value found and what is allowed."""

import os
import tomllib
from pathlib import Path

import msgspec
import pytest

from gatewayd.config import Settings, from_mapping, insecure_connections, load, load_password
from gatewayd.model.errors import ConfigError

SHIPPED = Path(__file__).parents[1] / "config" / "gatewayd.toml"
ENOUGH = {"cloud": {"username": "18900000001"}}


def test_shipped_file_has_every_key_with_its_default() -> None:
    shipped = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    defaults = msgspec.to_builtins(Settings())
    assert shipped == msgspec.to_builtins(defaults | {"udp": defaults["udp"] | {"interfaces": []}})


def test_every_fault_is_reported_at_once_with_its_key() -> None:
    with pytest.raises(ConfigError) as refused:
        from_mapping(
            {
                "radio": {"baudrate": "fast", "chanel": 11, "channel": 5},
                "gateway": {"timezone": "Mars/Olympus"},
                "mqtt": {"port": 0},
                "udp": 7,
                "zigbee": {},
            },
            {"GATEWAYD_LOG_LEVEL": "loud", "GATEWAYD_RADIO_PAHT": "/dev/null"},
        )
    faults = refused.value.faults
    for place in (
        "radio.baudrate: found 'fast'",
        "radio.chanel: unknown key",
        "radio.channel: found 5",
        "gateway.timezone: found 'Mars/Olympus'",
        "mqtt.port: found 0",
        "udp: found 7",
        "[zigbee]: unknown section",
        "GATEWAYD_LOG_LEVEL: found 'loud'",
        "GATEWAYD_RADIO_PAHT: unknown variable",
        "cloud.username: empty",
    ):
        assert any(fault.startswith(place) for fault in faults), (place, faults)
    assert len(faults) == 10


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_text('[mqtt]\nport = 1883\n[cloud]\nusername = "a"\n', encoding="utf-8")
    settings = load(file, {"GATEWAYD_MQTT_PORT": "1884", "GATEWAYD_UDP_INTERFACES": "eth0,wlan0", "HOME": "/"})
    assert settings.mqtt.port == 1884
    assert settings.udp.interfaces == ("eth0", "wlan0")
    assert settings.owner == "a"


@pytest.mark.parametrize("text", ["[mqtt\n", "\xff"])
def test_file_that_is_not_toml_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="not TOML"):
        load(file, {})
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "missing.toml", {})


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("no certificate", "no certificate is in it")])
def test_ca_file_without_a_certificate_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=rf"mqtt\.ca_file: found .*{reason}"):
        from_mapping(ENOUGH | {"mqtt": {"tls": True, "ca_file": str(file)}}, {})


def test_owner_with_topic_characters_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cloud\.owner"):
        from_mapping({"cloud": {"username": "a", "owner": "+"}}, {})


def test_credential_is_read_before_the_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from-file\n")
    file.chmod(0o600)
    settings = from_mapping({"cloud": {"username": "a", "password_file": str(file)}}, {})
    assert load_password(settings, {}) == "from-file"
    (tmp_path / "cloud-password").write_text("from-credential")
    assert load_password(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "from-credential"


def test_password_file_readable_by_others_is_refused_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter22")
    file.chmod(0o644)
    settings = from_mapping({"cloud": {"username": "a", "password_file": str(file)}}, {})
    with pytest.raises(ConfigError, match="chmod 600") as refused:
        load_password(settings, os.environ)
    assert "hunter22" not in str(refused.value)
    file.chmod(0o600)
    file.write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        load_password(settings, {})


@pytest.mark.parametrize(
    ("mqtt", "cloud", "warned_of"),
    [
        ({"host": "127.0.0.1"}, {"base_url": "http://localhost:8084"}, []),
        ({"host": "aa.zjchilink.com"}, {"base_url": "https://aa.zjchilink.com"}, ["mqtt.tls"]),
        ({"host": "aa.zjchilink.com", "tls": True}, {"base_url": "https://aa.zjchilink.com"}, []),
        ({"host": "::1"}, {"base_url": "http://192.168.1.2:8000"}, ["cloud.base_url"]),
        ({"host": "a.b"}, {"base_url": "http://a.b"}, ["mqtt.tls", "cloud.base_url"]),
        ({"host": "a.b"}, {"base_url": "http://a.b", "insecure": True}, []),
    ],
)
def test_connection_without_tls_outside_loopback_is_warned_of(
    mqtt: dict[str, object], cloud: dict[str, object], warned_of: list[str]
) -> None:
    settings = from_mapping({"mqtt": mqtt, "cloud": {"username": "1", **cloud}}, {})
    assert [warning.split(":")[0] for warning in insecure_connections(settings)] == warned_of


@pytest.mark.parametrize("text", ["a = " + "[" * 3000, "a = " + "1" * 5000], ids=["deep", "a number of 5,000 digits"])
def test_toml_that_python_cannot_read_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="not TOML"):
        load(file, {})


def test_byte_order_mark_is_no_part_of_settings_and_password(tmp_path: Path) -> None:
    password, file = tmp_path / "password", tmp_path / "gatewayd.toml"
    password.write_bytes(b"\xef\xbb\xbfgeheim\r\n")
    password.chmod(0o600)
    file.write_text(f'\ufeff[cloud]\nusername = "a"\npassword_file = "{password}"\n', encoding="utf-8")
    assert load_password(load(file, {}), {}) == "geheim"


@pytest.mark.parametrize("content", [b"\xff\xfes\0", b"a\0b", b"x" * 70_000], ids=["UTF-16", "NUL", "too long"])
def test_password_that_mqtt_cannot_carry_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="password_file"):
        load_password(from_mapping({"cloud": {"username": "a", "password_file": str(file)}}, {}), {})


def test_value_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gateway\.state_dir: .*no NUL"):
        from_mapping(ENOUGH | {"gateway": {"state_dir": "/a\0b"}}, {})


@pytest.mark.parametrize("name", ["a#b", "a/b", "\x01", "$share", "x" * 256], ids=repr)
def test_username_that_cannot_be_a_topic_level_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"cloud\.username"):
        from_mapping({"cloud": {"username": name}}, {})
