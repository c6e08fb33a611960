"""`gatewayctl provision` and its client against a gateway, over real sockets, in this process and as a command."""

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
from gatewayd.provisioning.client.client import ClientTimeouts, NoAnswerError, ProvisioningClient, RefusedByGatewayError
from gatewayd.provisioning.client.datagrams import NetworkEntry
from gatewayd.provisioning.seal import GatewayKey, fingerprint
from gatewayd.provisioning.udp_socket import Sender, UdpSocket
from gatewayd.simulator.wifi import SimulatedWifi
from tests.common.provisioning import GATEWAY, Gateway, PhoneSocket, free_udp_port, running_gateway

LOCALHOST = IPv4Address("127.0.0.1")
TIMEOUTS = ClientTimeouts(announcement=5, networks=5, join=5, firmware=5)
HOME = NetworkEntry("不要上我", Auth.WPA2PSK, Encryption.AES)
PASSPHRASE = "nopass-nopass"


@asynccontextmanager
async def client_for(gateway: Gateway, timeouts: ClientTimeouts = TIMEOUTS) -> AsyncIterator[ProvisioningClient]:
    async with ProvisioningClient.open(
        (LOCALHOST,), gateway_port=gateway.port, announce_port=gateway.announce_port, timeouts=timeouts
    ) as client:
        yield client


def command_for(gateway: Gateway, *options: str) -> list[str]:
    """The arguments of `gatewayctl provision` for `gateway`."""
    ports = ("--gateway-port", str(gateway.port), "--announce-port", str(gateway.announce_port))
    return ["provision", "--at", str(LOCALHOST), *ports, "--seconds", "0.2", *options]


async def provision(gateway: Gateway, *options: str, stdin: str = "") -> Result:
    """Run `gatewayctl provision` for `gateway`."""
    return await asyncio.to_thread(CliRunner().invoke, main, command_for(gateway, *options), input=stdin)


async def test_client_discovers_lists_joins_and_learns_that_the_firmware_is_newest() -> None:
    async with running_gateway(sealed_only=True) as gateway, client_for(gateway) as client:
        (found,) = await client.discover(0.2)
        assert (found.announcement.uuid, found.address) == (GATEWAY, LOCALHOST)
        networks = await client.list_networks(found)
        assert networks[0] == replace(HOME, signal=88)
        announced: list[str | None] = []
        outcome = await client.join(found, HOME, PASSPHRASE, lambda joined: announced.append(joined.ip))
    assert outcome.access_ssid == HOME.ssid
    assert outcome.firmware_is_newest
    assert announced == [outcome.ip] == ["192.168.43.20"]


async def test_refusal_is_raised_with_the_reason(gateway: Gateway) -> None:
    async with client_for(gateway) as client:
        (found,) = await client.discover(0.2)
        with pytest.raises(RefusedByGatewayError, match="the passphrase is wrong"):
            await client.join(found, HOME, "guessed-it")
        gateway.wifi.scan_fails = True
        with pytest.raises(RefusedByGatewayError, match="400514"):
            await client.list_networks(found)


async def test_missing_answer_is_raised_after_the_timeout() -> None:
    async with ProvisioningClient.open(
        (LOCALHOST,), gateway_port=free_udp_port(), announce_port=free_udp_port(), timeouts=TIMEOUTS
    ) as client:
        assert await client.discover(0.1) == ()
    async with (
        running_gateway(SimulatedWifi(scan_s=60)) as gateway,
        client_for(gateway, replace(TIMEOUTS, networks=0.2)) as client,
    ):
        (found,) = await client.discover(0.2)
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s: waited for a list of networks"):
            await client.list_networks(found)


async def test_find_with_json_lists_gateways(gateway: Gateway) -> None:
    result = await provision(gateway, "--find", "--json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["gateways"]
    assert (found["uuid"], found["address"]) == (GATEWAY, "127.0.0.1")
    assert found["fingerprint"] == fingerprint(gateway.key.public)


async def test_list_with_json_lists_networks_strongest_first(gateway: Gateway) -> None:
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


async def test_find_and_list_print_tables(gateway: Gateway) -> None:
    found = await provision(gateway, "--find")
    assert GATEWAY in found.output
    listed = await provision(gateway, "--list")
    assert "不要上我" in listed.output
    assert "WPA/WPA2" in listed.output
    assert "88 %" in listed.output


async def test_passphrase_is_read_from_standard_input(gateway: Gateway) -> None:
    options = ("--ssid", HOME.ssid, "--passphrase-file", "-", "--fingerprint", fingerprint(gateway.key.public))
    result = await provision(gateway, *options, "--json", stdin=f"{PASSPHRASE}\n")
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert (outcome["joined"], outcome["access_ssid"]) == (True, HOME.ssid)
    assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid]
    assert PASSPHRASE not in result.output


async def test_wep_network_is_shown_as_wep_and_takes_a_key(gateway: Gateway) -> None:
    listed = await provision(gateway, "--list", "--json")
    security = {network["ssid"]: network["security"] for network in json.loads(listed.stdout)["networks"]}
    assert (security["attic"], security["museum"], security["cafe"]) == ("WEP", "WEP", "open")
    without = await provision(gateway, "--ssid", "attic")
    assert (without.exit_code, "attic wants a passphrase" in without.stderr) == (1, True)
    joined = await provision(gateway, "--ssid", "attic", "--passphrase-file", "-", stdin="fghij\n")
    assert joined.exit_code == 0, joined.output


async def test_hidden_network_is_joined_by_its_name(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("nobody-sees-me\n", encoding="utf-8")
    result = await provision(gateway, "--ssid", "secret-garden", "--passphrase-file", str(file))
    assert result.exit_code == 0, result.output
    assert f"{GATEWAY} has joined secret-garden and is at 192.168.43.20" in result.stdout


@pytest.mark.parametrize(
    ("options", "code", "reason"),
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
async def test_failure_has_a_reason_and_an_exit_code(
    gateway: Gateway, options: tuple[str, ...], code: int, reason: str
) -> None:
    result = await provision(gateway, *options)
    assert (result.exit_code, reason in result.stderr) == (code, True), result.output
    assert gateway.wifi.joins == 0


def test_no_gateway_is_exit_code_3() -> None:
    command = ["provision", "--at", "127.0.0.1", "--gateway-port", str(free_udp_port()), "--seconds", "0.1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 3
    assert result.stderr.startswith("gatewayctl: no gateway answered within 0.1 s; ")


@asynccontextmanager
async def at_terminal(gateway: Gateway, *options: str) -> AsyncIterator[tuple["Terminal", asyncio.subprocess.Process]]:
    """`gatewayctl provision` for `gateway` as a process on a pseudo-terminal."""
    user_end, process_end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", sys.executable, "-c", "from gatewayd.ctl.main import main; main()"),
        *command_for(gateway, *options),
        stdin=process_end,
        stdout=process_end,
        stderr=process_end,
        env=os.environ | {"COLUMNS": "200"},
    )
    os.close(process_end)
    try:
        yield Terminal(user_end), process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(user_end)


async def test_terminal_prompts_and_does_not_echo_the_passphrase(gateway: Gateway) -> None:
    async with at_terminal(gateway) as (terminal, process):
        shown = await terminal.wait_for("which network")
        assert f"{GATEWAY}) at 127.0.0.1, key {fingerprint(gateway.key.public)}" in shown
        terminal.type("1\n")
        await terminal.wait_for("passphrase of 不要上我")
        terminal.type(f"{PASSPHRASE}\n")
        text = await terminal.wait_for("its firmware is the newest")
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert "has joined 不要上我" in text
    assert PASSPHRASE not in text


async def test_passphrase_file_on_a_terminal_is_not_echoed(gateway: Gateway) -> None:
    async with at_terminal(gateway, "--ssid", HOME.ssid, "--passphrase-file", "-", "--json") as (terminal, process):
        await terminal.wait_for("passphrase of 不要上我")
        terminal.type(f"{PASSPHRASE}\n")
        text = await terminal.wait_for('"joined": true')
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert PASSPHRASE not in text


@pytest.mark.parametrize("options", [(), ("--ssid", HOME.ssid)], ids=["which network", "passphrase"])
async def test_ctrl_c_ends_a_prompt_at_once(gateway: Gateway, options: tuple[str, ...]) -> None:
    async with at_terminal(gateway, *options) as (terminal, process):
        await terminal.wait_for("passphrase of" if options else "which network")
        await wait_until_sleeping(process.pid)  # the prompt is printed before its answer is read
        terminal.type("\x03")
        assert await asyncio.wait_for(process.wait(), 20) == 1
    assert gateway.wifi.joins == 0


async def test_ctrl_c_ends_waiting_for_an_answer() -> None:
    async with running_gateway(SimulatedWifi(scan_s=60)) as gateway, at_terminal(gateway) as (terminal, process):
        await terminal.wait_for("listens for networks")
        terminal.type("\x03")
        assert await asyncio.wait_for(process.wait(), 20) == 1


@asynccontextmanager
async def impostor(gateway: Gateway) -> AsyncIterator[None]:
    """Repeats the gateway's announcement to the announce port, with a key of its own."""

    async def announce(phone: PhoneSocket) -> None:
        phone.send({"msg": {"category": "gw"}, "status": 200501})
        announcement = await phone.receive(200601)
        key = GatewayKey(X25519PrivateKey.generate()).public
        forged = msgspec.json.encode({**announcement, "pubkey": b64encode(key).decode()})
        while True:
            phone.send_to(forged, gateway.announce_port)
            await asyncio.sleep(0.02)

    async with gateway.phone() as phone, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(announce(phone))
        yield
        task.cancel()


async def test_impostor_is_detected_by_its_key(gateway: Gateway) -> None:
    async with impostor(gateway):
        ambiguous = await provision(gateway, "--list", "--gateway", GATEWAY)
        assert ambiguous.exit_code == 1
        assert "somebody poses as a gateway" in ambiguous.stderr
        chosen = await provision(gateway, "--list", "--fingerprint", fingerprint(gateway.key.public))
        assert chosen.exit_code == 0, chosen.output


class VendorGateway:
    """A gateway that implements §10 and §13 as printed, without the extensions."""

    def __init__(self) -> None:
        self.socket = UdpSocket(self._on_datagram)
        self.requests: list[dict[str, Any]] = []
        self.requests_to_lose = 0

    def _on_datagram(self, datagram: bytes, sender: Sender) -> None:
        if self.requests_to_lose:
            self.requests_to_lose -= 1
            return
        request = msgspec.json.decode(datagram)
        self.requests.append(request)
        network = {"auth": 3, "encry": 3, "ssid": "不要上我"}
        answers: dict[int, list[dict[str, Any]]] = {
            200552: [{"status": 200553, "data": [network]}],
            200554: [self._record("不要上我"), {"status": 200555}],
        }
        for answer in answers.get(request["status"], [self._record(None)]):
            self.socket.send(msgspec.json.encode(answer), sender.address, sender.port)

    def _record(self, ssid: str | None) -> dict[str, Any]:
        param: dict[str, Any] = {"zgb_ieee": "00:15", "ip": "192.168.43.9", "access_ssid": ssid, "space": []}
        msg = {"id": 1, "uuid": GATEWAY, "category": "gw", "type": "AA01GW-UG", "title": "网关", "param": param}
        return {"msg": msg, "status": 200601, "desc": "Available device."}


async def test_gateway_without_extensions_is_provisioned_with_allow_plain() -> None:
    vendor_gateway = VendorGateway()
    async with vendor_gateway.socket.bound(0) as port:
        command = ["provision", "--at", str(LOCALHOST), "--gateway-port", str(port), "--seconds", "0.2", "--json"]
        command += ["--ssid", HOME.ssid, "--passphrase-file", "-"]
        refused = await asyncio.to_thread(CliRunner().invoke, main, command, input=PASSPHRASE)
        assert (refused.exit_code, "--allow-plain sends it open" in refused.stderr) == (1, True)
        assert 200554 not in [request["status"] for request in vendor_gateway.requests]
        joined = await asyncio.to_thread(CliRunner().invoke, main, [*command, "--allow-plain"], input=PASSPHRASE)
    assert joined.exit_code == 0, joined.output
    assert json.loads(joined.stdout)["ip"] == "192.168.43.9"
    joins = [request for request in vendor_gateway.requests if request["status"] == 200554]
    assert [request["data"]["pwd"] for request in joins] == [PASSPHRASE]


async def test_lost_request_is_sent_again() -> None:
    vendor_gateway = VendorGateway()
    timeouts = replace(TIMEOUTS, resend=0.05)
    async with (
        vendor_gateway.socket.bound(0) as port,
        ProvisioningClient.open(
            (LOCALHOST,), gateway_port=port, announce_port=free_udp_port(), timeouts=timeouts
        ) as client,
    ):
        (found,) = await client.discover(0.2)
        vendor_gateway.requests_to_lose = 2
        assert await client.list_networks(found) == (HOME,)
        vendor_gateway.requests_to_lose = 2
        assert (await client.join(found, HOME, PASSPHRASE)).ip == "192.168.43.9"


async def wait_until_sleeping(pid: int) -> None:
    """Wait until process `pid` blocks."""
    async with asyncio.timeout(20):
        while process_state(pid) != "S":
            await asyncio.sleep(0.01)


def process_state(pid: int) -> str:
    """From /proc/PID/stat; R: running, S: sleeping."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


class Terminal:
    """The user's end of a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._printed = b""

    def type(self, keys: str) -> None:
        """Type `keys`."""
        os.write(self._descriptor, keys.encode())

    async def wait_for(self, text: str) -> str:
        """Everything printed so far, once it contains `text`."""
        async with asyncio.timeout(20):
            while text.encode() not in self._printed:
                self._printed += await asyncio.to_thread(self._read)
        return self._printed.decode(errors="replace")

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:
            return b""


def test_control_characters_in_a_name_are_escaped() -> None:
    assert printable("caf\x1b[2Je\u202e") == "caf\\x1b[2Je\\x202e"
