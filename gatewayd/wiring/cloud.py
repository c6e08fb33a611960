"""What needs to know who the gateway is: MQTT, REST, the sync, the look-up of firmware."""

import asyncio
import random
import ssl
from datetime import timedelta
from functools import partial

from gatewayd import __version__
from gatewayd.admin.console import Console
from gatewayd.cloud.access_control import AccessControl
from gatewayd.cloud.clock import CloudClock
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.mqtt.publisher import MqttPublisher, last_will
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttAccount, MqttSession
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.sync.sync import Sync
from gatewayd.config import Settings
from gatewayd.firmware.watch import FirmwareWatch
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.wiring.local import LocalServices, handlers


async def run_cloud_services(
    settings: Settings, password: str, local: LocalServices, clock: CloudClock, console: Console
) -> None:
    """Everything that needs to know who the gateway is: waits for that, then runs uplink, downlink and session."""
    uuid = await local.uuid
    record = local.store.mirror.get(uuid)
    assert record is not None
    access = AccessControl(settings.owner, local.store.mirror)
    listener = RequestListener(
        records=local.store.mirror,
        journal=local.store.journal,
        outbox=local.store.outbox,
        permissions=access,
        handlers=handlers(local),
        cloud_now=clock.now,
        ttl=timedelta(seconds=settings.locks.command_ttl_s),
        zone=settings.zone,
        rights_changed=partial(look_up_rights, settings.owner, console),
    )
    publisher = MqttPublisher(local.store.mirror, local.store.outbox, access, settings.owner)
    account = MqttAccount(
        settings.mqtt.host,
        settings.mqtt.port,
        settings.cloud.username,
        password,
        uuid,
        settings.mqtt.keepalive_s,
        tls_context(settings),
    )
    will = last_will(record, settings.owner)
    session = MqttSession(account, will, (publisher.serve, listener.serve), chance=random.Random())  # noqa: S311  (jitter)
    console.session, console.listener = session, listener
    local.zigbee.refresh(await listener.answer_unfinished())
    credentials = Credentials(settings.cloud.username, password, uuid, settings.cloud.register)
    transport = Transport(settings.cloud.base_url, tls=private_ca(settings), chance=random.Random())  # noqa: S311
    async with CloudClient.connect(transport, credentials) as client, asyncio.TaskGroup() as tasks:
        rest = RestSender(client, local.store.mirror, local.store.outbox)
        sync = Sync(
            client,
            local.store.mirror,
            local.store.cloud_cache,
            access,
            clock,
            interval_s=settings.cloud.sync_interval_s,
        )
        console.rest, console.sync = rest, sync
        firmware = FirmwareWatch(
            __version__, partial(latest_firmware, settings, client), settings.firmware.check_interval_s
        )
        console.firmware = firmware
        tasks.create_task(firmware.run(), name="firmware")
        tasks.create_task(sync.run(), name="sync")
        tasks.create_task(rest.run(), name="rest")
        tasks.create_task(listener.run(), name="downlink")
        tasks.create_task(session.run(), name="session")
        if console.provisioning is not None:
            tasks.create_task(shut_window_when_reached(session, console.provisioning), name="window")


def look_up_rights(owner: str, console: Console, user: str) -> None:
    """Somebody says that rights have changed: what the owner's side says is looked up in the cloud, never believed."""
    if user == owner and console.sync is not None:
        console.sync.ask()


async def latest_firmware(settings: Settings, client: CloudClient) -> str:
    """The newest version for this kind of gateway."""
    return (await client.versions.latest(settings.firmware.device_type)).version


async def shut_window_when_reached(session: MqttSession, provisioning: ProvisioningService) -> None:
    """Once the cloud has been reached, the provisioning window opens on request only."""
    await session.connected.wait()
    await provisioning.uplink_works()


def private_ca(settings: Settings) -> ssl.SSLContext | None:
    """For HTTPS: the same private CA that MQTT trusts, where one is set."""
    return ssl.create_default_context(cafile=settings.mqtt.ca_file) if settings.mqtt.ca_file else None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The MQTT line's TLS, with a private CA where one is set."""
    if not settings.mqtt.tls:
        return None
    return ssl.create_default_context(cafile=settings.mqtt.ca_file or None)
