"""200554 in all weathers: refused, repeated, replayed, failing, vanishing, cancelled; the Wi-Fi is simulated."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gatewayd.model.errors import CloudError
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.client.datagrams import Announced, Offer, decode_answer, question_join
from gatewayd.provisioning.datagrams import Sealed
from gatewayd.provisioning.rate_limit import Rate, RateLimits
from gatewayd.provisioning.seal import Bound, seal
from gatewayd.provisioning.ssid import to_text
from gatewayd.simulator.wifi import DEFAULT_ACCESS_POINTS, SimulatedAccessPoint, SimulatedWifi, WifiFault
from tests.common.provisioning import GATEWAY, PATIENCE_S, Socket, running

ASK = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}
HOME = Offer("不要上我", Auth.WPA2PSK, Encryption.AES)
PASSPHRASE = "nopass-nopass"


def join(ssid: str = HOME.ssid, pwd: object = PASSPHRASE, auth: int = 3, encry: int = 3) -> dict[str, Any]:
    return {"status": 200554, "data": {"auth": auth, "encry": encry, "ssid": ssid, "pwd": pwd}}


async def sealed_join(phone: Socket, offer: Offer = HOME, passphrase: str = PASSPHRASE) -> bytes:
    """A 200554 sealed to what the gateway announces now."""
    phone.send(ASK)
    said = decode_answer(msgspec.json.encode(await phone.hears(200601)))
    assert isinstance(said, Announced)
    assert said.key is not None
    assert said.nonce is not None
    bound = Bound(GATEWAY, offer.ssid, offer.auth, offer.encryption, said.nonce)
    return question_join(GATEWAY, "8", offer, Sealed(said.nonce, seal(passphrase, said.key, bound)))


@pytest.mark.parametrize(
    "point", [one for one in DEFAULT_ACCESS_POINTS if not one.wpa3_only], ids=lambda point: str(point.ssid)
)
async def test_every_kind_of_network_is_joined_by_the_name_it_was_listed_with(point: SimulatedAccessPoint) -> None:
    async with running() as gateway, gateway.phone() as phone:
        phone.send({"status": 200552})
        listed = [one["ssid"] for one in (await phone.hears(200553))["data"]]
        name = to_text(point.ssid)
        assert (name in listed) is point.is_listed
        phone.send(join(name, point.passphrase, point.auth, point.encryption))
        answer = await phone.hears(200601, 400515)
        assert answer["msg"]["param"]["access_ssid"] == name
        assert answer["msg"]["param"]["ip"] == point.address.split("/")[0]
    assert [link.ssid for link in gateway.joined] == [point.ssid]


async def test_a_network_that_wants_wpa3_is_not_listed() -> None:
    async with running() as gateway, gateway.phone() as phone:
        phone.send({"status": 200552})
        listed = (await phone.hears(200553))["data"]
    assert "tomorrow" not in [one["ssid"] for one in listed]
    assert "secret-garden" not in [one["ssid"] for one in listed]


@pytest.mark.parametrize(
    ("request_", "failure"),
    [
        (join(pwd="not-the-one"), "WRONG_PASSPHRASE"),
        (join(pwd="short"), "BAD_PASSPHRASE"),
        (join(ssid="nowhere"), "NOT_FOUND"),
        (join(ssid="silent"), "NO_ADDRESS"),
        (join(ssid="ghost"), "LOST"),
    ],
)
async def test_each_failure_is_told_apart_in_the_log_and_the_former_network_is_back(
    request_: dict[str, Any], failure: str
) -> None:
    former = DEFAULT_ACCESS_POINTS[1]
    silent = SimulatedAccessPoint(b"silent", passphrase=PASSPHRASE, fault=WifiFault.NO_ADDRESS)
    ghost = SimulatedAccessPoint(b"ghost", passphrase=PASSPHRASE, fault=WifiFault.VANISHES)
    wifi = SimulatedWifi((*DEFAULT_ACCESS_POINTS, silent, ghost), joined=former)
    with capture_logs() as logs:
        async with running(wifi) as gateway, gateway.phone() as phone:
            phone.send(request_)
            await phone.hears(400515)
            link = await wifi.link()
    assert link is not None
    assert link.ssid == former.ssid
    assert [entry["failure"] for entry in logs if entry["event"] == "wifi_not_joined"] == [failure]
    assert request_["data"]["pwd"] not in str(logs)


async def test_a_join_that_cannot_be_read_is_answered_with_the_place() -> None:
    async with running() as gateway, gateway.phone() as phone:
        phone.send(join(auth=9))
        assert "$.auth" in (await phone.hears(400515))["desc"]
    assert gateway.wifi.joins == 0


async def test_outside_the_window_nothing_is_joined() -> None:
    async with running(provisioned=True) as gateway, gateway.phone() as phone:
        phone.send(join())
        assert "window is shut" in (await phone.hears(400515))["desc"]
        assert gateway.wifi.joins == 0
        gateway.window.open_for(60, gateway.now())
        phone.send(join())
        await phone.hears(200601)
    assert gateway.wifi.joins == 1


async def test_a_request_for_another_gateway_is_left_to_it() -> None:
    async with running() as gateway, gateway.phone() as phone:
        phone.send(join() | {"uuid": "00158d0000d04701"})
        phone.send({"status": 200552, "uuid": "00158d0000d04701"})
        await gateway.settled()
        assert phone.heard_so_far() == []
    assert (gateway.wifi.joins, gateway.wifi.scans) == (0, 0)


async def test_a_second_request_while_one_runs_is_refused_and_the_first_goes_on() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway, gateway.phone() as first, gateway.phone() as second:
        first.send(join())
        await gate.begun.wait()
        second.send(join(ssid="cafe", auth=0, encry=0, pwd=""))
        assert "joining a network already" in (await second.hears(400515))["desc"]
        gate.opened.set()
        assert (await first.hears(200601, 400515))["msg"]["param"]["access_ssid"] == HOME.ssid
    assert gate.joins == 1


async def test_the_same_request_again_is_one_join_and_everybody_hears_its_outcome() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway, gateway.phone() as first, gateway.phone() as second:
        for phone in (first, second, first):
            phone.send(join())
        await gate.begun.wait()
        await gateway.settled()
        gate.opened.set()
        for phone in (first, second):
            await phone.hears(200601)
            await phone.hears(200555)
        second.send(join())  # as if its answer had been lost
        await second.hears(200601)
        await second.hears(200555)
    assert gate.joins == 1


async def test_nobody_can_keep_an_outcome_from_a_phone_by_using_up_the_budget_of_answers() -> None:
    limits = RateLimits(Rate(1e6, 1e6), Rate(1e6, 1e6), answers=Rate(0.001, 1500))
    async with running(limits=limits) as gateway, gateway.phone() as phone, gateway.phone() as attacker:
        for _ in range(10):
            attacker.send(ASK)
        phone.send(join(pwd="not-the-one"))
        await phone.hears(400515)
        phone.send(join())
        await phone.hears(200601)
        await phone.hears(200555)


async def test_a_cloud_that_is_out_of_reach_just_after_the_join_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.provisioning.join._FIRMWARE_AGAIN_S", 0.01)
    answers: list[bool | CloudError] = [True, CloudError("no route"), CloudError("the certificate is not valid yet")]

    async def is_newest() -> bool:
        answer = answers.pop()
        if isinstance(answer, CloudError):
            raise answer
        return answer

    async with running(is_newest=is_newest) as gateway, gateway.phone() as phone:
        phone.send(join())
        await phone.hears(200601)
        await phone.hears(200555)
    assert answers == []


async def test_where_there_is_newer_firmware_nobody_says_200555() -> None:
    asked = asyncio.Event()

    async def is_newest() -> bool:
        asked.set()
        return False

    async with running(is_newest=is_newest) as gateway, gateway.phone() as phone:
        phone.send(join())
        await phone.hears(200601)
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        await gateway.settled()
        phone.send(join())  # as if its answer had been lost
        await phone.hears(200601)
        await gateway.settled()
        assert phone.heard_so_far() == []


async def test_a_phone_that_has_gone_changes_nothing_for_the_gateway() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway:
        async with gateway.phone() as phone:
            phone.send(join())
            await gate.begun.wait()
        gate.opened.set()
        async with gateway.phone() as other:
            other.send(join())
            await other.hears(200601)
        assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid]


async def test_a_network_that_vanishes_in_the_middle_is_a_failed_join() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway, gateway.phone() as phone:
        phone.send(join())
        await gate.begun.wait()
        gate.remove_access_point(HOME.ssid.encode())
        gate.opened.set()
        assert (await phone.hears(400515))["desc"] == "the network went away while joining"


async def test_stopping_in_the_middle_of_a_join_is_clean_and_brings_the_former_network_back() -> None:
    gate = GatedWifi(joined=DEFAULT_ACCESS_POINTS[1])
    async with running(gate) as gateway, gateway.phone() as phone:
        phone.send(join())
        await gate.begun.wait()
    link = await gate.link()
    assert link is not None
    assert link.ssid == DEFAULT_ACCESS_POINTS[1].ssid


async def test_a_sealed_passphrase_is_opened_and_joins() -> None:
    async with running(sealed_only=True) as gateway, gateway.phone() as phone:
        phone.send(await sealed_join(phone))
        assert (await phone.hears(200601, 400515))["status"] == 200601
    assert gateway.wifi.joins == 1


async def test_where_only_sealed_is_taken_a_passphrase_in_the_clear_is_refused() -> None:
    async with running(sealed_only=True) as gateway, gateway.phone() as phone:
        phone.send(join())
        assert "only sealed" in (await phone.hears(400515))["desc"]
        phone.send(join(ssid="cafe", auth=0, encry=0, pwd=""))
        await phone.hears(200601)
    assert gateway.wifi.joins == 1


async def test_a_sealed_request_that_is_played_again_later_joins_nothing() -> None:
    async with running() as gateway, gateway.phone() as phone, gateway.phone() as attacker:
        recorded = await sealed_join(phone)
        phone.send(recorded)
        await phone.hears(200555)
        phone.send(join("cafe", "", 0, 0))
        while (await phone.hears(200601))["msg"]["param"]["access_ssid"] != "cafe":
            pass
        attacker.send(recorded)
        assert "spent or too old" in (await attacker.hears(400515))["desc"]
    assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid, "cafe"]


async def test_a_seal_moved_to_another_network_does_not_open() -> None:
    async with running() as gateway, gateway.phone() as phone:
        recorded = await sealed_join(phone)
        phone.send(recorded.replace(b'"auth":3', b'"auth":0').replace(b'"encry":3', b'"encry":0'))
        assert "not sealed to this gateway's key" in (await phone.hears(400515))["desc"]
    assert gateway.wifi.joins == 0


async def test_no_passphrase_is_logged_however_it_comes() -> None:
    with capture_logs() as logs:
        async with running() as gateway, gateway.phone() as phone:
            phone.send(await sealed_join(phone))
            await phone.hears(200555)
            phone.send(join(pwd="a-wrong-guess"))
            await phone.hears(400515)
            phone.send(b'{"status":200554,"data":{"pwd":"half-a-request')
            phone.send(join(pwd="x" * 64 + "too-long"))
            await phone.hears(400515)
        assert "a-wrong-guess" not in repr(vars(gateway.service._joining))
    assert [entry["event"] for entry in logs].count("wifi_joined") == 1
    for word in (PASSPHRASE, "a-wrong-guess", "half-a-request", "too-long"):
        assert word not in str(logs)


async def test_who_asks_for_networks_during_a_join_hears_at_once_that_there_are_none() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway, gateway.phone() as phone:
        phone.send(join())
        await gate.begun.wait()
        phone.send({"status": 200552})
        assert await phone.hears(400514, 200553) == {"status": 400514}
        gate.opened.set()


class GatedWifi(SimulatedWifi):
    """Joins no further than the test lets it."""

    def __init__(self, joined: SimulatedAccessPoint | None = None) -> None:
        super().__init__(joined=joined)
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()

    async def associate(self) -> None:
        self.begun.set()
        await self.opened.wait()
