"""An operation status is found by its code and its words together."""

import re

import pytest

from gatewayd.model.status import OperationStatus, operation_status
from tests.common.api_text import API


@pytest.mark.parametrize("status", OperationStatus)
def test_every_status_is_found_by_its_code_and_desc(status: OperationStatus) -> None:
    assert operation_status(status.code, status.desc) is status


def test_code_with_one_meaning_needs_no_desc() -> None:
    assert operation_status(400502, "") is OperationStatus.PERMISSION_DENIED


@pytest.mark.parametrize(("code", "desc"), [(200503, ""), (200503, "成功"), (400505, "控制设备成功"), (299999, "开启")])
def test_status_missing_in_the_table_is_unknown(code: int, desc: str) -> None:
    assert operation_status(code, desc) is None


def test_table_is_section_9_row_for_row() -> None:
    section = API.read_text(encoding="utf-8").partition("### 9.")[2].partition("### 10.")[0]
    rows = [(int(code), desc) for code, desc in re.findall(r"^ +(\d{6}): (.+?) *$", section, re.MULTILINE)]
    assert [status.value for status in OperationStatus] == rows
