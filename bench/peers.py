"""The programs that are measured (gatewayd, bare zigpy, zigbee2mqtt): how each is started, its topics and payloads."""

import asyncio
import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from bench.bare_zigpy import TOPIC
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment, daemon_toml
from gatewayd.simulator.radio.devices.climate import TEMPERATURE
from gatewayd.simulator.radio.devices.common import ON_OFF

CACHE = Path(__file__).parents[1] / ".cache" / "bench"
ZIGBEE2MQTT = "2.14.1"
NODE = "22"


class Peer(ABC):
    """A program on a simulated environment; its files are in `state`."""

    name: str
    subscribe: str = "#"

    def __init__(self, environment: Environment, state: Path) -> None:
        self.environment = environment
        self.state = state
        self.state.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def command_line(self) -> tuple[list[str], dict[str, str]]:
        """The command, and variables for its environment."""

    @abstractmethod
    def is_ready(self, topic: str, payload: Any) -> bool:
        """True for the message with which it is ready."""

    @abstractmethod
    def permit_join(self) -> tuple[str, bytes] | None:
        """The message that permits joining; None where it is always permitted."""

    @abstractmethod
    def joined(self, topic: str, payload: Any) -> str | None:
        """The uuid of a device, where the message is that it is usable."""

    @abstractmethod
    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        """The message that switches a one-channel switch; `number` is unique."""

    @abstractmethod
    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        """(uuid, °C) where the message is a sensor's state."""

    @abstractmethod
    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        """(uuid, on) where the message is a switch's state."""

    def prepare(self) -> None:  # noqa: B027  (most need nothing)
        """Write its files; called before each start."""


class Gatewayd(Peer):
    """This project."""

    name = "gatewayd"

    def prepare(self) -> None:
        configuration = daemon_toml(self.environment, self.state) + '[log]\nlevel = "warning"\n'
        (self.state / "gatewayd.toml").write_text(configuration, encoding="utf-8")

    def command_line(self) -> tuple[list[str], dict[str, str]]:
        start = "from gatewayd.cli import main; main(prog_name='gatewayd')"
        # -P: what is measured is the package of PYTHONPATH or of the environment, not one in the present folder.
        return [sys.executable, "-P", "-c", start, "run", "--config", str(self.state / "gatewayd.toml")], {}

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == f"{OWNER}/gw/{COORDINATOR}/update" and payload.get("desc") == OperationStatus.NORMAL.desc

    def permit_join(self) -> tuple[str, bytes]:
        return self._request("gw", COORDINATOR, "create", OperationStatus.CREATE_REQUESTED, {"duration": 254}, "permit")

    def joined(self, topic: str, payload: Any) -> str | None:
        _, _, uuid, exectype = topic.split("/")
        return (
            uuid
            if exectype == "create" and uuid != COORDINATOR and payload.get("desc") == OperationStatus.CREATED.desc
            else None
        )

    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        param = {"operate": int(on), "operate_channel_id": 1}
        return self._request(
            "switch", uuid, "control", OperationStatus.CONTROL_REQUESTED, param, f"bench-{self.state.name}-{number}"
        )

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
        self, category: str, uuid: str, exectype: str, status: OperationStatus, param: dict[str, Any], sn: str
    ) -> tuple[str, bytes]:
        msg = {"sn": sn, "category": category, "uuid": uuid, "param": param}
        payload = json.dumps({"msg": msg, "status": status.code, "desc": status.desc}).encode()
        return f"{OWNER}/{category}/{uuid}/{exectype}", payload


def baseline(checkout: Path) -> type[Gatewayd]:
    """gatewayd as it is in another checkout, such as one of before a change."""

    class Baseline(Gatewayd):
        """The same program from `checkout`."""

        name = "baseline"

        def command_line(self) -> tuple[list[str], dict[str, str]]:
            arguments, variables = super().command_line()
            return arguments, {**variables, "PYTHONPATH": str(checkout.resolve())}

    return Baseline


class BareZigpy(Peer):
    """`bench/bare_zigpy.py`, with zigpy's own database."""

    name = "bare zigpy"
    user = "bare-zigpy"

    def command_line(self) -> tuple[list[str], dict[str, str]]:
        broker = self.environment.broker
        database = str(self.state / "zigbee.db")
        script = [sys.executable, "-m", "bench.bare_zigpy", self.environment.radio_url, database]
        return [*script, broker.host, str(broker.port), self.user, PASSWORD], {}

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == f"{TOPIC}/ready"

    def permit_join(self) -> None:
        return None

    def joined(self, topic: str, payload: Any) -> str | None:
        return topic.split("/")[1] if topic.endswith("/joined") else None

    def command(self, uuid: str, *, on: bool, number: int) -> tuple[str, bytes]:
        return f"{TOPIC}/{uuid}/set", f"1 {'ON' if on else 'OFF'}".encode()

    def temperature(self, topic: str, payload: Any) -> tuple[str, float] | None:
        is_temperature = topic.endswith("/state") and payload["cluster"] == TEMPERATURE
        return (topic.split("/")[1], payload["value"] / 100) if is_temperature else None

    def switched(self, topic: str, payload: Any) -> tuple[str, bool] | None:
        if not topic.endswith("/state") or payload["cluster"] != ON_OFF or payload["endpoint"] != 1:
            return None
        return topic.split("/")[1], bool(payload["value"])


class Zigbee2Mqtt(Peer):
    """zigbee2mqtt from npm, with a Node of its own."""

    name = "zigbee2mqtt"
    user = "zigbee2mqtt"

    @staticmethod
    async def install() -> bool:
        """Install it into the cache; False where npm fails."""
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
  user: {self.user}
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
        # Inside a Git checkout it would take that commit for its own, and rebuild itself.
        environment = {"ZIGBEE2MQTT_DATA": str(self.state), "GIT_DIR": os.devnull}
        return [str(node or shutil.which("node")), str(program)], environment

    def is_ready(self, topic: str, payload: Any) -> bool:
        return topic == "zigbee2mqtt/bridge/extensions"  # its last message at start; "online" comes too early

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
