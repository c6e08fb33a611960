"""The address by which the default route leaves: not docker0's, and another one once the route is another."""

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

import netifaces
import pytest

from gatewayd.provisioning.interfaces import DefaultRoute, Subnet, address_on, parse_default_route
from gatewayd.wiring.provisioning import record_address
from tests.common.network_namespaces import NamespaceNetwork, namespace_network, unavailable_reason

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DOCKER = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
WIRED = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
WIRELESS = "wlan0\t00000000\t012BA8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
REJECTED = "lo\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
LINE = "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
BY_WIRE = DefaultRoute("eth0", IPv4Address("192.168.1.1"))

WATCH = """
import asyncio
from gatewayd.provisioning.interfaces import AddressChanges, uplink_address
async def main():
    with AddressChanges.subscribed() as changes:
        for _ in range(60):
            print(uplink_address(), flush=True)
            await changes.wait(0.5)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table shows addresses in the machine's byte order")
@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("", None),
        (HEAD + DOCKER, None),
        (HEAD + DOCKER + WIRELESS + WIRED, BY_WIRE),
        (HEAD + WIRED + WIRELESS, BY_WIRE),
        (HEAD + REJECTED + WIRED, BY_WIRE),
        (HEAD + LINE, DefaultRoute("ppp0", None)),
        (HEAD + "half a line\n" + "eth0\tx\ty\tz\t0\t0\t0\t0\n" + WIRED, BY_WIRE),
    ],
)
def test_default_route_is_the_one_with_the_lowest_metric(table: str, found: DefaultRoute | None) -> None:
    assert parse_default_route(table) == found


def test_address_beside_the_gateway_is_taken_before_others_of_the_interface() -> None:
    eth0 = [
        {"addr": "10.8.0.1", "netmask": "255.255.0.0"},
        {"addr": "192.168.1.20", "netmask": "255.255.255.0"},
        {"addr": "nonsense"},
    ]
    raw = {"docker0": {netifaces.AF_INET: [{"addr": "172.17.0.1", "netmask": "255.255.0.0"}]}}
    raw["eth0"] = {netifaces.AF_INET: eth0}
    raw["ppp0"] = {netifaces.AF_INET: [{"addr": "100.64.0.7", "peer": "100.64.0.1"}]}
    assert address_on(BY_WIRE, raw) == IPv4Address("192.168.1.20")
    assert address_on(DefaultRoute("eth0", None), raw) == IPv4Address("10.8.0.1")
    assert address_on(DefaultRoute("ppp0", None), raw) == IPv4Address("100.64.0.7")
    assert address_on(DefaultRoute("eth7", None), raw) is None


@pytest.mark.parametrize(
    ("uplink", "own", "recorded", "address"),
    [
        ("192.168.1.20", ("172.17.0.1", "192.168.1.20"), "172.17.0.1", "192.168.1.20"),
        ("192.168.1.20", (), None, "192.168.1.20"),
        (None, ("172.17.0.1", "192.168.1.20"), "192.168.1.20", "192.168.1.20"),
        (None, ("10.0.0.2",), "192.168.1.20", "10.0.0.2"),
        (None, (), "192.168.1.20", "192.168.1.20"),
    ],
)
def test_record_has_the_address_of_the_default_route(
    uplink: str | None, own: tuple[str, ...], recorded: str | None, address: str
) -> None:
    subnets = tuple(Subnet("eth0", IPv4Interface(f"{one}/24"), IPv4Address("10.255.255.255")) for one in own)
    assert record_address(IPv4Address(uplink) if uplink else None, subnets, recorded) == address


@pytest.fixture
def network() -> Iterator[NamespaceNetwork]:
    if reason := unavailable_reason():
        pytest.skip(reason)
    with namespace_network() as network:
        network.add_machine("gateway")
        network.add_interface("gateway", "docker0", "172.17.0.1/16")
        network.add_interface("gateway", "eth0", "192.168.1.20/24")
        network.add_interface("gateway", "wlan0", "192.168.43.9/24")
        yield network


def test_address_follows_the_default_route(network: NamespaceNetwork) -> None:
    watching = network.start("gateway", sys.executable, "-c", WATCH)
    assert watching.stdout is not None
    seen = iter(line.strip() for line in watching.stdout)
    assert next(seen) == "None"
    for change, address in (
        (("add", "default", "via", "192.168.43.1", "metric", "600"), "192.168.43.9"),
        (("add", "default", "via", "192.168.1.1", "metric", "100"), "192.168.1.20"),
        (("delete", "default", "via", "192.168.1.1"), "192.168.43.9"),
    ):
        network.run("gateway", "ip", "route", *change)
        assert any(line == address for line in seen)
