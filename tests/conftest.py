"""Every test runs with the asyncio that the daemon runs with."""

from gatewayd.wait_for import replace_wait_for

replace_wait_for()
