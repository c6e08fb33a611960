"""A peer: the shortest script that puts zigpy on MQTT, without store, journal or recovery.

Reports go out on `bare-zigpy/<ieee>/state`, commands come in on `bare-zigpy/<ieee>/set` as "<endpoint> ON" or
"<endpoint> OFF".
"""

import asyncio
import sys
from typing import Any

import aiomqtt
import msgspec
from bellows.zigbee.application import ControllerApplication
from zigpy.zcl.clusters.general import OnOff

TOPIC = "bare-zigpy"


class Listener:
    """Puts what devices report into a queue of (topic, payload)."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self.outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def device_initialized(self, device: Any) -> None:
        """Called by zigpy when a device has been interviewed."""
        self.listen(device)
        self._tasks.create_task(self.configure(device))

    def listen(self, device: Any) -> None:
        ieee = ieee_of(device)
        for endpoint in device.non_zdo_endpoints:
            for cluster in endpoint.in_clusters.values():
                cluster.on_event("attribute_report", lambda event, ieee=ieee: self.report(ieee, event))

    async def configure(self, device: Any) -> None:
        """Bind a switch and configure its reporting; then it is ready."""
        for endpoint in device.non_zdo_endpoints:
            if OnOff.cluster_id in endpoint.in_clusters:
                await endpoint.on_off.bind()
                await endpoint.on_off.configure_reporting(OnOff.AttributeDefs.on_off.id, 0, 300, 1)
        self.outgoing.put_nowait((f"{TOPIC}/{ieee_of(device)}/joined", b"1"))

    def report(self, ieee: str, event: Any) -> None:
        payload = msgspec.json.encode(
            {"endpoint": int(event.endpoint_id), "cluster": int(event.cluster_id), "value": int(event.raw_value)}
        )
        self.outgoing.put_nowait((f"{TOPIC}/{ieee}/state", payload))


async def main(radio: str, database: str, host: str, port: int, user: str, password: str) -> None:
    config = {
        "database_path": database or None,
        "device": {"path": radio},
        "ota": {"enabled": False},
        "backup_enabled": False,
        "topology_scan_enabled": False,
        "use_thread": False,
    }
    app = await ControllerApplication.new(config, auto_form=True)
    async with aiomqtt.Client(host, port, username=user, password=password) as client, asyncio.TaskGroup() as tasks:
        listener = Listener(tasks)
        app.add_listener(listener)
        for device in app.devices.values():
            listener.listen(device)
        await client.subscribe(f"{TOPIC}/+/set")
        await app.permit(254)
        await client.publish(f"{TOPIC}/ready", b"1", retain=True)
        tasks.create_task(publish(client, listener))
        tasks.create_task(execute_commands(client, app))


async def publish(client: aiomqtt.Client, listener: Listener) -> None:
    while True:
        topic, payload = await listener.outgoing.get()
        await client.publish(topic, payload)


async def execute_commands(client: aiomqtt.Client, app: Any) -> None:
    by_ieee: dict[str, Any] = {}
    async for message in client.messages:
        ieee = message.topic.value.split("/")[1]
        endpoint, _, state = message.payload.decode().partition(" ")
        if ieee not in by_ieee:
            by_ieee = {ieee_of(device): device for device in app.devices.values()}
        on_off = by_ieee[ieee].endpoints[int(endpoint)].on_off
        await (on_off.on() if state == "ON" else on_off.off())


def ieee_of(device: Any) -> str:
    return str(device.ieee).replace(":", "")


if __name__ == "__main__":
    radio, database, host, port, user, password = sys.argv[1:]
    asyncio.run(main(radio, database, host, int(port), user, password))
