"""The table of endpoints, the API's text, the simulated cloud's routes and docs/endpoints.md agree."""

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
GENERAL = {200012, 200013, 200014, 200015}  # §2.1's, which examples of other sections use


def page_rows() -> list[list[str]]:
    """The cells of the page's first table, row by row."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| [\d.]+ \| [A-Z]", line)
    ]


def without_names(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def simulator_routes() -> dict[tuple[str, str], str]:
    """The simulator's function by method and path."""
    return {
        (
            route.method,
            without_names(route.path),
        ): f"{route.handler.__module__.rpartition('.')[2]}.{route.handler.__name__}"
        for route in ROUTES
        if route.path.startswith("/api/")
    }


def test_page_has_a_row_per_endpoint_in_order() -> None:
    expected = [[row.section, row.method, f"`{row.path}`", f"`{row.name}`"] for row in ENDPOINTS.values()]
    assert [row[:4] for row in page_rows()] == expected


def test_page_names_the_simulator_functions() -> None:
    expected = [f"`{simulator_routes()[row.method, without_names(row.path)]}`" for row in ENDPOINTS.values()]
    assert [row[4] for row in page_rows()] == expected


def test_page_names_existing_tests() -> None:
    for row in page_rows():
        file, test = re.findall(r"`(\w+)`", row[5])
        assert f"def {test}(" in (Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8"), row


def test_simulator_serves_every_endpoint_and_no_other() -> None:
    assert simulator_routes().keys() == {(row.method, without_names(row.path)) for row in ENDPOINTS.values()}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_client_has_a_documented_method_per_endpoint(endpoint: RestEndpoint) -> None:
    if endpoint.name == "accounts.register_external":
        return  # `accounts.register` with a `wechat_service`
    section, _, method = endpoint.name.partition(".")
    client = CloudClient(Transport("http://127.0.0.1", chance=random.Random(1)), Credentials("u", "p"))
    assert getattr(getattr(client, section), method).__doc__


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_path_is_in_its_section_of_the_api(endpoint: RestEndpoint) -> None:
    number = "1.2" if endpoint.section == "1.12" else endpoint.section
    text = "".join(text for section, _, text in sections() if section == number)
    path = endpoint.path.split("{")[0].rstrip("/")
    assert path in text


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_success_statuses_are_documented(endpoint: RestEndpoint) -> None:
    section = "1.2" if endpoint.section == "1.12" else endpoint.section
    documented = {row.code for row in STATUSES if row.section == section}
    assert set(endpoint.success) <= documented | GENERAL
    assert endpoint.success[0] in documented
