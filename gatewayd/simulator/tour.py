"""The scripted tour of the main job: each step is asked for at one end and proved at the other, and timed."""

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
NETWORK, PASSPHRASE = "不要上我", "nopass-nopass"  # of simulator.wifi.HALLWAY


@dataclass(frozen=True, slots=True)
class TourStep:
    """One step that really happened: what it was, what was seen, and how long it took (seconds)."""

    title: str
    seen: str
    took_s: float


class StepFailedError(Exception):
    """A step of the tour did not happen."""


class Tour:
    """The main job, from an empty network to an unlocked door, in the order that an installer would see it."""

    def __init__(self, environment: Environment, phone: AppClient, open_window: Callable[[float], bool]) -> None:
        """`open_window` is the gateway's button: for so many seconds an installer may put it on a network."""
        self._environment = environment
        self._phone = phone
        self._open_window = open_window
        self._asked_before = 0
        """So many requests the cloud had had when the gateway was put on a network."""
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
                seen = await play()
            except Exception as error:  # whatever it was, the step did not happen
                raise StepFailedError(f"{title}: {error!r}") from error
            yield TourStep(title, seen, asyncio.get_running_loop().time() - started)

    async def live_on(self) -> None:
        """After the tour the house goes on: somebody switches, somebody comes home, the weather changes."""
        while True:
            self._switch.press(1)
            self._sensor.set(temperature=20 + self._environment.network.chance.randrange(100) / 10)
            self._socket.plug_in(self._environment.network.chance.choice((0, 60, 1200)))
            await asyncio.sleep(1.5)
            self._lock.enter_pin("482913")
            await asyncio.sleep(1.5)

    def _script(self) -> tuple[tuple[str, Callable[[], Awaitable[str]]], ...]:
        return (
            ("the gateway says that it is there", self._gateway_is_there),
            ("five devices join", self._devices_join),
            ("the cloud has their records", self._cloud_has_records),
            ("a sensor reports, the phone sees it", self._sensor_reports),
            ("the phone switches a light, once", self._phone_switches),
            ("a password is put into the lock", self._key_is_added),
            ("somebody opens the door with it", self._door_is_opened),
            ("a stranger is refused", self._stranger_is_refused),
            ("an installer's phone finds the gateway", self._gateway_is_found),
            ("it lists the Wi-Fi networks", self._networks_are_listed),
            ("it puts the gateway on one, once the button is pressed", self._network_is_joined),
            ("the firmware is looked up, now that there is a network", self._firmware_is_looked_up),
            ("the broker dies and comes back, nothing is lost", self._broker_comes_back),
        )

    async def _gateway_is_there(self) -> str:
        seen = await self._phone.expect(
            lambda seen: _is_about(seen, COORDINATOR) and seen.meaning is OperationStatus.NORMAL
        )
        return f"{seen.msg['title']}, on channel {seen.msg['param']['zgb_channel']}"

    async def _devices_join(self) -> str:
        answer = await self._phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 60})
        _demand(answer.meaning is OperationStatus.JOINABLE, f"the network stayed closed: {answer.meaning}")
        titles = []
        for device in (self._switch, self._lock, self._sensor, self._socket, self._curtain):
            await self._environment.network.join(device)
        for uuid in (SWITCH, LOCK, SENSOR, SOCKET, CURTAIN):
            joined = await self._phone.expect(partial(_has_joined, uuid), timeout_s=60)
            titles.append(joined.topic.split("/")[1])
        return ", ".join(titles)

    async def _cloud_has_records(self) -> str:
        wanted = {COORDINATOR, SWITCH, LOCK, SENSOR, SOCKET, CURTAIN}
        async with asyncio.timeout(15):
            while missing := wanted - {record["uuid"] for record in self._environment.cloud.records(self._phone.user)}:
                await asyncio.sleep(0.05)
        return f"{len(wanted - missing)} records"

    async def _sensor_reports(self) -> str:
        self._sensor.set(temperature=23.5)
        seen = await self._phone.expect(
            lambda seen: _is_about(seen, SENSOR) and seen.msg["param"].get("temperature") == 23.5, timeout_s=60
        )
        return f"{seen.msg['param']['temperature']} °C"

    async def _phone_switches(self) -> str:
        before = len(self._switch.executed)
        answer = await self._phone.request(
            Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1, "operate_channel_id": 2}
        )
        _demand(answer.meaning is OperationStatus.CONTROLLED, f"answered {answer.meaning}")
        executed = self._switch.executed[before:]
        _demand(len(executed) == 1, f"the switch was told {len(executed)} times")
        state = await self._phone.expect(
            lambda seen: (
                _is_about(seen, SWITCH)
                and seen.meaning is OperationStatus.DEVICE_NORMAL
                and seen.msg["param"]["channel"][1]["value"] == 100
            )
        )
        return f"channel 2 is at {state.msg['param']['channel'][1]['value']}"

    async def _key_is_added(self) -> str:
        answer = await self._phone.request(
            Category.LOCK, LOCK, ExecType.CREATE, param={"keytype": 0, "key_name": "阿姨", "pass": "482913"}
        )
        _demand(answer.meaning is OperationStatus.CREATED, f"answered {answer.meaning}")
        return "阿姨"

    async def _door_is_opened(self) -> str:
        self._lock.enter_pin("482913")
        event = await self._phone.expect(
            lambda seen: _is_about(seen, LOCK) and seen.meaning is OperationStatus.UNLOCK_EVENT, timeout_s=15
        )
        async with asyncio.timeout(15):
            while not self._environment.cloud.messages():
                await asyncio.sleep(0.02)
        return f"key {event.msg['param']['keyid']} opened it, and the cloud has the message"

    async def _stranger_is_refused(self) -> str:
        before = len(self._lock.executed)
        stale = await self._phone.request(
            Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1}, create_time="2018-04-12 12:01:02"
        )
        _demand(stale.meaning is OperationStatus.FAILED, f"a request of 2018 was answered {stale.meaning}")
        _demand(len(self._lock.executed) == before, "and the door was opened")
        return "an unlock of 2018 was answered 操作失败, and the door stayed shut"

    async def _gateway_is_found(self) -> str:
        async with self._installer() as installer:
            record = await installer.discover()
        _demand(record["uuid"] == COORDINATOR, f"found {record['uuid']}")
        return f"{record['title']}, {record['uuid']}"

    async def _networks_are_listed(self) -> str:
        async with self._installer() as installer:
            names = [network["ssid"] for network in await installer.networks()]
        _demand(NETWORK in names, f"heard {names}")
        return f"{len(names)} networks, {names[0]} the strongest"

    async def _network_is_joined(self) -> str:
        async with self._installer() as installer:
            self._open_window(60)
            self._asked_before = len(self._environment.cloud.requests)
            record = await installer.join(NETWORK, PASSPHRASE)
        _demand(record is not None, "the network was not joined")
        await self._phone.expect(lambda seen: _is_about(seen, COORDINATOR) and _is_on(seen, NETWORK))
        return f"it has {record['param']['ip']} on {NETWORK}, and the cloud knows" if record else ""

    def _installer(self) -> AbstractAsyncContextManager[Installer]:
        return Installer.beside(self._environment.udp_ports[0])

    async def _firmware_is_looked_up(self) -> str:
        async with asyncio.timeout(15):
            while not (asked := [path for path in self._asked_since() if "versions/latest" in path]):
                await asyncio.sleep(0.02)
        return f"the cloud was asked {asked[0]}"

    def _asked_since(self) -> list[str]:
        return [path for _, path, _ in self._environment.cloud.requests[self._asked_before :]]

    async def _broker_comes_back(self) -> str:
        since = asyncio.get_running_loop().time()
        await self._environment.broker.kill()
        self._lock.use_fingerprint(7)
        self._lock.enter_pin("482913")
        await asyncio.sleep(0.2)
        await self._environment.broker.restart()
        await self._phone.expect(lambda seen: _is_opened(seen, KeyType.PASSWORD), since=since)
        arrived = [
            seen.msg["param"]["keytype"] for seen in self._phone.received if seen.at >= since and _is_opened(seen, None)
        ]
        _demand(arrived == [KeyType.FINGERPRINT, KeyType.PASSWORD], f"arrived {arrived}")
        return "two openings arrived late, in order, each once"


def _is_opened(seen: ReceivedMessage, key_type: int | None) -> bool:
    opened = _is_about(seen, LOCK) and seen.meaning is OperationStatus.UNLOCK_EVENT
    return opened and key_type in (None, seen.msg["param"]["keytype"])


def _is_on(seen: ReceivedMessage, network: str) -> bool:
    return "param" in seen.msg and seen.msg["param"].get("access_ssid") == network


def _has_joined(uuid: str, seen: ReceivedMessage) -> bool:
    return _is_about(seen, uuid) and seen.meaning is OperationStatus.CREATED


def _is_about(seen: ReceivedMessage, uuid: str) -> bool:
    return seen.topic.split("/")[2:3] == [uuid] and bool(seen.msg)


def _demand(happened: bool, otherwise: str) -> None:
    if not happened:
        raise StepFailedError(otherwise)
