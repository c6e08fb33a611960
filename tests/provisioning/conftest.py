"""Fixtures from tests/common/provisioning.py."""

from tests.common.provisioning import gateway, log_to_stderr

__all__ = ["gateway", "log_to_stderr"]
