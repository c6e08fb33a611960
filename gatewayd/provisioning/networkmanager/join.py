"""One attempt to join a network. It leaves the board as it found it, unless it succeeds.

The profile is volatile until there is an address: NetworkManager drops it, passphrase and all, when its activation
ends, even where gatewayd was killed in between.
"""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from dbus_fast import Variant

from gatewayd.model.errors import GatewayError
from gatewayd.model.wifi import JoinError, JoinFailure, WifiCredentials, WifiLink, is_secured
from gatewayd.provisioning.networkmanager import profiles
from gatewayd.provisioning.networkmanager.bus import NM, Bus, BusError, DbusCallError, Signal, SignalMatch, Signals
from gatewayd.provisioning.networkmanager.failure_reasons import Reason, device_reason, failure_at, failure_of, name_of
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.objects import (
    ACTIVE,
    DEVICE,
    MANAGER,
    NOTHING,
    NetworkManagerObjects,
    NmDeviceState,
    UnusableError,
    WirelessDevice,
)
from gatewayd.provisioning.networkmanager.security import settings_for

log = structlog.get_logger()

_DEACTIVATED: Final = 4  # NMActiveConnectionState
_UNDER_WAY: Final = range(NmDeviceState.PREPARE, NmDeviceState.ACTIVATED + 1)


class NetworkManagerJoin:
    """Joins `choice` over `radio`, whose state is that of before. `uuid` names the profile that is made."""

    def __init__(
        self, bus: Bus, radio: WirelessDevice, choice: WifiCredentials, *, uuid: UUID, limits: JoinTimeouts
    ) -> None:
        self._bus = bus
        self._radio = radio
        self._choice = choice
        self._uuid = uuid
        self._limits = limits
        self._spot = next((path for path, ap in radio.access_points.items() if ap.ssid == choice.ssid), NOTHING)
        self._stage = 0
        self._active = NOTHING

    async def run(self) -> WifiLink:
        """Join, and keep the profile. Raises JoinError, BusError, RefusedError, UnusableError, with all as before."""
        states = SignalMatch(DEVICE, "StateChanged", self._radio.path), SignalMatch(ACTIVE, "StateChanged")
        async with self._bus.listening(*states) as signals:
            known = await profiles.profiles_for(self._bus, self._choice.ssid, self._radio.interface)
            try:
                path = await self._activate(known)
                link = await self._arrive(signals)
                await profiles.keep(self._bus, path)
            except asyncio.CancelledError:
                await self._undo()
                raise
            except GatewayError:
                await self._undo()
                await self._see_former_back(signals)
                raise
            await self._replace(known)
            return link

    async def _activate(self, known: tuple[profiles.Profile, ...]) -> str:
        settings = settings_for(
            self._choice,
            self._radio.interface,
            self._uuid,
            is_hidden=self._spot == NOTHING,
            former=known[0].settings if known else {},
        )
        try:
            path, self._active, _ = await self._bus.call(
                MANAGER,
                NM,
                "AddAndActivateConnection2",
                "a{sa{sv}}ooa{sv}",
                settings,
                self._radio.path,
                self._spot,
                {"persist": Variant("s", "volatile")},
            )
        except DbusCallError as error:
            # Without its text and its cause: what NetworkManager says of a setting might quote it.
            reason = f"NetworkManager refuses it: {error.name}"
            raise JoinError(self._about(reason), JoinFailure.UNAVAILABLE) from None
        return str(path)

    async def _arrive(self, signals: Signals) -> WifiLink:
        try:
            async with asyncio.timeout(self._limits.join):
                while True:
                    signal = await signals.next()
                    if signal.interface == DEVICE:
                        self._heed_device(signal)
                    elif signal.path == self._active and signal.body[0] == _DEACTIVATED:
                        await self._ended(signals, device_reason(signal.body[1]))
                    link = await self._link() if self._stage == NmDeviceState.ACTIVATED else None
                    if link is not None:
                        return link
        except TimeoutError:
            reason = f"no outcome within {self._limits.join:g} s"
            raise JoinError(self._about(reason), failure_at(self._stage)) from None

    def _heed_device(self, signal: Signal) -> None:
        state, _, reason = signal.body
        if state in _UNDER_WAY:
            self._stage = max(self._stage, state)
        elif reason == Reason.NEW_ACTIVATION:
            return  # the network of before being left
        elif state in {NmDeviceState.UNMANAGED, NmDeviceState.UNAVAILABLE}:
            raise JoinError(self._about(f"the radio went away ({name_of(reason)})"), JoinFailure.UNAVAILABLE)
        elif state == NmDeviceState.FAILED or self._stage:
            self._fail(reason)

    async def _ended(self, signals: Signals, reason: int) -> None:
        """The connection has ended; the device may say better why, just after."""
        try:
            async with asyncio.timeout(self._limits.reason):
                while True:
                    signal = await signals.next()
                    if signal.interface == DEVICE:
                        self._heed_device(signal)
        except TimeoutError:
            self._fail(reason)

    def _fail(self, reason: int) -> None:
        was_heard = self._spot != NOTHING
        secured = is_secured(self._choice.auth, self._choice.encryption)
        failure = failure_of(reason, self._stage, is_secured=secured, was_heard=was_heard)
        raise JoinError(self._about(f"{failure.value} ({name_of(reason)})"), failure)

    async def _link(self) -> WifiLink | None:
        radio = await self._now()
        if radio.active != self._active or radio.state != NmDeviceState.ACTIVATED or radio.address is None:
            return None
        return WifiLink(radio.interface, self._choice.ssid, radio.address)

    async def _replace(self, known: tuple[profiles.Profile, ...]) -> None:
        """Forget what is known of the network from before; the join has succeeded, whatever comes of this."""
        try:
            for profile in known:
                await profiles.forget(self._bus, profile.path)
        except BusError as error:
            log.warning("former_profile_not_forgotten", interface=self._radio.interface, reason=str(error))

    async def _undo(self) -> None:
        """Drop the profile and go back to the network of before, without waiting for it."""
        former = self._radio.profile
        try:
            await profiles.forget_uuid(self._bus, self._uuid)
            if former == NOTHING or _is_on(await self._now(), former):
                return
            await self._bus.call(MANAGER, NM, "ActivateConnection", "ooo", former, self._radio.path, NOTHING)
        except (BusError, DbusCallError, UnusableError) as error:
            log.warning("former_network_not_restored", interface=self._radio.interface, reason=str(error))

    async def _see_former_back(self, signals: Signals) -> None:
        former = self._radio.profile
        if former == NOTHING:
            return
        try:
            async with asyncio.timeout(self._limits.restore):
                while not (_is_on(radio := await self._now(), former) and radio.state == NmDeviceState.ACTIVATED):
                    await signals.next()
        except TimeoutError:
            log.warning("former_network_not_back_yet", interface=self._radio.interface)
        except (BusError, UnusableError) as error:
            log.warning("former_network_not_back_yet", interface=self._radio.interface, reason=str(error))

    async def _now(self) -> WirelessDevice:
        return (await NetworkManagerObjects.read(self._bus)).radio(self._radio.interface)

    def _about(self, reason: str) -> str:
        return f"{self._choice.ssid.decode('utf-8', 'backslashreplace')} over {self._radio.interface}: {reason}"


def _is_on(radio: WirelessDevice, profile: str) -> bool:
    return radio.profile == profile and radio.state in _UNDER_WAY
