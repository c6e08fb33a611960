"""What the gateway's own state says of its disk and its radio."""

from datetime import UTC, datetime

import pytest

from gatewayd.model.status import OperationStatus
from gatewayd.store.disk_space import StoreProblem, StoreProblemKind
from gatewayd.wiring.gateway_health import gateway_status


@pytest.mark.parametrize("is_radio_up", [True, False])
@pytest.mark.parametrize("kind", StoreProblemKind)
def test_any_problem_of_the_store_is_told_first(kind: StoreProblemKind, is_radio_up: bool) -> None:
    problem = StoreProblem(kind, "no space", datetime(2026, 11, 25, tzinfo=UTC))
    assert gateway_status(problem, is_radio_up=is_radio_up) is OperationStatus.LOCAL_STORAGE_ERROR


@pytest.mark.parametrize(
    ("is_radio_up", "status"), [(True, OperationStatus.NORMAL), (False, OperationStatus.ZIGBEE_NETWORK_ERROR)]
)
def test_radio_is_told_while_the_disk_is_well(is_radio_up: bool, status: OperationStatus) -> None:
    assert gateway_status(None, is_radio_up=is_radio_up) is status
