"""Joins a network for a phone: 200554 is answered with 200601, then 200555 or nothing; on failure with 400515
(§13.4, §13.5, 版本升级流程). One join runs at a time.

The join itself is left to `wifi`; whether a request is carried out, to `dispatcher`.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError
from gatewayd.model.wifi import JoinError, JoinFailure, WifiCredentials, WifiLink
from gatewayd.provisioning.datagrams import encode_firmware_is_newest, encode_join_failed
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import MAX_REQUESTERS
from gatewayd.provisioning.ssid import to_text
from gatewayd.provisioning.udp_socket import Sender
from gatewayd.provisioning.wifi import Wifi

log = structlog.get_logger()

FIRMWARE_RETRY_S = 3.0
_FIRMWARE_TIMEOUT_S: Final = 60.0
_JOIN_TIMEOUT_S: Final = 150.0
"""Longer than the backend takes to give up and connect the former network again."""

_OUTCOME_REPEATED_S: Final = 60.0
_FAILURE_REPEATED_S: Final = 3.0

OnJoined = Callable[[WifiLink, frozenset[Sender], str | None], Awaitable[None]]
"""Sends 200601 with the new address and the request's sn to everybody, the requesters among them."""

RepeatJoined = Callable[[WifiLink, Sender, str | None], None]
"""Sends the same 200601 to one requester."""


@dataclass(slots=True)
class _Joined:
    """`firmware_is_newest` turns True once the cloud has confirmed it."""

    link: WifiLink
    firmware_is_newest: bool = False


@dataclass(frozen=True, slots=True)
class _Failed:
    """`answer` is the 400515 that was sent."""

    answer: bytes


@dataclass(slots=True)
class _JoinAttempt:
    """One 200554 and its outcome, None while it runs. The credentials are dropped when the join ends."""

    digest: bytes
    sn: str | None
    credentials: WifiCredentials | None
    requesters: set[Sender]
    outcome: _Joined | _Failed | None = None
    ended_at: float = 0.0

    def is_repeatable(self, now: float) -> bool:
        """True while the same datagram counts as a repetition of this request rather than as a new one.

        Phones send a request again when its answer is lost. A person may also try again after a failure: a request
        with the extension `sn` then has a new one, and one without is taken for a new request after 3 s.
        """
        if self.outcome is None:
            return True
        is_failure_without_sn = self.sn is None and isinstance(self.outcome, _Failed)
        return now - self.ended_at < (_FAILURE_REPEATED_S if is_failure_without_sn else _OUTCOME_REPEATED_S)


class JoinRequests:
    """`radio` is locked while the Wi-Fi radio scans or joins. `now` is monotonic, in seconds.

    `is_newest` asks the cloud whether the firmware is the newest; it raises GatewayError where that is not known.
    """

    def __init__(
        self,
        wifi: Wifi,
        radio: asyncio.Lock,
        responder: Responder,
        *,
        on_joined: OnJoined,
        repeat_joined: RepeatJoined,
        is_newest: Callable[[], Awaitable[bool]],
        now: Callable[[], float],
    ) -> None:
        self._wifi = wifi
        self._radio = radio
        self._responder = responder
        self._on_joined = on_joined
        self._repeat_joined = repeat_joined
        self._is_newest = is_newest
        self._now = now
        self._digest_key = secrets.token_bytes(32)
        self._attempt: _JoinAttempt | None = None
        self._to_join: asyncio.Queue[_JoinAttempt] = asyncio.Queue()
        self._to_check: tuple[_JoinAttempt, _Joined] | None = None
        self._check_due = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """True while a join runs."""
        return self._attempt is not None and self._attempt.outcome is None

    def is_repetition(self, datagram: bytes) -> bool:
        """True where `datagram` is the request that runs or has just ended, sent again."""
        attempt = self._attempt
        return attempt is not None and attempt.digest == self._digest(datagram) and attempt.is_repeatable(self._now())

    def start(self, datagram: bytes, sn: str | None, credentials: WifiCredentials, requester: Sender) -> None:
        """Join with `credentials`, and answer `requester` when that ends. Not while busy."""
        assert not self.is_busy
        self._attempt = _JoinAttempt(self._digest(datagram), sn, credentials, {requester})
        self._to_join.put_nowait(self._attempt)

    def answer_repetition(self, requester: Sender) -> None:
        """Answer `requester` with the outcome of the present attempt, now or when it ends; nothing is joined again."""
        attempt = self._attempt
        assert attempt is not None
        match attempt.outcome:
            case None:
                if len(attempt.requesters) < MAX_REQUESTERS:
                    attempt.requesters.add(requester)
            case _Failed(answer):
                self._responder.reply(answer, requester)
            case _Joined(link, firmware_is_newest):
                self._repeat_joined(link, requester, attempt.sn)
                if firmware_is_newest:
                    self._responder.reply(encode_firmware_is_newest(), requester)

    async def run(self) -> None:
        """Join on request and look for newer firmware after each join, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_joins())
            tasks.create_task(self._run_firmware_checks())

    def _digest(self, datagram: bytes) -> bytes:
        """Keyed, since the datagram may contain a passphrase."""
        return blake2b(datagram, key=self._digest_key).digest()

    async def _run_joins(self) -> None:
        while True:
            attempt = await self._to_join.get()
            assert attempt.credentials is not None
            outcome = await self._join(attempt.credentials, attempt.sn)
            attempt.credentials, attempt.outcome, attempt.ended_at = None, outcome, self._now()
            await self._send_outcome(attempt, outcome)

    async def _join(self, credentials: WifiCredentials, sn: str | None) -> _Joined | _Failed:
        try:
            return _Joined(await self._join_within_timeout(credentials))
        except JoinError as error:
            ssid = to_text(credentials.ssid)
            log.warning("wifi_not_joined", ssid=ssid, failure=error.failure.name, reason=str(error))
            return _Failed(encode_join_failed(error.failure.value, sn))
        except Exception:  # a fault of ours: the phone gets an answer, the next join is made
            log.exception("join_crashed")
            return _Failed(encode_join_failed(JoinFailure.UNAVAILABLE.value, sn))

    async def _join_within_timeout(self, credentials: WifiCredentials) -> WifiLink:
        async with self._radio:
            try:
                async with asyncio.timeout(_JOIN_TIMEOUT_S):
                    return await self._wifi.join(credentials)
            except TimeoutError as error:
                raise JoinError(f"no outcome within {_JOIN_TIMEOUT_S:.0f} s", JoinFailure.UNAVAILABLE) from error

    async def _send_outcome(self, attempt: _JoinAttempt, outcome: _Joined | _Failed) -> None:
        requesters = frozenset(attempt.requesters)
        match outcome:
            case _Failed(answer):
                self._responder.send_join_outcome(answer, requesters)
            case _Joined(link):
                log.info("wifi_joined", ssid=to_text(link.ssid), interface=link.interface, address=str(link.address))
                await self._on_joined(link, requesters, attempt.sn)
                self._to_check = attempt, outcome
                self._check_due.set()

    async def _run_firmware_checks(self) -> None:
        while True:
            await self._check_due.wait()
            self._check_due.clear()
            assert self._to_check is not None
            attempt, joined = self._to_check
            try:
                async with asyncio.timeout(_FIRMWARE_TIMEOUT_S):
                    joined.firmware_is_newest = await self._ask_until_known()
            except TimeoutError:
                log.warning("firmware_not_looked_up", reason=f"no answer within {_FIRMWARE_TIMEOUT_S:.0f} s")
            if joined.firmware_is_newest:
                self._responder.send_join_outcome(encode_firmware_is_newest(), attempt.requesters)

    async def _ask_until_known(self) -> bool:
        """Just after a join the cloud may be out of reach until DNS works and the clock, which TLS needs, is set."""
        while True:
            try:
                return await self._is_newest()
            except GatewayError as error:
                log.info("firmware_lookup_failed", reason=str(error))
            await asyncio.sleep(FIRMWARE_RETRY_S)
