"""This machine's subnets, from what netifaces returns."""

import netifaces
import pytest

from gatewayd.provisioning.interfaces import parse_subnets, subnets

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
INVALID = {V4: [{"addr": "10.5.0.2"}, {"addr": "10.5.0.300", "netmask": "255.255.255.0", "broadcast": "10.5.0.255"}]}
RAW = {"lo": LO, "eth0": ETH, "tun0": TUN, "odd0": INVALID, "down0": {}}


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ((), [("eth0", "10.8.0.1/16", "10.8.255.255"), ("eth0", "192.168.1.20/24", "192.168.1.255")]),
        (("lo",), [("lo", "127.0.0.1/8", "127.255.255.255")]),
        (("tun0", "wlan0"), []),
    ],
)
def test_only_subnets_with_broadcast_are_found(only: tuple[str, ...], found: list[tuple[str, str, str]]) -> None:
    assert [(one.interface, str(one.address), str(one.broadcast)) for one in parse_subnets(RAW, only)] == found


def test_loopback_of_this_machine_is_found_when_named() -> None:
    assert [str(subnet.address) for subnet in subnets(("lo",))] == ["127.0.0.1/8"]
