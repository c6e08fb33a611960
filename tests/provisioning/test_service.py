"""From a phone's first datagram to 200555, over real UDP sockets."""

import asyncio

from structlog.testing import capture_logs

from tests.common.provisioning import GATEWAY, TIMEOUT_S, Gateway, running_gateway

DISCOVER = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}
JOIN = {
    "status": 200554,
    "data": {"auth": 3, "encry": 3, "ssid": "不要上我", "pwd": "nopass-nopass"},
}


async def test_discovery_request_is_answered_with_the_record(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(DISCOVER)
        answer = await phone.receive(200601)
    assert answer["msg"]["uuid"] == GATEWAY
    assert answer["msg"]["sn"] == "77"
    assert answer["msg"]["param"]["ip"] == "127.0.0.1"
    assert answer["msg"]["param"]["access_pass"] is None


async def test_phone_lists_networks_and_joins_one_up_to_200555(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send({"status": 200552})
        networks = (await phone.receive(200553))["data"]
        assert networks[0] == {"auth": 3, "encry": 3, "ssid": "不要上我"}
        phone.send(JOIN)
        answer = await phone.receive(200601, 400515)
        assert answer["msg"]["param"]["access_ssid"] == "不要上我"
        await phone.receive(200555)
    assert [link.ssid.decode() for link in gateway.joined] == ["不要上我"]


async def test_window_closes_although_the_disk_is_full() -> None:
    with capture_logs() as logs:
        async with running_gateway() as gateway:
            gateway.secret_store.is_full = True
            task = asyncio.create_task(gateway.service.mark_provisioned())
            async with asyncio.timeout(TIMEOUT_S):
                while not any(entry["event"] == "window_not_stored" for entry in logs):
                    await asyncio.sleep(0)
            assert not gateway.window.is_open(gateway.now())
            assert not task.done()
            task.cancel()
