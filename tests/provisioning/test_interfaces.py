"""Which subnets a machine is on, as netifaces says it."""

import netifaces
import pytest

from gatewayd.provisioning.interfaces import read, subnets

V4 = netifaces.AF_INET
LO = {V4: [{"addr": "127.0.0.1", "netmask": "255.0.0.0", "peer": "127.0.0.1"}]}
ETH = {
    V4: [
        {"addr": "192.168.1.20", "netmask": "255.255.255.0", "broadcast": "192.168.1.255"},
        {"addr": "10.8.0.1", "netmask": "255.255.0.0", "broadcast": "10.8.0.1"},  # set without a broadcast address
    ],
    netifaces.AF_INET6: [{"addr": "fe80::1%eth0", "netmask": "ffff:ffff:ffff:ffff::/64"}],
}
TUN = {V4: [{"addr": "10.6.0.2", "netmask": "255.255.255.255", "peer": "10.6.0.1"}]}
BROKEN = {V4: [{"addr": "10.5.0.2"}, {"addr": "10.5.0.300", "netmask": "255.255.255.0", "broadcast": "10.5.0.255"}]}
RAW = {"lo": LO, "eth0": ETH, "tun0": TUN, "odd0": BROKEN, "down0": {}}


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ((), [("eth0", "10.8.0.1/16", "10.8.255.255"), ("eth0", "192.168.1.20/24", "192.168.1.255")]),
        (("lo",), [("lo", "127.0.0.1/8", "127.255.255.255")]),
        (("tun0", "wlan0"), []),
    ],
)
def test_subnets_are_those_with_neighbours(only: tuple[str, ...], found: list[tuple[str, str, str]]) -> None:
    assert [(one.interface, str(one.address), str(one.broadcast)) for one in read(RAW, only)] == found


def test_this_machine_has_a_loopback_when_it_is_asked_for() -> None:
    assert [str(one.address) for one in subnets(("lo",))] == ["127.0.0.1/8"]
