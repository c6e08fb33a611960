"""Statuses mean what code and words say together."""

import re
from pathlib import Path

import pytest

from gatewayd.model.status import OperationStatus, operation

API = Path(__file__).parents[2] / "docs" / "cloud-api.md"


@pytest.mark.parametrize("meaning", OperationStatus)
def test_every_meaning_is_found_again_by_its_code_and_words(meaning: OperationStatus) -> None:
    assert operation(meaning.code, meaning.desc) is meaning


def test_a_code_with_one_meaning_needs_no_words() -> None:
    assert operation(400502, "") is OperationStatus.PERMISSION_DENIED


@pytest.mark.parametrize(("code", "desc"), [(200503, ""), (200503, "成功"), (400505, "控制设备成功"), (299999, "开启")])
def test_what_the_table_does_not_have_is_unknown(code: int, desc: str) -> None:
    assert operation(code, desc) is None


def test_the_table_is_section_9_to_the_letter() -> None:
    section = API.read_text(encoding="utf-8").partition("### 9.")[2].partition("### 10.")[0]
    rows = {(int(code), desc) for code, desc in re.findall(r"^ +(\d{6}): (.+?) *$", section, re.MULTILINE)}
    assert {meaning.value for meaning in OperationStatus} == rows
