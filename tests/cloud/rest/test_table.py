"""The table of endpoints, the simulated cloud's routes and docs/endpoints.md say the same."""

import random
import re
from pathlib import Path

import pytest

from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.rest_status import STATUSES
from gatewayd.simulator.cloud.routes import ROUTES
from tests.common.api_text import API, sections

PAGE = API.with_name("endpoints.md")
GENERAL = {200012, 200013, 200014, 200015}  # §2.1's, which the examples of other sections answer with


def cells() -> list[list[str]]:
    """The page's first table, cell by cell."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| [\d.]+ \| [A-Z]", line)
    ]


def bare(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def served() -> dict[tuple[str, str], str]:
    """Method and path → the simulator's function."""
    return {
        (route.method, bare(route.path)): f"{route.handler.__module__.rpartition('.')[2]}.{route.handler.__name__}"
        for route in ROUTES
        if route.path.startswith("/api/")
    }


def test_the_page_has_a_row_for_each_endpoint_in_the_tables_order() -> None:
    expected = [[row.section, row.method, f"`{row.path}`", f"`{row.name}`"] for row in ENDPOINTS.values()]
    assert [row[:4] for row in cells()] == expected


def test_the_page_names_the_simulators_functions() -> None:
    expected = [f"`{served()[row.method, bare(row.path)]}`" for row in ENDPOINTS.values()]
    assert [row[4] for row in cells()] == expected


def test_the_page_names_tests_that_there_are() -> None:
    for row in cells():
        file, test = re.findall(r"`(\w+)`", row[5])
        assert f"def {test}(" in (Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8"), row


def test_the_simulator_serves_every_endpoint_and_no_other() -> None:
    assert served().keys() == {(row.method, bare(row.path)) for row in ENDPOINTS.values()}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_the_client_has_a_documented_method_of_that_name(endpoint: RestEndpoint) -> None:
    if endpoint.name == "accounts.register_external":
        return  # `accounts.register` with a `wechat_service`
    section, _, method = endpoint.name.partition(".")
    client = CloudClient(Transport("http://127.0.0.1", chance=random.Random(1)), Credentials("u", "p"))
    assert getattr(getattr(client, section), method).__doc__


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_its_path_stands_in_its_section_of_the_text(endpoint: RestEndpoint) -> None:
    number = "1.2" if endpoint.section == "1.12" else endpoint.section
    text = "".join(text for section, _, text in sections() if section == number)
    path = endpoint.path.split("{")[0].rstrip("/")
    assert path in text


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_its_successes_are_documented_ones(endpoint: RestEndpoint) -> None:
    section = "1.2" if endpoint.section == "1.12" else endpoint.section
    documented = {row.code for row in STATUSES if row.section == section}
    assert set(endpoint.success) <= documented | GENERAL
    assert endpoint.success[0] in documented
