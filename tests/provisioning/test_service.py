"""From a phone's first datagram to 200555, over real UDP sockets."""

import asyncio

from structlog.testing import capture_logs

from tests.common.provisioning import GATEWAY, PATIENCE_S, Gateway, running

ASK = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}
JOIN = {
    "status": 200554,
    "data": {"auth": 3, "encry": 3, "ssid": "不要上我", "pwd": "nopass-nopass"},
}


async def test_who_asks_is_answered_with_the_record(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(ASK)
        answer = await phone.hears(200601)
    assert answer["msg"]["uuid"] == GATEWAY
    assert answer["msg"]["sn"] == "77"
    assert answer["msg"]["param"]["ip"] == "127.0.0.1"
    assert answer["msg"]["param"]["access_pass"] is None


async def test_a_phone_lists_networks_joins_one_and_hears_that_the_firmware_is_newest(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send({"status": 200552})
        networks = (await phone.hears(200553))["data"]
        assert networks[0] == {"auth": 3, "encry": 3, "ssid": "不要上我"}
        phone.send(JOIN)
        announced = await phone.hears(200601, 400515)
        assert announced["msg"]["param"]["access_ssid"] == "不要上我"
        await phone.hears(200555)
    assert [link.ssid.decode() for link in gateway.joined] == ["不要上我"]


async def test_a_full_disk_does_not_keep_the_window_open_nor_end_the_daemon() -> None:
    with capture_logs() as logs:
        async with running() as gateway:
            gateway.drawer.broken = True
            keeping = asyncio.create_task(gateway.service.uplink_works())
            async with asyncio.timeout(PATIENCE_S):
                while not any(entry["event"] == "window_not_kept_shut" for entry in logs):
                    await asyncio.sleep(0)
            assert not gateway.window.is_open(gateway.now())
            assert not keeping.done()
            keeping.cancel()
