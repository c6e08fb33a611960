"""What a device sends that no device should: the report is dropped, and the next one is taken."""

import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zigpy.types import EUI64

from gatewayd.model.event import AttributeReported, RadioEvent
from gatewayd.zigbee.catalogue import CatalogueMatch
from gatewayd.zigbee.device import ZigbeeDevice
from gatewayd.zigbee.drivers import DRIVERS


class Cluster:
    """zigpy's cluster, as far as a device listens to it."""

    def __init__(self, cluster_id: int) -> None:
        self.cluster_id = cluster_id
        self.on_report: list[Any] = []
        self.listeners: list[Any] = []

    def on_event(self, event: str, callback: Any) -> Any:
        if event == "attribute_report":
            self.on_report.append(callback)
        return lambda: None

    def add_listener(self, listener: Any) -> None:
        self.listeners.append(listener)

    def remove_listener(self, listener: Any) -> None:
        self.listeners.remove(listener)


def device(driver_name: str) -> tuple[ZigbeeDevice, dict[int, Cluster], list[RadioEvent]]:
    driver = DRIVERS[driver_name]
    clusters = {int(one): Cluster(int(one)) for one in driver.clusters}
    endpoint = SimpleNamespace(endpoint_id=1, in_clusters=clusters)
    zigpy_device = SimpleNamespace(ieee=EUI64.convert("00:15:8d:00:02:a0:00:01"), non_zdo_endpoints=[endpoint])
    events: list[RadioEvent] = []
    match = CatalogueMatch(driver, "x", "x", {1: 1})
    return ZigbeeDevice(zigpy_device, match, events.append, lambda: datetime.now(UTC)), clusters, events


RAW = st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4) | st.lists(st.integers())


@pytest.mark.parametrize("name", DRIVERS)
@given(raw=RAW)
def test_report_of_any_value_is_taken_or_dropped(name: str, raw: object) -> None:
    _, clusters, events = device(name)
    for report in DRIVERS[name].reports:
        cluster = clusters[report.cluster]
        event = SimpleNamespace(
            cluster_id=report.cluster, attribute_id=report.attribute, endpoint_id=1, raw_value=raw, value=raw
        )
        cluster.on_report[0](event)
    assert all(isinstance(event, AttributeReported) for event in events)


@pytest.mark.parametrize("name", ["sensor"])
def test_notification_without_its_argument_is_dropped(name: str) -> None:
    _, clusters, events = device(name)
    for cluster in clusters.values():
        for listener in cluster.listeners:
            for args in (None, SimpleNamespace(zone_status="x"), SimpleNamespace(zone_status=math.nan)):
                listener.cluster_command(1, 0, args)
    assert events == []
