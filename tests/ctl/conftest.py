"""The fixtures of tests/common/provisioning.py: gatewayctl provision talks to a real gateway."""

from tests.common.provisioning import as_the_daemon_logs, gateway

__all__ = ["as_the_daemon_logs", "gateway"]
