"""How long NetworkManager is given."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinTimeouts:
    """Seconds. NetworkManager itself gives up on a radio after 25 s, and on DHCP after 45 s more."""

    call: float = 10  # an answer to a call
    scan: float = 15
    still_fresh: float = 10  # the age at which a scan still counts, where another is refused
    join: float = 90
    reason: float = 1  # for the reason, once the connection has ended
    restore: float = 45
