"""No byte from outside ends the daemon: damaged payloads, datagrams, admin lines, rows of REST and frames of the radio,
sent to it as a process, and after each kind the owner unlocks the door.

FUZZ_MESSAGES says how many of each (300 where nobody says; `make fuzz` sets 100,000); how many of them arrived at a
decoder is counted by the daemon, printed (`-s`) and asserted. Its limits on datagrams are off: as shipped, ten a second
are read (`tests/provisioning/test_flood.py`).
"""

import asyncio
import json
import os
import random
import socket
import time
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import aiomqtt
import msgspec
from aiohttp import web

from fuzz.decoders import DECODERS
from gatewayd.admin.client import call
from gatewayd.backoff import Backoff
from gatewayd.cloud.mqtt.envelope import read_envelope
from gatewayd.cloud.mqtt.request_decoder import decode_request
from gatewayd.cloud.mqtt.topics import read_topic
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.errors import CloudError, GatewayError
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import ash, lock
from tests.common.cloud import ZONE
from tests.common.daemon_process import PROGRAM, DaemonProcess
from tests.common.damaged_datagrams import damaged, damaged_datagrams
from tests.common.join_devices import join_all
from tests.common.rude_line import RudeLine

MESSAGES = int(os.environ.get("FUZZ_MESSAGES", "300"))
DOOR = "00158d0003b00001"
TOPICS = (
    *(f"{OWNER}/lock/{DOOR}/{kind}" for kind in ("control", "create", "update", "set", "query")),
    *(f"{OWNER}/gw/{COORDINATOR}/{kind}" for kind in ("control", "update", "set", "query")),
)
NAMES = ("#", "a#b", "+", "x" * 70_000, "\0", "\x01", "$share", "", None, 7, "18900000002")
LISTS = {
    "members.list": b'{"id": 1, "user_id": 2, "username": "18900000002", "keys": []}',
    "authorizations.list": b'{"id": 1, "info_id": 1, "authorized_id": 2, "perm": "3"}',
    "spaces.list": b'{"id": 1, "type": "room", "superior": 2, "title": "x"}',
}
ROWS = 1000
NUMBERS = count()
ANSWERED_EVERY = 250
UNLIMITED = """
from gatewayd.provisioning import service
from gatewayd.provisioning.rate_limit import RateLimits
from gatewayd.token_bucket import Rate
service.RateLimits = lambda: RateLimits(Rate(1e9, 1e9), Rate(1e9, 1e9), Rate(8_192, 65_536))
"""
QUERY = f"{OWNER}/gw/{COORDINATOR}/query"


def is_readable(topic: str, payload: bytes) -> bool:
    """Whether it is a request that the gateway would carry out: those are not what is tested here."""
    try:
        decode_request(read_topic(topic), read_envelope(payload), payload, ZONE)
    except GatewayError:
        return False
    return True


def arrivals(path: Path) -> tuple[int, int]:
    """MQTT messages that the daemon has decoded so far, and datagrams."""
    status = call(path, "status")
    return sum(status["requests"].values()), status["datagrams"].get("admitted", 0)


async def flood_mqtt(environment: Environment, path: Path, chance: random.Random) -> int:
    """Damaged requests; and now and then a valid one, whose answer shows that all before it were received."""
    seeds = (*DECODERS["mqtt_request"].seeds, *DECODERS["mqtt_envelope"].seeds)
    host, port = environment.broker.host, environment.broker.port
    before, _ = await asyncio.to_thread(arrivals, path)
    async with aiomqtt.Client(host, port, username=OWNER, password=PASSWORD, timeout=60) as client:
        await client.subscribe(QUERY, qos=1)
        sent = 0
        while sent < MESSAGES:
            topic, payload = chance.choice(TOPICS), damaged(chance, chance.choice(seeds))
            if is_readable(topic, payload):
                continue
            await client.publish(topic, payload)
            sent += 1
            if sent % ANSWERED_EVERY == 0 or sent == MESSAGES:
                await until_answered(client, sn=f"after-{sent}")
    return (await asyncio.to_thread(arrivals, path))[0] - before


async def until_answered(client: aiomqtt.Client, sn: str) -> None:
    """Ask the gateway for its record, and wait for the answer."""
    await client.publish(QUERY, msgspec.json.encode({"msg": {"sn": sn}}), qos=1)
    async with asyncio.timeout(30):
        async for message in client.messages:
            if sn.encode() in message.payload and OperationStatus.DEVICE_NORMAL.desc.encode() in message.payload:
                return


async def flood_udp(environment: Environment, path: Path, chance: random.Random) -> int:
    """Damaged datagrams, until as many as MESSAGES were read."""
    _, before = await asyncio.to_thread(arrivals, path)
    arrived = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        async with asyncio.timeout(60 + MESSAGES / 50):
            while arrived < MESSAGES:  # some are too long to be read, some are dropped by the kernel
                for number, datagram in enumerate(damaged_datagrams(chance, MESSAGES - arrived)):
                    sender.sendto(datagram, ("127.0.0.1", environment.udp_ports[0]))
                    if number % 20 == 0:
                        await asyncio.sleep(0.005)
                arrived = (await asyncio.to_thread(arrivals, path))[1] - before
    return arrived


async def flood_admin(path: Path, chance: random.Random) -> int:
    """Damaged lines, each of which is answered."""
    seeds = (*DECODERS["admin_line"].seeds, b'{"method":"show","params":{"uuid":"' + DOOR.encode() + b'"}}')
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 22)
    for _ in range(MESSAGES):
        line = damaged(chance, chance.choice(seeds)).replace(b"\n", b" ")
        writer.write(line + b"\n")
        async with asyncio.timeout(30):
            assert set(msgspec.json.decode(await reader.readline())) & {"result", "error"}
    writer.write(b"x" * (2 << 20))
    writer.close()
    return MESSAGES


async def flood_radio(line: RudeLine, chance: random.Random) -> int:
    """Noise, and frames of ASH with a valid checksum and anything in them: the radio is started again and again."""
    async with asyncio.timeout(300):
        for number in range(MESSAGES):
            body = chance.randbytes(chance.randrange(1, 100))
            await line.insert(ash.encode(body) if chance.random() < 0.7 else body)
            if number % 20 == 0:
                await asyncio.sleep(0.005)
    return MESSAGES  # over TCP


async def flood_rest(environment: Environment, path: Path, chance: random.Random) -> int:
    """Rows in the answers to a sync, and names of members that cannot be a topic level.

    Returns how many rows of records were in the answers that the daemon took: at least MESSAGES.
    """
    arrived, records_path = 0, ENDPOINTS["records.list"].path
    records, faults = DECODERS["record"].seeds, environment.cloud.faults
    for number in count():
        if number >= 3 and arrived >= MESSAGES:
            break
        faults.clear()
        rows = [row for row in (damaged(chance, chance.choice(records)) for _ in range(ROWS)) if is_json(row)]
        taken = faults.applied[records_path]
        faults.answer(records_path, success("records.list", b"[" + b",".join(rows) + b"]"))
        for name, valid in LISTS.items():
            row = damaged(chance, valid)
            if name == "members.list":
                member = {"id": 1, "user_id": 2, "username": NAMES[number % len(NAMES)]}
                body = success(name, json.dumps([member]).encode())
            elif is_json(row):
                body = success(name, b"[" + row + b"]")
            else:
                body = chance.choice((row, b"[" * 3000)).decode("utf-8", "replace")
            faults.answer(ENDPOINTS[name].path, body)
        run = await asyncio.to_thread(call, path, "sync")
        async with asyncio.timeout(60):
            while (progress := await asyncio.to_thread(call, path, "sync-progress"))["run"] < run or progress[
                "running"
            ]:
                await asyncio.sleep(0.02)
        arrived += len(rows) * (faults.applied[records_path] - taken)
    faults.clear()
    return arrived


def is_synced(path: Path, run: int) -> bool:
    progress = call(path, "sync-progress")
    return progress["run"] >= run and not progress["running"]


def success(name: str, data: bytes) -> str:
    return (b'{"status": %d, "msg": {"data": ' % ENDPOINTS[name].success[0] + data + b"}}").decode()


def is_json(row: bytes) -> bool:
    try:
        msgspec.json.decode(row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def new_sn() -> str:
    return f"unlock-{next(NUMBERS)}"


async def unlock_until_done(environment: Environment) -> None:
    """Unlock as the owner, again and again: what was queued before goes first."""
    async with environment.phone(name="unlocking") as phone, asyncio.timeout(120):
        answer = None
        while answer is not OperationStatus.CONTROLLED:
            answer = (
                await phone.request(Category.LOCK, DOOR, ExecType.CONTROL, sn=new_sn(), param={"operate": 1})
            ).meaning


async def test_no_byte_from_outside_ends_the_daemon(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with (
        simulated_environment() as environment,
        RudeLine.to(environment.radio_url) as line,
        DaemonProcess(replace(environment, radio_url=line.url), tmp_path) as daemon,
    ):
        door = environment.network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
        await daemon.start(program=UNLIMITED + PROGRAM)
        async with environment.phone() as phone:
            await join_all(environment.network, phone, [door])
        pid, path = daemon.pid, tmp_path / "admin.sock"
        for name, flood in (
            ("payloads", partial(flood_mqtt, environment, path, chance)),
            ("datagrams", partial(flood_udp, environment, path, chance)),
            ("admin lines", partial(flood_admin, path, chance)),
            ("rows of REST", partial(flood_rest, environment, path, chance)),
            ("frames of ASH", partial(flood_radio, line, chance)),
        ):
            began, before = time.monotonic(), len(door.executed)
            arrived = await flood()
            print(f"{arrived} {name} arrived in {time.monotonic() - began:.0f} s")  # noqa: T201
            assert arrived >= MESSAGES
            await unlock_until_done(environment)
            assert len(door.executed) > before
            assert daemon.pid == pid
            if name != "frames of ASH":  # of which bellows logs the errors
                assert "Traceback" not in daemon.log()
        assert await daemon.stop() == 0


async def test_no_rest_body_is_more_than_an_error() -> None:
    chance = random.Random(12)
    seeds = DECODERS["rest_answer"].seeds
    sent = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal sent
        sent += 1
        return web.Response(status=chance.choice((200, 200, 401, 404)), body=damaged(chance, chance.choice(seeds)))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with Transport(address, chance=chance, backoff=Backoff(0.0, longest_s=0.0)) as transport:
            while sent < MESSAGES:
                for name in ("service.timestamp", "records.create", "members.list"):
                    try:
                        await transport.call(ENDPOINTS[name])
                    except CloudError:
                        continue
        print(f"{sent} bodies of REST arrived")  # noqa: T201
    finally:
        await runner.cleanup()
