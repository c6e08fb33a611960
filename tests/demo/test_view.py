"""The demo's page: it fits the screen and shows every part."""

import io

import pytest
from rich.console import Console

from gatewayd.admin.status import (
    ClockSnapshot,
    DeviceSnapshot,
    GatewayStatus,
    MqttSnapshot,
    RadioSnapshot,
    RestSnapshot,
    StoreSnapshot,
    UnknownDeviceSnapshot,
)
from gatewayd.demo.view import DemoView, page
from gatewayd.model.ids import Category
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import ReceivedMessage
from gatewayd.simulator.tour import TourStep

LOCK = {"uuid": "00158d0003b00001", "category": "lock", "title": "智能门锁", "param": {"operate": 1}}
VIEW = DemoView(
    status=GatewayStatus(
        version="1",
        gateway="00158d0000d04700",
        owner="18900000001",
        up_s=1,
        radio=RadioSnapshot(up=False, channel=None, trouble="cannot start: refused", starts=0),
        mqtt=MqttSnapshot(up=True, trouble=None, connections=1),
        rest=RestSnapshot(None),
        store=StoreSnapshot(None),
        clock=ClockSnapshot("cloud", "2026-12-24T18:00:00Z", 0),
        devices=2,
        outbox={"mqtt": 0, "rest": 6},
        requests={},
        warnings=[],
    ),
    devices=[
        DeviceSnapshot(
            uuid="00158d0003b00001",
            category=Category.LOCK,
            type="AA02SL-HE",
            title="智能门锁",
            online=True,
            battery=80,
            state="unlocked",
            linked=True,
        ),
        UnknownDeviceSnapshot("00158d0009a00001", Category.UNKNOWN, "Acme X1", "endpoint 1: 0x0000"),
    ],
    steps=[TourStep(f"step {number}", "happened", 0.01) for number in range(13)],
    received=[
        ReceivedMessage("t", False, OperationStatus.UNLOCK_EVENT, None, LOCK, 0),
        ReceivedMessage("t", False, OperationStatus.CONTROL_REQUESTED, "1", LOCK, 0),  # the phone's own
        ReceivedMessage("t", False, OperationStatus.CONTROLLING, "1", {"sn": "1"}, 0),
    ]
    * 20,
    now=1,
)


ADDRESSES = {
    "status": "gatewayctl --socket /tmp/x/admin.sock status",
    "phone": "gatewayctl provision " + 7 * "--long ",
}


def drawn(width: int, height: int) -> list[str]:
    screen = Console(width=width, height=height, record=True, file=io.StringIO())
    screen.print(page(VIEW, ADDRESSES, width, height))
    return screen.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (120, 60)])
def test_page_fits_the_screen_and_shows_the_newest(width: int, height: int) -> None:
    lines = drawn(width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "step 12" in text
    assert ("step 0 " in text) is (height > 40)
    assert "开锁事件" in lines[-1]


def test_page_shows_radio_cloud_outbox_and_devices() -> None:
    text = "\n".join(drawn(120, 40))
    for word in ("cannot start: refused", "connected", "rest 6", "Acme X1", "80 %", "unlocked", "/tmp/x/admin.sock"):
        assert word in text
    assert "请求" not in text
