"""The parts that need the gateway's uuid: MQTT, REST, the sync, the look-up of firmware."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from gatewayd import __version__
from gatewayd.certificate_dates import client_context
from gatewayd.cloud.access_control import AccessControl
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.message_limit import MessageLimit
from gatewayd.cloud.mqtt.publisher import MqttPublisher, last_will
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttAccount, MqttSession
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.sync.sync import Sync
from gatewayd.config import Settings
from gatewayd.firmware.checker import FirmwareChecker
from gatewayd.model.errors import NotIdentifiedError, StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem
from gatewayd.model.record import Record
from gatewayd.trusted_time import BestClock
from gatewayd.wiring.local import LocalServices

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CloudServices:
    """The parts, all of them or none."""

    listener: RequestListener
    session: MqttSession
    sender: RestSender
    sync: Sync
    firmware: FirmwareChecker


class PendingCloudServices:
    """The cloud's parts for those who start before them: there once the radio has told the gateway's uuid."""

    def __init__(self) -> None:
        self._services: asyncio.Future[CloudServices] = asyncio.get_running_loop().create_future()

    def complete(self, services: CloudServices) -> None:
        """They are built; called once."""
        self._services.set_result(services)

    async def wait(self) -> CloudServices:
        """The parts, as soon as they are there."""
        return await asyncio.shield(self._services)

    def services_or_none(self) -> CloudServices | None:
        """The parts; None before they are there."""
        return self._services.result() if self._services.done() else None

    def services(self) -> CloudServices:
        """The parts. Raises NotIdentifiedError before they are there."""
        if (services := self.services_or_none()) is None:
            raise NotIdentifiedError
        return services


async def run_cloud_services(
    settings: Settings,
    password: str,
    local: LocalServices,
    start: PendingCloudServices,
    start_part: Callable[[str, Callable[[], Awaitable[None]]], None],
) -> None:
    """Wait for the gateway's uuid, build the parts, answer what a crash interrupted, then start them (`start_part`) and
    keep the connection to the REST API open until cancelled.
    """
    uuid = await asyncio.shield(local.uuid)
    record = local.store.mirror.get(uuid)
    assert record is not None
    credentials = Credentials(settings.cloud.username, password, uuid, settings.cloud.register)
    transport = Transport(settings.cloud.base_url, tls=tls_context(settings, local.clock), chance=random.Random())  # noqa: S311
    async with CloudClient.connect(transport, credentials) as client:
        services = build_cloud_services(settings, password, local, record, client)
        local.zigbee.refresh(await local.executor.answer_unfinished())
        start.complete(services)
        start_part("firmware", services.firmware.run)
        start_part("sync", services.sync.run)
        start_part("rest", services.sender.run)
        start_part("mqtt", services.session.run)
        await asyncio.Event().wait()


def build_cloud_services(
    settings: Settings, password: str, local: LocalServices, gateway: Record, client: CloudClient
) -> CloudServices:
    """The parts, on `client` and as the account that is configured; nothing runs yet."""
    mirror, outbox = local.store.mirror, local.store.outbox
    sync = Sync(
        client, mirror, local.store.cloud_cache, local.access, local.clock, interval_s=settings.cloud.sync_interval_s
    )

    def may_leave(item: OutboxItem) -> bool:
        # A cloud that answers and does not tell the time keeps nothing waiting.
        is_untold = local.clock.known_now() is None and sync.progress.any_done and not sync.progress.running
        return is_untold or local.dating.may_leave(item)

    listener = RequestListener(
        local.executor.submit,
        zone=settings.zone,
        access_changed=partial(look_up_permissions, local.access, sync, gateway.uuid),
    )
    incoming = IncomingLimit(MessageLimit(settings.owner))
    publisher = MqttPublisher(
        mirror,
        outbox,
        local.access,
        local.store.facts,
        local.health,
        settings.owner,
        incoming=incoming,
        may_leave=may_leave,
    )
    session = MqttSession(
        mqtt_account(settings, password, gateway.uuid, local.clock),
        last_will(gateway, settings.owner),
        (publisher.serve, listener.serve),
        incoming=incoming,
        chance=random.Random(),  # noqa: S311  (jitter)
    )

    sender = RestSender(client, mirror, outbox, may_leave=may_leave)
    latest = partial(latest_firmware, settings, client)
    firmware = FirmwareChecker(__version__, latest, settings.firmware.check_interval_s)
    return CloudServices(listener, session, sender, sync, firmware)


_LONGEST_BETWEEN_PROBES_S: Final = 60.0


def mqtt_account(settings: Settings, password: str, uuid: Uuid, clock: BestClock) -> MqttAccount:
    """How the gateway signs in to the broker."""
    return MqttAccount(
        settings.mqtt.host,
        settings.mqtt.port,
        settings.cloud.username,
        password,
        uuid,
        settings.mqtt.keepalive_s,
        tls_context(settings, clock) if settings.mqtt.tls else None,
        # Half of it is left for the queue and the journal.
        probe_every_s=min(settings.locks.command_ttl_s / 2, _LONGEST_BETWEEN_PROBES_S),
    )


async def look_up_permissions(access: AccessControl, sync: Sync, gateway: Uuid, topic: Topic) -> bool:
    """Somebody publishes that permissions have changed. Where it is the owner, other users' control of that device (of
    all, for the gateway) is suspended until they have been fetched, which is tried now. Returns whether it is.
    """
    if not access.is_owner(topic.user):
        return False
    try:
        await access.suspend(None if topic.uuid == gateway else topic.uuid)
    except StoreError as error:
        log.error("suspension_not_stored", uuid=topic.uuid, reason=str(error))  # noqa: TRY400
    sync.request_run()
    return True


async def latest_firmware(settings: Settings, client: CloudClient) -> str:
    """The newest version for this kind of gateway."""
    return (await client.versions.latest(settings.firmware.device_type)).version


def tls_context(settings: Settings, clock: BestClock) -> ssl.SSLContext:
    """TLS of one transport (HTTPS, MQTT), with a private CA where one is set."""
    return client_context(clock, Path(settings.mqtt.ca_file) if settings.mqtt.ca_file else None)
