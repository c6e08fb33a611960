"""What is measured: gatewayd, the bare zigpy floor, zigbee2mqtt. Each is a process of its own on the same world."""

import asyncio
import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment

CACHE = Path(__file__).parents[1] / ".cache" / "bench"
ZIGBEE2MQTT = "2.14.1"
NODE = "22"


class Peer(ABC):
    """How to start it, what its topics and payloads look like."""

    name: str
    subscribe: str = "#"

    def __init__(self, environment: Environment, state: Path) -> None:
        self.environment = environment
        self.state = state
        self.state.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def command_line(self) -> tuple[list[str], dict[str, str]]:
        """What to run, and what to add to its environment."""

    @abstractmethod
    def is_ready(self, topic: str, payload: Any) -> bool:
        """True for the message that says that it works."""

    @abstractmethod
    def permit_join(self) -> tuple[str, bytes] | None:
        """The message that lets devices join; None where they may anyway."""

    @abstractmethod
    def joined(self, topic: str, payload: Any) -> str | None:
        """The uuid of the device that this message says is usable now."""

    @abstractmethod
    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        """The message that switches a one-channel switch; `number` is unlike any before."""

    @abstractmethod
    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        """(uuid, °C) where the message is a sensor's state."""

    @abstractmethod
    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        """(uuid, on) where the message is a switch's state."""

    def prepare(self) -> None:  # noqa: B027  (most need nothing)
        """Write what it needs; called before each start."""


class Gatewayd(Peer):
    """This project."""

    name = "gatewayd"

    def prepare(self) -> None:
        password = self.state / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        (self.state / "gatewayd.toml").write_text(
            f'''
[gateway]
state_dir = "{self.state}"
[radio]
path = "{self.environment.radio_url}"
[cloud]
base_url = "{self.environment.cloud.base_url}"
username = "{OWNER}"
password_file = "{password}"
[mqtt]
host = "{self.environment.broker.host}"
port = {self.environment.broker.port}
[udp]
listen_port = {self.environment.udp_ports[0]}
announce_port = {self.environment.udp_ports[1]}
interfaces = ["lo"]
[wifi]
backend = "none"
[admin]
socket = "{self.state}/admin.sock"
[log]
level = "warning"
''',
            encoding="utf-8",
        )

    def command_line(self) -> tuple[list[str], dict[str, str]]:
        start = "from gatewayd.cli import main; main(prog_name='gatewayd')"
        return [sys.executable, "-c", start, "run", "--config", str(self.state / "gatewayd.toml")], {}

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == f"{OWNER}/gw/{COORDINATOR}/update" and payload.get("desc") == "正常状态"

    def permit_join(self) -> tuple[str, bytes]:
        return self._request("gw", COORDINATOR, "create", "请求添加信息", {"duration": 254}, "permit")

    def joined(self, topic: str, payload: Any) -> str | None:
        _, _, uuid, exectype = topic.split("/")
        return uuid if exectype == "create" and uuid != COORDINATOR and payload.get("desc") == "添加信息成功" else None

    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        param = {"operate": int(on), "operate_channel_id": 1}
        return self._request("switch", uuid, "control", "请求控制设备", param, f"bench-{self.state.name}-{number}")

    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        _, category, uuid, exectype = topic.split("/")
        is_state = category == "sensor" and exectype == "update"
        return (uuid, payload["msg"]["param"]["temperature"]) if is_state else None

    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        _, category, uuid, exectype = topic.split("/")
        if category != "switch" or exectype != "update":
            return None
        return uuid, payload["msg"]["param"]["channel"][0]["value"] == 100

    def _request(
        self, category: str, uuid: str, exectype: str, desc: str, param: dict[str, Any], sn: str
    ) -> tuple[str, bytes]:
        msg = {"sn": sn, "category": category, "uuid": uuid, "param": param}
        payload = json.dumps({"msg": msg, "status": 200503, "desc": desc}).encode()
        return f"{OWNER}/{category}/{uuid}/{exectype}", payload


class Floor(Peer):
    """`bench/floor.py`, with zigpy's database as shipped."""

    name = "bare zigpy"

    def command_line(self) -> tuple[list[str], dict[str, str]]:
        broker = self.environment.broker
        database = str(self.state / "zigbee.db")
        script = [sys.executable, "-m", "bench.floor", self.environment.radio_url, database]
        return [*script, broker.host, str(broker.port), "floor", PASSWORD], {}

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == "floor/ready"

    def permit_join(self) -> None:
        return None

    def joined(self, topic: str, payload: Any) -> str | None:
        return topic.split("/")[1] if topic.endswith("/joined") else None

    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        return f"floor/{uuid}/set", f"1 {'ON' if on else 'OFF'}".encode()

    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        is_temperature = topic.endswith("/state") and payload["cluster"] == 0x0402
        return (topic.split("/")[1], payload["value"] / 100) if is_temperature else None

    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        if not topic.endswith("/state") or payload["cluster"] != 0x0006 or payload["endpoint"] != 1:
            return None
        return topic.split("/")[1], bool(payload["value"])


class Zigbee2Mqtt(Peer):
    """zigbee2mqtt from npm, with its own Node where the machine's is too old."""

    name = "zigbee2mqtt"

    @staticmethod
    async def install() -> bool:
        """Bring it into the cache; False where npm cannot."""
        if shutil.which("npm") is None:
            return False
        if (CACHE / "node_modules" / "zigbee2mqtt").exists():
            return True
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").write_text('{"private": true}')
        platform = "arm64" if os.uname().machine == "aarch64" else "x64"
        packages = (f"zigbee2mqtt@{ZIGBEE2MQTT}", f"node-linux-{platform}@{NODE}")
        install = await asyncio.create_subprocess_exec(
            "npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--silent", *packages, cwd=CACHE
        )
        return await install.wait() == 0

    def prepare(self) -> None:
        if (self.state / "configuration.yaml").exists():
            return
        broker = self.environment.broker
        (self.state / "configuration.yaml").write_text(
            f"""
version: 5
homeassistant: {{enabled: false}}
frontend: {{enabled: false}}
mqtt:
  base_topic: zigbee2mqtt
  server: mqtt://{broker.host}:{broker.port}
  user: zigbee2mqtt
  password: {PASSWORD}
serial:
  port: {self.environment.radio_url.replace("socket://", "tcp://")}
  adapter: ember
advanced:
  log_level: warning
  log_output: [console]
  network_key: GENERATE
  pan_id: GENERATE
  channel: 15
"""
        )

    def command_line(self) -> tuple[list[str], dict[str, str]]:
        node = next((CACHE / "node_modules").glob("node-linux-*/bin/node"), None)
        program = CACHE / "node_modules" / "zigbee2mqtt" / "index.js"
        # It takes the commit of any Git checkout around it for its own, and would build itself anew.
        environment = {"ZIGBEE2MQTT_DATA": str(self.state), "GIT_DIR": os.devnull}
        return [str(node or shutil.which("node")), str(program)], environment

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == "zigbee2mqtt/bridge/extensions"  # the last thing it says at start; it is "online" too early

    def permit_join(self) -> tuple[str, bytes]:
        return "zigbee2mqtt/bridge/request/permit_join", b'{"time": 254}'

    def joined(self, topic: str, payload: Any) -> str | None:
        if topic != "zigbee2mqtt/bridge/event" or payload.get("type") != "device_interview":
            return None
        done = payload["data"].get("status") == "successful"
        return str(payload["data"]["ieee_address"])[2:] if done else None

    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        return f"zigbee2mqtt/0x{uuid}/set", json.dumps({"state": "ON" if on else "OFF"}).encode()

    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        uuid = topic.removeprefix("zigbee2mqtt/0x")
        return (uuid, payload["temperature"]) if "temperature" in payload and "/" not in uuid else None

    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        uuid = topic.removeprefix("zigbee2mqtt/0x")
        state = payload.get("state") if isinstance(payload, dict) else None
        return (uuid, state == "ON") if state is not None and "/" not in uuid else None
