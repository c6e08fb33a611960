"""The demo's scripted tour of the gateway's main job: each step is requested at one end and checked at the other.

What is shown of it is `gatewayd.demo`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.lock import KeyType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, Environment
from gatewayd.simulator.installer import Installer
from gatewayd.simulator.radio import climate_sensor, curtain, lock, socket, switch

SWITCH = "00158d0002a00001"
LOCK = "00158d0003b00001"
SENSOR = "00158d0004c00001"
SOCKET = "00158d0005d00001"
CURTAIN = "00158d0006e00001"
SSID, PASSPHRASE = "不要上我", "nopass-nopass"  # of wifi.DEFAULT_ACCESS_POINTS

_PIN = "482913"
_KEY_NAME = "阿姨"
_FINGERPRINT_USER = 7
_OLD_TIME = "2018-04-12 12:01:02"


@dataclass(frozen=True, slots=True)
class TourStep:
    """A step that has happened: what it was, its result, and how long it took (seconds)."""

    title: str
    result: str
    took_s: float


class StepFailedError(Exception):
    """A step of the tour did not happen."""


class Tour:
    """From an empty network to an unlocked door and a gateway on Wi-Fi."""

    def __init__(self, environment: Environment, phone: AppClient, open_window: Callable[[float], bool]) -> None:
        """`open_window` is the gateway's button: it opens the provisioning window for so many seconds."""
        self._environment = environment
        self._phone = phone
        self._open_window = open_window
        self._requests_before_join = 0
        """How many requests the cloud had received when the gateway joined the Wi-Fi network."""
        network = environment.network
        self._switch = network.add(switch(SWITCH, channels=3), joined=False)
        self._lock = network.add(lock(LOCK), joined=False)
        self._sensor = network.add(climate_sensor(SENSOR), joined=False)
        self._socket = network.add(socket(SOCKET), joined=False)
        self._curtain = network.add(curtain(CURTAIN), joined=False)

    async def steps(self) -> AsyncIterator[TourStep]:
        """Play the tour, step by step. Raises StepFailedError with the step that did not happen."""
        for title, play in self._script():
            started = asyncio.get_running_loop().time()
            try:
                result = await play()
            except Exception as error:  # whatever it is, the step did not happen
                raise StepFailedError(f"{title}: {error!r}") from error
            yield TourStep(title, result, asyncio.get_running_loop().time() - started)

    async def keep_devices_busy(self) -> None:
        """After the tour: press the switch, change readings and loads, open the door, until cancelled."""
        chance = self._environment.network.chance
        while True:
            self._switch.press(1)
            self._sensor.set(temperature=20 + chance.randrange(100) / 10)
            self._socket.plug_in(chance.choice((0, 60, 1200)))
            await asyncio.sleep(1.5)
            self._lock.enter_pin(_PIN)
            await asyncio.sleep(1.5)

    def _script(self) -> tuple[tuple[str, Callable[[], Awaitable[str]]], ...]:
        return (
            ("the gateway publishes its record", self._publish_gateway),
            ("five devices join", self._join_devices),
            ("the cloud has their records", self._check_cloud_records),
            ("a sensor reports, the phone receives it", self._report_sensor),
            ("the phone switches a light, once", self._switch_light),
            ("the phone adds a PIN code to the lock", self._add_pin_code),
            ("the door is opened with it", self._open_door),
            ("an old unlock request is refused", self._refuse_old_request),
            ("an installer's phone finds the gateway", self._discover_gateway),
            ("it lists the Wi-Fi networks", self._list_networks),
            ("it puts the gateway on one, once the button is pressed", self._join_network),
            ("the gateway checks for newer firmware", self._check_firmware),
            ("the broker stops and restarts, nothing is lost", self._restart_broker),
        )

    async def _publish_gateway(self) -> str:
        message = await self._phone.expect(
            lambda message: _is_about(message, COORDINATOR) and message.meaning is OperationStatus.NORMAL
        )
        return f"{message.msg['title']}, on channel {message.msg['param']['zgb_channel']}"

    async def _join_devices(self) -> str:
        answer = await self._phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 60})
        _require(answer.meaning is OperationStatus.JOINABLE, f"the network stayed closed: {answer.meaning}")
        categories = []
        for device in (self._switch, self._lock, self._sensor, self._socket, self._curtain):
            await self._environment.network.join(device)
        for uuid in (SWITCH, LOCK, SENSOR, SOCKET, CURTAIN):
            joined = await self._phone.expect(partial(_has_joined, uuid), timeout_s=60)
            categories.append(joined.topic.split("/")[1])
        return ", ".join(categories)

    async def _check_cloud_records(self) -> str:
        expected = {COORDINATOR, SWITCH, LOCK, SENSOR, SOCKET, CURTAIN}
        cloud, owner = self._environment.cloud, self._phone.user
        async with asyncio.timeout(15):
            while not expected <= {record["uuid"] for record in cloud.records(owner)}:
                await asyncio.sleep(0.05)
        return f"{len(expected)} records"

    async def _report_sensor(self) -> str:
        self._sensor.set(temperature=23.5)
        message = await self._phone.expect(
            lambda message: _is_about(message, SENSOR) and message.msg["param"].get("temperature") == 23.5,
            timeout_s=60,
        )
        return f"{message.msg['param']['temperature']} °C"

    async def _switch_light(self) -> str:
        before = len(self._switch.executed)
        answer = await self._phone.request(
            Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1, "operate_channel_id": 2}
        )
        _require(answer.meaning is OperationStatus.CONTROLLED, f"answered {answer.meaning}")
        executed = self._switch.executed[before:]
        _require(len(executed) == 1, f"the switch executed {len(executed)} commands")
        state = await self._phone.expect(
            lambda message: (
                _is_about(message, SWITCH)
                and message.meaning is OperationStatus.DEVICE_NORMAL
                and message.msg["param"]["channel"][1]["value"] == 100
            )
        )
        return f"channel 2 is at {state.msg['param']['channel'][1]['value']}"

    async def _add_pin_code(self) -> str:
        key = {"keytype": KeyType.PASSWORD, "key_name": _KEY_NAME, "pass": _PIN}
        answer = await self._phone.request(Category.LOCK, LOCK, ExecType.CREATE, param=key)
        _require(answer.meaning is OperationStatus.CREATED, f"answered {answer.meaning}")
        return _KEY_NAME

    async def _open_door(self) -> str:
        self._lock.enter_pin(_PIN)
        event = await self._phone.expect(lambda message: _is_unlock_event(message, None), timeout_s=15)
        async with asyncio.timeout(15):
            while not self._environment.cloud.messages():
                await asyncio.sleep(0.02)
        return f"by key {event.msg['param']['keyid']}, and the cloud has the message"

    async def _refuse_old_request(self) -> str:
        before = len(self._lock.executed)
        answer = await self._phone.request(
            Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1}, create_time=_OLD_TIME
        )
        _require(answer.meaning is OperationStatus.FAILED, f"a request of 2018 was answered {answer.meaning}")
        _require(len(self._lock.executed) == before, "and the door was opened")
        return "a request of 2018 was answered 操作失败, and the door stayed locked"

    async def _discover_gateway(self) -> str:
        async with self._installer() as installer:
            record = await installer.discover()
        _require(record["uuid"] == COORDINATOR, f"found {record['uuid']}")
        return f"{record['title']}, {record['uuid']}"

    async def _list_networks(self) -> str:
        async with self._installer() as installer:
            names = [network["ssid"] for network in await installer.scan()]
        _require(SSID in names, f"listed {names}")
        return f"{len(names)} networks, {names[0]} the strongest"

    async def _join_network(self) -> str:
        async with self._installer() as installer:
            self._open_window(60)
            self._requests_before_join = len(self._environment.cloud.requests)
            record = await installer.join(SSID, PASSPHRASE)
        if record is None:
            raise StepFailedError("the network was not joined")
        await self._phone.expect(lambda message: _is_about(message, COORDINATOR) and _is_on_network(message, SSID))
        return f"it has {record['param']['ip']} on {SSID}, and has published it"

    def _installer(self) -> AbstractAsyncContextManager[Installer]:
        gateway_port, _ = self._environment.udp_ports
        return Installer.connect(gateway_port)

    async def _check_firmware(self) -> str:
        async with asyncio.timeout(15):
            while not (paths := self._version_requests()):
                await asyncio.sleep(0.02)
        return f"it requested {paths[0]}"

    def _version_requests(self) -> list[str]:
        requests = self._environment.cloud.requests[self._requests_before_join :]
        return [path for _, path, _ in requests if "versions/latest" in path]

    async def _restart_broker(self) -> str:
        since = asyncio.get_running_loop().time()
        await self._environment.broker.kill()
        self._lock.use_fingerprint(_FINGERPRINT_USER)
        self._lock.enter_pin(_PIN)
        await asyncio.sleep(0.2)
        await self._environment.broker.restart()
        await self._phone.expect(lambda message: _is_unlock_event(message, KeyType.PASSWORD), since=since)
        arrived = [
            message.msg["param"]["keytype"]
            for message in self._phone.received
            if message.at >= since and _is_unlock_event(message, None)
        ]
        _require(arrived == [KeyType.FINGERPRINT, KeyType.PASSWORD], f"arrived {arrived}")
        return "two openings arrived late, in order, each once"


def _is_unlock_event(message: ReceivedMessage, key_type: int | None) -> bool:
    """An unlock event of the lock, by a key of that type (None: of any)."""
    is_event = _is_about(message, LOCK) and message.meaning is OperationStatus.UNLOCK_EVENT
    return is_event and key_type in (None, message.msg["param"]["keytype"])


def _is_on_network(message: ReceivedMessage, ssid: str) -> bool:
    return "param" in message.msg and message.msg["param"].get("access_ssid") == ssid


def _has_joined(uuid: str, message: ReceivedMessage) -> bool:
    return _is_about(message, uuid) and message.meaning is OperationStatus.CREATED


def _is_about(message: ReceivedMessage, uuid: str) -> bool:
    return message.topic.split("/")[2:3] == [uuid] and bool(message.msg)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise StepFailedError(otherwise)
