"""Two gateways and a phone, each a machine of its own, with real broadcast datagrams between them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.common.hallway import Hallway, hallway, why_not

_WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))

FIRST, SECOND, THIRD = "00158d0000d04700", "00158d0000d04701", "00158d0000d04702"
PYTHON = sys.executable
PROVISION = (PYTHON, "-c", "from gatewayd.ctl.main import main; main()", "provision", "--json", "--seconds", "0.4")


@pytest.fixture(scope="module")
def machines() -> Iterator[Hallway]:
    with hallway() as place:
        place.machine("phone", "10.7.0.99/24", "10.8.0.99/24")
        place.machine("first", "10.7.0.1/24")
        place.machine("second", "10.8.0.1/24")
        processes = [
            place.start("first", PYTHON, "-m", "tests.common.provisioning_process", FIRST, "net0", "10.43.0.1/24"),
            place.start("second", PYTHON, "-m", "tests.common.provisioning_process", SECOND, "net0", "10.43.0.2/24"),
        ]
        for process in processes:
            until_ready(process)
        yield place


def test_a_phone_finds_both_gateways_each_on_its_own_subnet(machines: Hallway) -> None:
    found = machines.run("phone", *PROVISION, "--find")
    assert found.returncode == 0, found.stderr
    gateways = {one["uuid"]: one["address"] for one in json.loads(found.stdout)["gateways"]}
    assert gateways == {FIRST: "10.7.0.1", SECOND: "10.8.0.1"}


def test_which_of_two_is_meant_has_to_be_said(machines: Hallway) -> None:
    listed = machines.run("phone", *PROVISION, "--list")
    assert listed.returncode == 1
    assert f"say --gateway: {FIRST}, {SECOND}" in listed.stderr


def test_a_wrong_passphrase_is_told_and_puts_nobody_on_wifi(machines: Hallway) -> None:
    words = ("--gateway", SECOND, "--ssid", "不要上我", "--passphrase-file", "-")
    joined = machines.run("phone", *PROVISION, *words, input="guessed-it")
    assert joined.returncode == 4
    assert "the passphrase is wrong" in joined.stderr
    assert "guessed-it" not in joined.stderr + joined.stdout


def test_from_discovery_to_200555(machines: Hallway) -> None:
    words = ("--gateway", FIRST, "--ssid", "不要上我", "--passphrase-file", "-")
    joined = machines.run("phone", *PROVISION, *words, input="nopass-nopass\n")
    assert joined.returncode == 0, joined.stderr
    outcome = json.loads(joined.stdout)
    assert outcome["access_ssid"] == "不要上我"
    assert outcome["firmware_is_newest"] is True

    found = json.loads(machines.run("phone", *PROVISION, "--find").stdout)["gateways"]
    assert {one["uuid"]: one["access_ssid"] for one in found} == {FIRST: "不要上我", SECOND: None}


def test_an_address_that_comes_is_announced_and_one_that_goes_is_no_longer_answered_at(machines: Hallway) -> None:
    with announcements(machines) as lines:
        machines.address("phone", "add", "10.9.0.99/24")
        machines.address("second", "add", "10.9.0.1/24")
        assert f"{SECOND} 10.9.0.1" in lines

    at = (*PROVISION, "--find", "--at", "10.9.0.1")
    assert machines.run("phone", *at).returncode == 0
    machines.address("second", "delete", "10.9.0.1/24")
    assert machines.run("phone", *at).returncode == 3


def test_an_interface_that_comes_is_announced_on(machines: Hallway) -> None:
    with announcements(machines) as lines:
        machines.plug("phone", "net1", "10.10.0.99/24")
        machines.plug("second", "net1", "10.10.0.1/24")
        assert f"{SECOND} 10.10.0.1" in lines


def test_who_follows_the_gateway_onto_its_new_network_hears_there_how_it_ended(machines: Hallway) -> None:
    machines.machine("third", "10.11.0.1/24")
    machines.address("phone", "add", "10.11.0.99/24")
    gateway = machines.start(
        "third", PYTHON, "-m", "tests.common.provisioning_process", THIRD, "net0", "10.43.0.3/24", "moves"
    )
    until_ready(gateway)

    words = ("--gateway", THIRD, "--ssid", "不要上我", "--passphrase-file", "-")
    phone = machines.start("phone", *PROVISION, *words, stdin=subprocess.PIPE)
    assert phone.stdin is not None
    phone.stdin.write("nopass-nopass\n")
    phone.stdin.close()
    while machines.run("phone", *PROVISION, "--find", "--at", "10.11.0.1").returncode == 0:
        assert phone.poll() is None
    machines.address("phone", "add", "10.43.0.99/24")

    assert phone.wait(60) == 0
    assert phone.stdout is not None
    outcome = json.loads(phone.stdout.read())
    assert (outcome["ip"], outcome["access_ssid"]) == ("10.43.0.3", "不要上我")
    assert outcome["firmware_is_newest"] is True


def until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None


@contextmanager
def announcements(machines: Hallway) -> Iterator[Iterator[str]]:
    """What is announced from now on, "uuid address" each; they end after 20 s, so that nothing hangs."""
    listener = machines.start("phone", PYTHON, "-m", "tests.common.announcement_listener")
    end = threading.Timer(20, listener.kill)
    end.start()
    assert listener.stdout is not None
    assert listener.stdout.readline() == "listening\n"
    try:
        yield (line.strip() for line in listener.stdout)
    finally:
        end.cancel()
        listener.kill()
        listener.wait(10)
