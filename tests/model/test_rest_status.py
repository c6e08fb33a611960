"""The REST statuses are the API's, row for row, and are looked up by section."""

import re

import pytest

from gatewayd.model.rest_status import STATUSES, RestOutcome, rest_status
from tests.common.api_text import sections

# The API writes some rows with a star, a brace or a colon too many.
ROW = re.compile(r"^\s*\*?(\d{6})\s*:\s*\{?\s*(.*?)\s*:?\s*$", re.MULTILINE)
NOT_REST = {"4.2", "9.", "10."}
WITHOUT_TABLE = {"2.4", "2.6", "2.13", "2.15"}


def rows_in_api_text() -> set[tuple[str, int, str]]:
    return {
        (section, int(code), desc)
        for section, _, text in sections()
        if section not in NOT_REST
        for code, desc in ROW.findall(text)
    }


def test_table_has_every_row_of_the_api_and_no_other() -> None:
    rows = {(row.section, row.code, row.desc) for row in STATUSES if row.section not in WITHOUT_TABLE}
    assert rows == rows_in_api_text()


@pytest.mark.parametrize(
    ("section", "code", "outcome"),
    [
        ("2.1", 200013, RestOutcome.SUCCESS),
        ("2.5", 200201, RestOutcome.SUCCESS),
        ("1.4", 401014, RestOutcome.TOKEN_REFUSED),
        ("2.3", 400080, RestOutcome.ALREADY_EXISTS),
        ("2.8", 400065, RestOutcome.NOT_FOUND),
        ("2.9", 400042, RestOutcome.FORBIDDEN),
        ("3.2", 400003, RestOutcome.BAD_PARAMETERS),
        ("2.3", 400083, RestOutcome.REFUSED),
        ("2.1", 500000, RestOutcome.SERVER_ERROR),
    ],
)
def test_status_has_the_outcome_of_its_row(section: str, code: int, outcome: RestOutcome) -> None:
    status = rest_status(section, code)
    assert status is not None
    assert (status.outcome, status.is_success) == (outcome, outcome is RestOutcome.SUCCESS)


def test_one_code_has_one_outcome_in_all_sections() -> None:
    outcomes: dict[int, set[RestOutcome]] = {}
    for row in STATUSES:
        outcomes.setdefault(row.code, set()).add(row.outcome)
    assert {code for code, found in outcomes.items() if len(found) > 1} == set()


def test_shared_code_has_the_meaning_of_its_section() -> None:
    space, home = rest_status("2.3", 200024), rest_status("2.11", 200024)
    assert space is not None
    assert home is not None
    assert (space.desc, home.desc) == ("更新空间数据成功", "请求家庭数据成功")


@pytest.mark.parametrize(("section", "code"), [("2.1", 200099), ("9.9", 200012)])
def test_undocumented_status_is_unknown(section: str, code: int) -> None:
    assert rest_status(section, code) is None


@pytest.mark.parametrize("section", ["2.4", "2.8", "2.9", "2.12", "2.15"])
def test_common_refusal_missing_in_a_section_has_the_meaning_of_2_1(section: str) -> None:
    status = rest_status(section, 400000)
    assert status is not None
    assert (status.desc, status.is_success) == ("认证令牌无效。", False)


def test_section_1_12_has_the_statuses_of_1_2() -> None:
    assert rest_status("1.12", 400009) == rest_status("1.2", 400009) is not None
