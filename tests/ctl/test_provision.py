"""The installer's phone against a gateway, over real sockets, in the process and from the command line."""

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewayd.ctl.main import main
from gatewayd.ctl.provision_view import printable
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.client.client import NothingHeardError, Patience, ProvisioningClient, RefusedByGatewayError
from gatewayd.provisioning.client.datagrams import Offer
from gatewayd.provisioning.seal import GatewayKey, fingerprint
from gatewayd.provisioning.udp_socket import Requester, UdpSocket
from gatewayd.simulator.wifi import SimulatedWifi
from tests.common.provisioning import GATEWAY, Gateway, Socket, free_port, running

HERE = IPv4Address("127.0.0.1")
SHORT = Patience(announcement=5, networks=5, join=5, firmware=5)
HOME = Offer("不要上我", Auth.WPA2PSK, Encryption.AES)
PASSPHRASE = "nopass-nopass"


@asynccontextmanager
async def phone_at(gateway: Gateway, patience: Patience = SHORT) -> AsyncIterator[ProvisioningClient]:
    async with ProvisioningClient.open(
        (HERE,), gateway_port=gateway.port, announce_port=gateway.announce_port, patience=patience
    ) as phone:
        yield phone


async def provision(gateway: Gateway, *words: str, typed: str = "") -> Result:
    """`gatewayctl provision`, pointed at the gateway."""
    ports = ("--gateway-port", str(gateway.port), "--announce-port", str(gateway.announce_port))
    line = ["provision", "--at", str(HERE), *ports, "--seconds", "0.2", *words]
    return await asyncio.to_thread(CliRunner().invoke, main, line, input=typed)


async def test_from_finding_to_the_firmware() -> None:
    async with running(sealed_only=True) as gateway, phone_at(gateway) as phone:
        (found,) = await phone.find(0.2)
        assert (found.said.uuid, found.address) == (GATEWAY, HERE)
        offers = await phone.networks(found)
        assert offers[0] == replace(HOME, signal=88)
        said: list[str | None] = []
        outcome = await phone.join(found, HOME, PASSPHRASE, lambda heard: said.append(heard.ip))
    assert outcome.access_ssid == HOME.ssid
    assert outcome.firmware_is_newest
    assert said == [outcome.ip] == ["192.168.43.20"]


async def test_a_refusal_is_an_error_with_the_reason(gateway: Gateway) -> None:
    async with phone_at(gateway) as phone:
        (found,) = await phone.find(0.2)
        with pytest.raises(RefusedByGatewayError, match="the passphrase is wrong"):
            await phone.join(found, HOME, "guessed-it")
        gateway.wifi.scan_fails = True
        with pytest.raises(RefusedByGatewayError, match="400514"):
            await phone.networks(found)


async def test_silence_is_an_error_after_some_patience() -> None:
    async with ProvisioningClient.open(
        (HERE,), gateway_port=free_port(), announce_port=free_port(), patience=SHORT
    ) as phone:
        assert await phone.find(0.1) == ()
    async with running(SimulatedWifi(scan_s=60)) as gateway, phone_at(gateway, Patience(5, 0.2, 5, 5)) as phone:
        (found,) = await phone.find(0.2)
        with pytest.raises(NothingHeardError, match=r"no answer within 0\.2 s: waited for a list of networks"):
            await phone.networks(found)


async def test_a_script_finds_gateways(gateway: Gateway) -> None:
    result = await provision(gateway, "--find", "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["gateways"]
    assert (found["uuid"], found["address"]) == (GATEWAY, "127.0.0.1")
    assert found["fingerprint"] == fingerprint(gateway.key.public)


async def test_a_script_lists_networks_strongest_first(gateway: Gateway) -> None:
    result = await provision(gateway, "--list", "--json")
    assert result.exit_code == 0
    networks = json.loads(result.stdout)["networks"]
    assert networks[0] == {
        "strength": 1,
        "ssid": "不要上我",
        "security": "WPA2",
        "auth": "WPA2PSK",
        "encryption": "AES",
        "signal": 88,
    }


async def test_people_see_tables(gateway: Gateway) -> None:
    found = await provision(gateway, "--find")
    assert GATEWAY in found.output
    listed = await provision(gateway, "--list")
    assert "不要上我" in listed.output
    assert "WPA/WPA2" in listed.output
    assert "88 %" in listed.output


async def test_a_script_joins_with_a_passphrase_from_standard_input(gateway: Gateway) -> None:
    words = ("--ssid", HOME.ssid, "--passphrase-file", "-", "--fingerprint", fingerprint(gateway.key.public))
    result = await provision(gateway, *words, "--json", typed=f"{PASSPHRASE}\n")
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert (outcome["joined"], outcome["access_ssid"]) == (True, HOME.ssid)
    assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid]
    assert PASSPHRASE not in result.output


async def test_a_network_with_wep_is_shown_as_one_and_its_key_is_asked_for(gateway: Gateway) -> None:
    listed = await provision(gateway, "--list", "--json")
    security = {one["ssid"]: one["security"] for one in json.loads(listed.stdout)["networks"]}
    assert (security["attic"], security["museum"], security["cafe"]) == ("WEP", "WEP", "open")
    without = await provision(gateway, "--ssid", "attic")
    assert (without.exit_code, "attic wants a passphrase" in without.stderr) == (1, True)
    joined = await provision(gateway, "--ssid", "attic", "--passphrase-file", "-", typed="fghij\n")
    assert joined.exit_code == 0, joined.output


async def test_a_hidden_network_is_joined_by_its_name(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("nobody-sees-me\n", encoding="utf-8")
    result = await provision(gateway, "--ssid", "secret-garden", "--passphrase-file", str(file))
    assert result.exit_code == 0, result.output
    assert f"{GATEWAY} has joined secret-garden and is at 192.168.43.20" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("--gateway", "00158d0000d04701"), 3, "00158d0000d04701 did not answer"),
        (("--fingerprint", "0000 0000 0000 0000"), 4, "another fingerprint"),
        ((), 1, "which network? say --ssid"),
        (("--ssid", "不要上我"), 1, "say --passphrase-file"),
        (("--ssid", "不要上我", "--passphrase-file", "/nowhere"), 1, "/nowhere: cannot be read"),
        (("--ssid", "x" * 33), 1, "1 to 32 bytes"),
        (("--auth", "WPA9"), 2, "WPA9"),
        (("--at", "home"), 2, "'home'"),
    ],
)
async def test_what_cannot_be_done_is_said_with_an_exit_code(
    gateway: Gateway, words: tuple[str, ...], code: int, reason: str
) -> None:
    result = await provision(gateway, *words)
    assert (result.exit_code, reason in result.stderr) == (code, True), result.output
    assert gateway.wifi.joins == 0


def test_nobody_there_is_exit_code_3() -> None:
    line = ["provision", "--at", "127.0.0.1", "--gateway-port", str(free_port()), "--seconds", "0.1"]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 3
    assert result.stderr.startswith("gatewayctl: no gateway answered within 0.1 s; ")


@asynccontextmanager
async def at_a_terminal(gateway: Gateway, *words: str) -> AsyncIterator[tuple["Terminal", asyncio.subprocess.Process]]:
    """`gatewayctl provision` with a person before it."""
    person, terminal = os.openpty()
    ports = ("--gateway-port", str(gateway.port), "--announce-port", str(gateway.announce_port))
    line = ("provision", "--at", str(HERE), *ports, "--seconds", "0.2", *words)
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", sys.executable, "-c", "from gatewayd.ctl.main import main; main()", *line),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"COLUMNS": "200"},
    )
    os.close(terminal)
    try:
        yield Terminal(person), process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(person)


async def test_a_person_is_asked_and_the_passphrase_is_not_echoed(gateway: Gateway) -> None:
    async with at_a_terminal(gateway) as (terminal, process):
        shown = await terminal.until("which network")
        assert f"{GATEWAY}) at 127.0.0.1, key {fingerprint(gateway.key.public)}" in shown
        terminal.type("1\n")
        await terminal.until("passphrase of 不要上我")
        terminal.type(f"{PASSPHRASE}\n")
        text = await terminal.until("its firmware is the newest")
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert "has joined 不要上我" in text
    assert PASSPHRASE not in text


async def test_a_passphrase_from_a_standard_input_that_is_a_terminal_is_not_echoed_either(gateway: Gateway) -> None:
    async with at_a_terminal(gateway, "--ssid", HOME.ssid, "--passphrase-file", "-", "--json") as (terminal, process):
        await terminal.until("passphrase of 不要上我")
        terminal.type(f"{PASSPHRASE}\n")
        text = await terminal.until('"joined": true')
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert PASSPHRASE not in text


@pytest.mark.parametrize("words", [(), ("--ssid", HOME.ssid)], ids=["which network", "passphrase"])
async def test_ctrl_c_ends_a_question_at_once(gateway: Gateway, words: tuple[str, ...]) -> None:
    async with at_a_terminal(gateway, *words) as (terminal, process):
        await terminal.until("passphrase of" if words else "which network")
        await asleep(process.pid)  # the question is written before its answer is waited for
        terminal.type("\x03")
        assert await asyncio.wait_for(process.wait(), 20) == 1
    assert gateway.wifi.joins == 0


async def test_ctrl_c_ends_the_waiting_too() -> None:
    async with running(SimulatedWifi(scan_s=60)) as gateway, at_a_terminal(gateway) as (terminal, process):
        await terminal.until("listens for networks")
        terminal.type("\x03")
        assert await asyncio.wait_for(process.wait(), 20) == 1


@asynccontextmanager
async def impostor(gateway: Gateway) -> AsyncIterator[None]:
    """Says again and again, to whoever listens, what the gateway says, with a key of its own."""

    async def pose(socket: Socket) -> None:
        socket.send({"msg": {"category": "gw"}, "status": 200501})
        said = await socket.hears(200601)
        key = GatewayKey(X25519PrivateKey.generate()).public
        while True:
            posing = msgspec.json.encode({**said, "pubkey": b64encode(key).decode()})
            socket.endpoint.send(posing, HERE, gateway.announce_port)
            await asyncio.sleep(0.02)

    async with gateway.phone() as socket, asyncio.TaskGroup() as tasks:
        posing = tasks.create_task(pose(socket))
        yield
        posing.cancel()


async def test_who_poses_as_a_gateway_is_told_from_it_by_the_key(gateway: Gateway) -> None:
    async with impostor(gateway):
        doubtful = await provision(gateway, "--list", "--gateway", GATEWAY)
        assert doubtful.exit_code == 1
        assert "somebody poses as a gateway" in doubtful.stderr
        certain = await provision(gateway, "--list", "--fingerprint", fingerprint(gateway.key.public))
        assert certain.exit_code == 0, certain.output


class VendorsGateway:
    """A gateway that speaks §10 and §13 as they are printed, and none of the extensions."""

    def __init__(self) -> None:
        self.endpoint = UdpSocket(self._received)
        self.asked: list[dict[str, Any]] = []
        self.deaf_to = 0
        """So many datagrams are lost on their way."""

    def _received(self, datagram: bytes, asker: Requester) -> None:
        if self.deaf_to:
            self.deaf_to -= 1
            return
        word = msgspec.json.decode(datagram)
        self.asked.append(word)
        network = {"auth": 3, "encry": 3, "ssid": "不要上我"}
        answers: dict[int, list[dict[str, Any]]] = {
            200552: [{"status": 200553, "data": [network]}],
            200554: [self._record("不要上我"), {"status": 200555}],
        }
        for answer in answers.get(word["status"], [self._record(None)]):
            self.endpoint.send(msgspec.json.encode(answer), asker.address, asker.port)

    def _record(self, ssid: str | None) -> dict[str, Any]:
        param: dict[str, Any] = {"zgb_ieee": "00:15", "ip": "192.168.43.9", "access_ssid": ssid, "space": []}
        msg = {"id": 1, "uuid": GATEWAY, "category": "gw", "type": "AA01GW-UG", "title": "网关", "param": param}
        return {"msg": msg, "status": 200601, "desc": "Available device."}


async def test_a_gateway_without_the_extensions_is_provisioned_in_the_clear_when_that_is_allowed() -> None:
    vendors = VendorsGateway()
    async with vendors.endpoint.bound(0) as port:
        line = ["provision", "--at", str(HERE), "--gateway-port", str(port), "--seconds", "0.2", "--json"]
        line += ["--ssid", HOME.ssid, "--passphrase-file", "-"]
        refused = await asyncio.to_thread(CliRunner().invoke, main, line, input=PASSPHRASE)
        assert (refused.exit_code, "--allow-plain sends it open" in refused.stderr) == (1, True)
        assert 200554 not in [word["status"] for word in vendors.asked]
        joined = await asyncio.to_thread(CliRunner().invoke, main, [*line, "--allow-plain"], input=PASSPHRASE)
    assert joined.exit_code == 0, joined.output
    assert json.loads(joined.stdout)["ip"] == "192.168.43.9"
    assert [word["data"]["pwd"] for word in vendors.asked if word["status"] == 200554] == [PASSPHRASE]


async def test_a_question_that_is_lost_is_asked_again() -> None:
    vendors = VendorsGateway()
    often = Patience(5, 5, 5, 5, again=0.05)
    async with (
        vendors.endpoint.bound(0) as port,
        ProvisioningClient.open((HERE,), gateway_port=port, announce_port=free_port(), patience=often) as phone,
    ):
        (found,) = await phone.find(0.2)
        vendors.deaf_to = 2
        assert await phone.networks(found) == (HOME,)
        vendors.deaf_to = 2
        assert (await phone.join(found, HOME, PASSPHRASE)).ip == "192.168.43.9"


async def asleep(pid: int) -> None:
    """Wait until process `pid` waits for something."""
    async with asyncio.timeout(20):
        while state_of(pid) != "S":
            await asyncio.sleep(0.01)


def state_of(pid: int) -> str:
    """As the kernel has it: R runs, S sleeps."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


class Terminal:
    """What a person reads on a terminal."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._text = b""

    def type(self, keys: str) -> None:
        """Press `keys`."""
        os.write(self._end, keys.encode())

    async def until(self, words: str) -> str:
        """Everything so far, once `words` are there."""
        async with asyncio.timeout(20):
            while words.encode() not in self._text:
                self._text += await asyncio.to_thread(self._read)
        return self._text.decode(errors="replace")

    def _read(self) -> bytes:
        try:
            return os.read(self._end, 4096)
        except OSError:
            return b""


def test_a_name_from_the_air_cannot_give_the_terminal_orders() -> None:
    assert printable("caf\x1b[2Je\u202e") == "caf\\x1b[2Je\\x202e"
