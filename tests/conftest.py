"""Every test runs with the asyncio that the daemon runs with."""

from gatewayd.task_group import replace_task_group
from gatewayd.wait_for import replace_wait_for

replace_wait_for()
replace_task_group()
