"""The REST statuses are the API's, row for row."""

import re
from pathlib import Path

import pytest

from gatewayd.model.rest_status import STATUSES, rest_status

API = Path(__file__).parents[2] / "docs" / "cloud-api.md"
HEADING = re.compile(r"^\s*#{2,4}\s*(\d+\.?\d*)\s*\.?\s*(.*)$", re.MULTILINE)
# As the API writes them: with a star, a brace, a colon too many.
ROW = re.compile(r"^\s*\*?(\d{6})\s*:\s*\{?\s*(.*?)\s*:?\s*$", re.MULTILINE)
NOT_REST = {"4.2", "9.", "10."}


def rows_of_the_text() -> set[tuple[str, int, str]]:
    parts = HEADING.split(API.read_text(encoding="utf-8"))
    found = set()
    for section, title, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if section not in NOT_REST:
            number = "11.2" if "PUSH" in title else section
            found |= {(number, int(code), desc) for code, desc in ROW.findall(body)}
    return found


def test_every_row_of_the_text_is_in_the_table_and_no_other() -> None:
    from_examples = {row for row in STATUSES if row.section in {"2.4", "2.6", "2.13", "2.15"}}
    assert {tuple(row) for row in STATUSES if row not in from_examples} == rows_of_the_text()


def test_the_same_code_means_what_its_section_says() -> None:
    space, home = rest_status("2.3", 200024), rest_status("2.11", 200024)
    assert space is not None
    assert home is not None
    assert (space.desc, home.desc) == ("更新空间数据成功", "请求家庭数据成功")


@pytest.mark.parametrize(("section", "code"), [("2.1", 200099), ("9.9", 200012)])
def test_what_the_api_does_not_say_is_unknown(section: str, code: int) -> None:
    assert rest_status(section, code) is None


@pytest.mark.parametrize("section", ["2.4", "2.8", "2.9", "2.12", "2.15"])
def test_a_section_that_leaves_a_common_refusal_out_means_what_the_others_say(section: str) -> None:
    status = rest_status(section, 400000)
    assert status is not None
    assert (status.desc, status.is_success) == ("认证令牌无效。", False)


def test_registering_through_another_service_has_the_statuses_of_registering() -> None:
    assert rest_status("1.12", 400009) == rest_status("1.2", 400009) is not None
