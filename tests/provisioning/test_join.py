"""200554: refused, repeated, replayed, failing, interrupted and cancelled joins; the Wi-Fi is simulated."""

import asyncio
import gc
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gatewayd.model.errors import CloudError
from gatewayd.model.wifi import Auth, Encryption, WifiCredentials
from gatewayd.provisioning.client.datagrams import Announcement, NetworkEntry, decode_message, encode_join_network
from gatewayd.provisioning.datagrams import SealedPassphrase
from gatewayd.provisioning.rate_limit import RateLimits
from gatewayd.provisioning.seal import SealContext, seal
from gatewayd.provisioning.ssid import to_text
from gatewayd.simulator.wifi import DEFAULT_ACCESS_POINTS, SimulatedAccessPoint, SimulatedWifi, WifiFault
from gatewayd.token_bucket import Rate
from tests.common.provisioning import GATEWAY, TIMEOUT_S, PhoneSocket, running_gateway

DISCOVER = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}
HOME = NetworkEntry("不要上我", Auth.WPA2PSK, Encryption.AES)
PASSPHRASE = "nopass-nopass"


def join(ssid: str = HOME.ssid, pwd: object = PASSPHRASE, auth: int = 3, encry: int = 3) -> dict[str, Any]:
    return {"status": 200554, "data": {"auth": auth, "encry": encry, "ssid": ssid, "pwd": pwd}}


async def sealed_join(phone: PhoneSocket, network: NetworkEntry = HOME, passphrase: str = PASSPHRASE) -> bytes:
    """A 200554 whose passphrase is sealed to the key and nonce that the gateway announces now."""
    phone.send(DISCOVER)
    announcement = decode_message(msgspec.json.encode(await phone.receive(200601)))
    assert isinstance(announcement, Announcement)
    assert announcement.key is not None
    assert announcement.nonce is not None
    context = SealContext(GATEWAY, network.ssid, network.auth, network.encryption, announcement.nonce)
    sealed = SealedPassphrase(announcement.nonce, seal(passphrase, announcement.key, context))
    return encode_join_network(GATEWAY, "8", network, sealed)


@pytest.mark.parametrize(
    "point", [point for point in DEFAULT_ACCESS_POINTS if not point.wpa3_only], ids=lambda point: str(point.ssid)
)
async def test_every_kind_of_network_is_joined_by_its_listed_name(point: SimulatedAccessPoint) -> None:
    async with running_gateway() as gateway, gateway.phone() as phone:
        phone.send({"status": 200552})
        listed = [row["ssid"] for row in (await phone.receive(200553))["data"]]
        name = to_text(point.ssid)
        assert (name in listed) is point.is_listed
        phone.send(join(name, point.passphrase, point.auth, point.encryption))
        answer = await phone.receive(200601, 400515)
        assert answer["msg"]["param"]["access_ssid"] == name
        assert answer["msg"]["param"]["ip"] == point.address.split("/")[0]
    assert [link.ssid for link in gateway.joined] == [point.ssid]


async def test_wpa3_and_hidden_networks_are_not_listed() -> None:
    async with running_gateway() as gateway, gateway.phone() as phone:
        phone.send({"status": 200552})
        listed = (await phone.receive(200553))["data"]
    assert "tomorrow" not in [row["ssid"] for row in listed]
    assert "secret-garden" not in [row["ssid"] for row in listed]


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
async def test_failed_join_logs_the_reason_and_restores_the_former_network(
    request_: dict[str, Any], failure: str
) -> None:
    former = DEFAULT_ACCESS_POINTS[1]
    silent = SimulatedAccessPoint(b"silent", passphrase=PASSPHRASE, fault=WifiFault.NO_ADDRESS)
    ghost = SimulatedAccessPoint(b"ghost", passphrase=PASSPHRASE, fault=WifiFault.VANISHES)
    wifi = SimulatedWifi((*DEFAULT_ACCESS_POINTS, silent, ghost), joined=former)
    with capture_logs() as logs:
        async with running_gateway(wifi) as gateway, gateway.phone() as phone:
            phone.send(request_)
            await phone.receive(400515)
            link = await wifi.link()
    assert link is not None
    assert link.ssid == former.ssid
    assert [entry["failure"] for entry in logs if entry["event"] == "wifi_not_joined"] == [failure]
    assert request_["data"]["pwd"] not in str(logs)


async def test_malformed_join_is_answered_with_the_place() -> None:
    async with running_gateway() as gateway, gateway.phone() as phone:
        phone.send(join(auth=9))
        assert "$.auth" in (await phone.receive(400515))["desc"]
    assert gateway.wifi.joins == 0


async def test_join_outside_the_window_is_refused() -> None:
    async with running_gateway(provisioned=True) as gateway, gateway.phone() as phone:
        phone.send(join())
        assert "window is shut" in (await phone.receive(400515))["desc"]
        assert gateway.wifi.joins == 0
        gateway.window.open_for(60, gateway.now())
        phone.send(join())
        await phone.receive(200601)
    assert gateway.wifi.joins == 1


async def test_request_for_another_gateway_is_ignored() -> None:
    async with running_gateway() as gateway, gateway.phone() as phone:
        phone.send(join() | {"uuid": "00158d0000d04701"})
        phone.send({"status": 200552, "uuid": "00158d0000d04701"})
        await gateway.wait_until_handled()
        assert phone.received_so_far() == []
    assert (gateway.wifi.joins, gateway.wifi.scans) == (0, 0)


async def test_second_join_is_refused_while_one_runs() -> None:
    wifi = PausedJoinWifi()
    async with running_gateway(wifi) as gateway, gateway.phone() as first, gateway.phone() as second:
        first.send(join())
        await wifi.begun.wait()
        second.send(join(ssid="cafe", auth=0, encry=0, pwd=""))
        assert "joining a network already" in (await second.receive(400515))["desc"]
        wifi.resumed.set()
        assert (await first.receive(200601, 400515))["msg"]["param"]["access_ssid"] == HOME.ssid
    assert wifi.joins == 1


async def test_repeated_request_joins_once_and_every_sender_gets_the_outcome() -> None:
    wifi = PausedJoinWifi()
    async with running_gateway(wifi) as gateway, gateway.phone() as first, gateway.phone() as second:
        for phone in (first, second, first):
            phone.send(join())
        await wifi.begun.wait()
        await gateway.wait_until_handled()
        wifi.resumed.set()
        for phone in (first, second):
            await phone.receive(200601)
            await phone.receive(200555)
        second.send(join())  # as if its answer had been lost
        await second.receive(200601)
        await second.receive(200555)
    assert wifi.joins == 1


async def test_outcome_is_sent_when_the_answer_budget_is_used_up() -> None:
    limits = RateLimits(Rate(1e6, 1e6), Rate(1e6, 1e6), answers=Rate(0.001, 1500))
    async with running_gateway(limits=limits) as gateway, gateway.phone() as phone, gateway.phone() as attacker:
        for _ in range(10):
            attacker.send(DISCOVER)
        phone.send(join(pwd="not-the-one"))
        await phone.receive(400515)
        phone.send(join())
        await phone.receive(200601)
        await phone.receive(200555)


async def test_firmware_lookup_is_retried_while_the_cloud_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.provisioning.join.FIRMWARE_RETRY_S", 0.01)
    answers: list[bool | CloudError] = [True, CloudError("no route"), CloudError("the certificate is not valid yet")]

    async def is_newest() -> bool:
        answer = answers.pop()
        if isinstance(answer, CloudError):
            raise answer
        return answer

    async with running_gateway(is_newest=is_newest) as gateway, gateway.phone() as phone:
        phone.send(join())
        await phone.receive(200601)
        await phone.receive(200555)
    assert answers == []


async def test_200555_is_not_sent_where_there_is_newer_firmware() -> None:
    looked_up = asyncio.Event()

    async def is_newest() -> bool:
        looked_up.set()
        return False

    async with running_gateway(is_newest=is_newest) as gateway, gateway.phone() as phone:
        phone.send(join())
        await phone.receive(200601)
        await asyncio.wait_for(looked_up.wait(), TIMEOUT_S)
        await gateway.wait_until_handled()
        phone.send(join())  # as if its answer had been lost
        await phone.receive(200601)
        await gateway.wait_until_handled()
        assert phone.received_so_far() == []


async def test_join_completes_after_its_phone_has_gone() -> None:
    wifi = PausedJoinWifi()
    async with running_gateway(wifi) as gateway:
        async with gateway.phone() as phone:
            phone.send(join())
            await wifi.begun.wait()
        wifi.resumed.set()
        async with gateway.phone() as other:
            other.send(join())
            await other.receive(200601)
        assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid]


async def test_join_fails_when_the_network_disappears_meanwhile() -> None:
    wifi = PausedJoinWifi()
    async with running_gateway(wifi) as gateway, gateway.phone() as phone:
        phone.send(join())
        await wifi.begun.wait()
        wifi.remove_access_point(HOME.ssid.encode())
        wifi.resumed.set()
        assert (await phone.receive(400515))["desc"] == "the network went away while joining"


async def test_stop_during_a_join_restores_the_former_network() -> None:
    wifi = PausedJoinWifi(joined=DEFAULT_ACCESS_POINTS[1])
    async with running_gateway(wifi) as gateway, gateway.phone() as phone:
        phone.send(join())
        await wifi.begun.wait()
    link = await wifi.link()
    assert link is not None
    assert link.ssid == DEFAULT_ACCESS_POINTS[1].ssid


async def test_sealed_passphrase_is_opened_and_used() -> None:
    async with running_gateway(sealed_only=True) as gateway, gateway.phone() as phone:
        phone.send(await sealed_join(phone))
        assert (await phone.receive(200601, 400515))["status"] == 200601
    assert gateway.wifi.joins == 1


async def test_plain_passphrase_is_refused_with_sealed_only() -> None:
    async with running_gateway(sealed_only=True) as gateway, gateway.phone() as phone:
        phone.send(join())
        assert "only sealed" in (await phone.receive(400515))["desc"]
        phone.send(join(ssid="cafe", auth=0, encry=0, pwd=""))
        await phone.receive(200601)
    assert gateway.wifi.joins == 1


async def test_replayed_sealed_request_is_refused() -> None:
    async with running_gateway() as gateway, gateway.phone() as phone, gateway.phone() as attacker:
        recorded = await sealed_join(phone)
        phone.send(recorded)
        await phone.receive(200555)
        phone.send(join("cafe", "", 0, 0))
        while (await phone.receive(200601))["msg"]["param"]["access_ssid"] != "cafe":
            pass
        attacker.send(recorded)
        assert "spent or too old" in (await attacker.receive(400515))["desc"]
    assert [link.ssid.decode() for link in gateway.joined] == [HOME.ssid, "cafe"]


async def test_seal_moved_to_another_network_is_refused() -> None:
    async with running_gateway() as gateway, gateway.phone() as phone:
        recorded = await sealed_join(phone)
        phone.send(recorded.replace(b'"auth":3', b'"auth":0').replace(b'"encry":3', b'"encry":0'))
        assert "not sealed to this gateway's key" in (await phone.receive(400515))["desc"]
    assert gateway.wifi.joins == 0


async def test_passphrase_is_neither_logged_nor_kept() -> None:
    with capture_logs() as logs:
        async with running_gateway() as gateway, gateway.phone() as phone:
            phone.send(await sealed_join(phone))
            await phone.receive(200555)
            phone.send(join(pwd="a-wrong-guess"))
            await phone.receive(400515)
            phone.send(b'{"status":200554,"data":{"pwd":"half-a-request')
            phone.send(join(pwd="x" * 64 + "too-long"))
            await phone.receive(400515)
            gc.collect()
            kept = [one.passphrase for one in gc.get_objects() if isinstance(one, WifiCredentials)]
            assert not {PASSPHRASE, "a-wrong-guess"} & set(kept)
    assert [entry["event"] for entry in logs].count("wifi_joined") == 1
    for secret in (PASSPHRASE, "a-wrong-guess", "half-a-request", "too-long"):
        assert secret not in str(logs)


async def test_list_request_during_a_join_is_answered_with_400514() -> None:
    wifi = PausedJoinWifi()
    async with running_gateway(wifi) as gateway, gateway.phone() as phone:
        phone.send(join())
        await wifi.begun.wait()
        phone.send({"status": 200552})
        assert await phone.receive(400514, 200553) == {"status": 400514}
        wifi.resumed.set()


class PausedJoinWifi(SimulatedWifi):
    """A radio whose join, once it has found the network, sets `begun` and waits for `resumed`."""

    def __init__(self, joined: SimulatedAccessPoint | None = None) -> None:
        super().__init__(joined=joined)
        self.begun = asyncio.Event()
        self.resumed = asyncio.Event()

    async def associate(self) -> None:
        self.begun.set()
        await self.resumed.wait()
