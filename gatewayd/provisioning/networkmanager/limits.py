"""How long gatewayd waits for NetworkManager."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinTimeouts:
    """Seconds. NetworkManager itself gives up on a radio after 25 s, and on DHCP after 45 s more."""

    call: float = 10  # for the answer to a D-Bus call
    scan: float = 15
    scan_max_age: float = 10  # where NetworkManager refuses a new scan, the last one is used up to this age
    join: float = 90
    reason: float = 1  # after the connection has ended, for the device to give its reason
    restore: float = 45  # for the former network to be connected again
