"""One attempt to join a network with NetworkManager. Unless it succeeds, the former network is connected again.

The new profile is volatile until there is an address: NetworkManager drops it, passphrase included, when its
activation ends, even where gatewayd was killed meanwhile. What a failure means is left to `failure_reasons`.
"""

import asyncio
from typing import Final, NoReturn
from uuid import UUID

import structlog
from dbus_fast import Variant

from gatewayd.model.errors import GatewayError
from gatewayd.model.wifi import JoinError, JoinFailure, WifiCredentials, WifiLink, is_secured
from gatewayd.provisioning.networkmanager import profiles
from gatewayd.provisioning.networkmanager.bus import NM, Bus, BusError, DbusCallError, Signal, SignalMatch, Signals
from gatewayd.provisioning.networkmanager.failure_reasons import (
    NmDeviceStateReason,
    device_reason,
    failure_at_timeout,
    failure_of,
    reason_name,
)
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.objects import (
    ACTIVE_CONNECTION,
    DEVICE,
    MANAGER,
    NO_OBJECT,
    NetworkManagerObjects,
    NmActiveConnectionState,
    NmDeviceState,
    UnusableError,
    WirelessDevice,
)
from gatewayd.provisioning.networkmanager.security import settings_for

log = structlog.get_logger()

_ACTIVATING: Final = range(NmDeviceState.PREPARE, NmDeviceState.ACTIVATED + 1)


class NetworkManagerJoin:
    """Joins with `credentials` over `device`, as read just before. `uuid` names the new profile."""

    def __init__(
        self, bus: Bus, device: WirelessDevice, credentials: WifiCredentials, *, uuid: UUID, limits: JoinTimeouts
    ) -> None:
        self._bus = bus
        self._device = device
        self._credentials = credentials
        self._uuid = uuid
        self._limits = limits
        self._access_point = next(
            (path for path, found in device.access_points.items() if found.ssid == credentials.ssid), NO_OBJECT
        )
        self._furthest_state: int = NmDeviceState.UNKNOWN
        self._active_connection = NO_OBJECT

    async def run(self) -> WifiLink:
        """Join, and save the profile. Raises JoinError, BusError, DbusCallError, UnusableError, each after the former
        network was restored.
        """
        states = (
            SignalMatch(DEVICE, "StateChanged", self._device.path),
            SignalMatch(ACTIVE_CONNECTION, "StateChanged"),
        )
        async with self._bus.subscribed(*states) as signals:
            old_profiles = await profiles.profiles_for(self._bus, self._credentials.ssid, self._device.interface)
            try:
                profile = await self._activate(old_profiles)
                link = await self._wait_for_address(signals)
                await profiles.save(self._bus, profile)
            except asyncio.CancelledError:
                await self._undo()
                raise
            except GatewayError:
                await self._undo()
                await self._wait_for_former_network(signals)
                raise
            await self._delete(old_profiles)
            return link

    async def _activate(self, old_profiles: tuple[profiles.Profile, ...]) -> str:
        """Add a volatile profile and activate it; return its path."""
        settings = settings_for(
            self._credentials,
            self._device.interface,
            self._uuid,
            is_hidden=self._access_point == NO_OBJECT,
            former=old_profiles[0].settings if old_profiles else {},
        )
        try:
            path, self._active_connection, _ = await self._bus.call(
                MANAGER,
                NM,
                "AddAndActivateConnection2",
                "a{sa{sv}}ooa{sv}",
                settings,
                self._device.path,
                self._access_point,
                {"persist": Variant("s", "volatile")},
            )
        except DbusCallError as error:
            # Without the error's text and cause, since NetworkManager may quote a setting in it.
            reason = f"NetworkManager refuses it: {error.name}"
            raise JoinError(self._message(reason), JoinFailure.UNAVAILABLE) from None
        return str(path)

    async def _wait_for_address(self, signals: Signals) -> WifiLink:
        try:
            async with asyncio.timeout(self._limits.join):
                while True:
                    signal = await signals.next()
                    if signal.interface == DEVICE:
                        self._on_device_state(signal)
                    elif signal.path == self._active_connection:
                        await self._on_active_connection_state(signal, signals)
                    if self._furthest_state == NmDeviceState.ACTIVATED and (link := await self._read_link()):
                        return link
        except TimeoutError:
            reason = f"no outcome within {self._limits.join:g} s"
            raise JoinError(self._message(reason), failure_at_timeout(self._furthest_state)) from None

    def _on_device_state(self, signal: Signal) -> None:
        """Note the progress. Raises JoinError where the state means that the join has failed."""
        state, _, reason = signal.body
        if state in _ACTIVATING:
            self._furthest_state = max(self._furthest_state, state)
        elif reason == NmDeviceStateReason.NEW_ACTIVATION:
            return  # the device leaves the former network
        elif state in {NmDeviceState.UNMANAGED, NmDeviceState.UNAVAILABLE}:
            message = self._message(f"the radio went away ({reason_name(reason)})")
            raise JoinError(message, JoinFailure.UNAVAILABLE)
        elif state == NmDeviceState.FAILED or self._furthest_state:
            self._fail(reason)

    async def _on_active_connection_state(self, signal: Signal, signals: Signals) -> None:
        """Raises JoinError where the connection has ended, with the device's reason if it gives one just after."""
        state, reason = signal.body
        if state != NmActiveConnectionState.DEACTIVATED:
            return
        try:
            async with asyncio.timeout(self._limits.reason):
                while True:
                    later = await signals.next()
                    if later.interface == DEVICE:
                        self._on_device_state(later)
        except TimeoutError:
            self._fail(device_reason(reason))

    def _fail(self, reason: int) -> NoReturn:
        failure = failure_of(
            reason,
            self._furthest_state,
            is_secured=is_secured(self._credentials.auth, self._credentials.encryption),
            is_in_range=self._access_point != NO_OBJECT,
        )
        raise JoinError(self._message(f"{failure.value} ({reason_name(reason)})"), failure)

    async def _read_link(self) -> WifiLink | None:
        device = await self._read_device()
        is_joined = device.active_connection == self._active_connection and device.state == NmDeviceState.ACTIVATED
        if not is_joined or device.address is None:
            return None
        return WifiLink(device.interface, self._credentials.ssid, device.address)

    async def _delete(self, old_profiles: tuple[profiles.Profile, ...]) -> None:
        """Delete the network's old profiles. A failure is logged only: the join has succeeded all the same."""
        try:
            for profile in old_profiles:
                await profiles.delete(self._bus, profile.path)
        except BusError as error:
            log.warning("former_profile_not_deleted", interface=self._device.interface, reason=str(error))

    async def _undo(self) -> None:
        """Delete the new profile and have the former network activated, without waiting until it is connected."""
        former = self._device.profile
        try:
            await profiles.delete_by_uuid(self._bus, self._uuid)
            if former == NO_OBJECT or _is_on(await self._read_device(), former):
                return
            await self._bus.call(MANAGER, NM, "ActivateConnection", "ooo", former, self._device.path, NO_OBJECT)
        except (BusError, DbusCallError, UnusableError) as error:
            log.warning("former_network_not_restored", interface=self._device.interface, reason=str(error))

    async def _wait_for_former_network(self, signals: Signals) -> None:
        former = self._device.profile
        if former == NO_OBJECT:
            return
        try:
            async with asyncio.timeout(self._limits.restore):
                while not (
                    _is_on(device := await self._read_device(), former) and device.state == NmDeviceState.ACTIVATED
                ):
                    await signals.next()
        except (TimeoutError, BusError, UnusableError) as error:
            reason = str(error) or f"not connected within {self._limits.restore:g} s"
            log.warning("former_network_not_connected", interface=self._device.interface, reason=reason)

    async def _read_device(self) -> WirelessDevice:
        return (await NetworkManagerObjects.read(self._bus)).wifi_device(self._device.interface)

    def _message(self, reason: str) -> str:
        ssid = self._credentials.ssid.decode("utf-8", "backslashreplace")
        return f"{ssid} over {self._device.interface}: {reason}"


def _is_on(device: WirelessDevice, profile: str) -> bool:
    return device.profile == profile and device.state in _ACTIVATING
