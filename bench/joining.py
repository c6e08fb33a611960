"""`python -m bench.joining`: from a phone's 200554 to the 200601 that answers it, beside what the join itself takes.

NetworkManager is python-dbusmock's with a mock radio (tests/common/networkmanager/mock_radio.py), whose time is known.
The rest is gatewayd's: reading devices, access points and profiles, D-Bus calls, storing and deleting profiles.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gatewayd import log
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.common.networkmanager.gateway import gateway_on
from tests.common.networkmanager.mock_radio import WPA2, MockRadio, mock_radio
from tests.common.networkmanager.private_bus import mock_network_manager, private_bus
from tests.common.provisioning import PhoneSocket

JOINS = 40
PAUSE_S = 0.5  # the rate limit admits no more from one source
NAMES = ("不要上我", "cafe")


async def main() -> None:
    """Join two networks in turn, and print the three times."""
    log.configure("error", "console")
    with TemporaryDirectory(prefix="gw-") as folder:
        async with private_bus(Path(folder)) as bus, mock_network_manager(bus), mock_radio(bus) as radio:
            await radio.add_radio("wlan0")
            for name in NAMES:
                await radio.add_network(name.encode(), rsn=WPA2)
            whole = await joins(NetworkManagerWifi("wlan0", address=bus), radio)
    own = [total - mock for total, mock in zip(whole, radio.activation_times_s, strict=True)]
    for what, times in (("200554 → 200601", whole), ("the mock's own", radio.activation_times_s), ("gatewayd's", own)):
        print(f"{what:16} p50 {1000 * statistics.median(times):6.1f} ms   p99 {1000 * p99(times):6.1f} ms")


async def joins(wifi: NetworkManagerWifi, radio: MockRadio) -> list[float]:
    """Seconds from each 200554 to its 200601."""
    times = []
    async with gateway_on(wifi) as port:
        phone = PhoneSocket(port)
        async with phone.bound(0):
            for number in range(JOINS):
                data = {"auth": 3, "encry": 3, "ssid": NAMES[number % 2], "pwd": "correct horse battery"}
                started = time.perf_counter()
                phone.send({"status": 200554, "sn": str(number), "data": data})
                await phone.receive(200601)
                times.append(time.perf_counter() - started)
                await phone.receive(200555)
                await asyncio.sleep(PAUSE_S)
    return times


def p99(times: Sequence[float]) -> float:
    """The 99th percentile of few values."""
    return sorted(times)[int(0.99 * (len(times) - 1))]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
