"""Gateways and a phone in network namespaces, each a machine of its own, with real broadcast datagrams between them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.common.network_namespaces import NamespaceNetwork, namespace_network, unavailable_reason

_REASON = unavailable_reason()
pytestmark = pytest.mark.skipif(_REASON is not None, reason=str(_REASON))

FIRST, SECOND, THIRD = "00158d0000d04700", "00158d0000d04701", "00158d0000d04702"
PYTHON = sys.executable
GATEWAY = (PYTHON, "-m", "tests.common.provisioning_process")
PROVISION = (PYTHON, "-c", "from gatewayd.ctl.main import main; main()", "provision", "--json", "--seconds", "0.4")
JOIN = ("--ssid", "不要上我", "--passphrase-file", "-")


@pytest.fixture(scope="module")
def network() -> Iterator[NamespaceNetwork]:
    """A phone on two subnets, with one gateway on each."""
    with namespace_network() as network:
        network.add_machine("phone", "10.7.0.99/24", "10.8.0.99/24")
        network.add_machine("first", "10.7.0.1/24")
        network.add_machine("second", "10.8.0.1/24")
        processes = [
            network.start("first", *GATEWAY, FIRST, "net0", "10.43.0.1/24"),
            network.start("second", *GATEWAY, SECOND, "net0", "10.43.0.2/24"),
        ]
        for process in processes:
            wait_until_ready(process)
        yield network


def test_phone_discovers_both_gateways_each_on_its_own_subnet(network: NamespaceNetwork) -> None:
    result = network.run("phone", *PROVISION, "--find")
    assert result.returncode == 0, result.stderr
    gateways = {gateway["uuid"]: gateway["address"] for gateway in json.loads(result.stdout)["gateways"]}
    assert gateways == {FIRST: "10.7.0.1", SECOND: "10.8.0.1"}


def test_script_must_name_one_of_two_gateways(network: NamespaceNetwork) -> None:
    result = network.run("phone", *PROVISION, "--list")
    assert result.returncode == 1
    assert f"say --gateway: {FIRST}, {SECOND}" in result.stderr


def test_wrong_passphrase_is_reported_and_not_printed(network: NamespaceNetwork) -> None:
    result = network.run("phone", *PROVISION, "--gateway", SECOND, *JOIN, input="guessed-it")
    assert result.returncode == 4
    assert "the passphrase is wrong" in result.stderr
    assert "guessed-it" not in result.stderr + result.stdout


def test_phone_provisions_a_gateway_from_discovery_to_200555(network: NamespaceNetwork) -> None:
    result = network.run("phone", *PROVISION, "--gateway", FIRST, *JOIN, input="nopass-nopass\n")
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert outcome["access_ssid"] == "不要上我"
    assert outcome["firmware_is_newest"] is True

    gateways = json.loads(network.run("phone", *PROVISION, "--find").stdout)["gateways"]
    assert {gateway["uuid"]: gateway["access_ssid"] for gateway in gateways} == {FIRST: "不要上我", SECOND: None}


def test_added_address_is_announced_and_a_deleted_one_no_longer_answers(network: NamespaceNetwork) -> None:
    with announcements(network) as lines:
        network.add_address("phone", "10.9.0.99/24")
        network.add_address("second", "10.9.0.1/24")
        assert f"{SECOND} 10.9.0.1" in lines

    find_at_address = (*PROVISION, "--find", "--at", "10.9.0.1")
    assert network.run("phone", *find_at_address).returncode == 0
    network.delete_address("second", "10.9.0.1/24")
    assert network.run("phone", *find_at_address).returncode == 3


def test_gateway_announces_itself_on_an_added_interface(network: NamespaceNetwork) -> None:
    with announcements(network) as lines:
        network.add_interface("phone", "net1", "10.10.0.99/24")
        network.add_interface("second", "net1", "10.10.0.1/24")
        assert f"{SECOND} 10.10.0.1" in lines


def test_phone_that_follows_the_gateway_to_its_new_network_gets_the_outcome(network: NamespaceNetwork) -> None:
    network.add_machine("third", "10.11.0.1/24")
    network.add_address("phone", "10.11.0.99/24")
    wait_until_ready(network.start("third", *GATEWAY, THIRD, "net0", "10.43.0.3/24", "moves"))

    phone = network.start("phone", *PROVISION, "--gateway", THIRD, *JOIN, stdin=subprocess.PIPE)
    assert phone.stdin is not None
    phone.stdin.write("nopass-nopass\n")
    phone.stdin.close()
    while network.run("phone", *PROVISION, "--find", "--at", "10.11.0.1").returncode == 0:
        assert phone.poll() is None
    network.add_address("phone", "10.43.0.99/24")

    assert phone.wait(60) == 0
    assert phone.stdout is not None
    outcome = json.loads(phone.stdout.read())
    assert (outcome["ip"], outcome["access_ssid"]) == ("10.43.0.3", "不要上我")
    assert outcome["firmware_is_newest"] is True


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None


@contextmanager
def announcements(network: NamespaceNetwork) -> Iterator[Iterator[str]]:
    """What is announced from now on, as "uuid address"; ends after 20 s, so that a failing test does not hang."""
    listener = network.start("phone", PYTHON, "-m", "tests.common.announcement_listener")
    timer = threading.Timer(20, listener.kill)
    timer.start()
    assert listener.stdout is not None
    assert listener.stdout.readline() == "listening\n"
    try:
        yield (line.strip() for line in listener.stdout)
    finally:
        timer.cancel()
        listener.kill()
        listener.wait(10)
