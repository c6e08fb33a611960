"""Fixtures from tests/common/provisioning.py: a running gateway for gatewayctl to provision."""

from tests.common.provisioning import gateway, log_to_stderr

__all__ = ["gateway", "log_to_stderr"]
