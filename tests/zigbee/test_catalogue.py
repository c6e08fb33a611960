"""The catalogue: rows matched with a device's clusters, manufacturer and model."""

from pathlib import Path

import pytest

from gatewayd.model.errors import ConfigError
from gatewayd.model.ids import Category
from gatewayd.zigbee.catalogue import Catalogue, Signature


@pytest.mark.parametrize(
    ("clusters", "category", "type_sub", "channels"),
    [
        ({1: {0x0000, 0x0006}}, Category.SWITCH, "AA03SW1K-HN-15A", {1: 1}),
        ({1: {0x0006}, 2: {0x0006}, 3: {0x0006}}, Category.SWITCH, "AA03SW3K-HN-15A", {1: 1, 2: 2, 3: 3}),
        ({11: {0x0006}, 13: {0x0006}}, Category.SWITCH, "AA03SW2K-HN-15A", {1: 11, 2: 13}),
        ({1: {0x0006, 0x0B04}}, Category.SOCKET, "AA05SK-HN", {1: 1}),
        ({1: {0x0006, 0x0702}}, Category.SOCKET, "AA05SK-HN", {1: 1}),
        ({1: {0x0000, 0x0101, 0x0009}}, Category.LOCK, "AA02SL-HE", {1: 1}),
        ({1: {0x0102}}, Category.CURTAIN, "AA06CM", {1: 1}),
        ({1: {0x0001, 0x0402, 0x0405}}, Category.SENSOR, "AA09TH", {1: 1}),
        ({1: {0x0000, 0x0500}}, Category.SENSOR, "AA09AL", {1: 1}),
    ],
)
def test_clusters_decide_category_type_and_channels(
    clusters: dict[int, set[int]], category: Category, type_sub: str, channels: dict[int, int]
) -> None:
    match = Catalogue.shipped().match(Signature({endpoint: frozenset(ids) for endpoint, ids in clusters.items()}))
    assert match is not None
    assert (match.driver.category, match.type_sub, match.channels) == (category, type_sub, channels)


def test_rows_of_the_users_file_are_tried_first(tmp_path: Path) -> None:
    rows = tmp_path / "rows.toml"
    rows.write_text("[[device]]\nclusters = [0xFC00]\ndriver = 'sensor'\ntype_sub = 'X1'\ntitle = 'x'\n")
    catalogue = Catalogue.load(str(rows))
    own = catalogue.match(Signature({1: frozenset({0x0006, 0xFC00})}))
    shipped = catalogue.match(Signature({1: frozenset({0x0006})}))
    assert (own and own.type_sub, shipped and shipped.type_sub) == ("X1", "AA03SW1K-HN-15A")


def test_device_that_no_row_fits_is_unknown() -> None:
    assert Catalogue.shipped().match(Signature({1: frozenset({0x0000, 0xFC00})})) is None


def test_row_can_require_manufacturer_and_model() -> None:
    rows = """
    [[device]]
    clusters = [0x0006]
    manufacturer = "Acme"
    model = "S1"
    driver = "socket"
    type_sub = "special"
    title = "特别"
    [[device]]
    clusters = [0x0006]
    driver = "switch"
    type_sub = "usual"
    title = "开关"
    """
    catalogue = Catalogue.parse(rows)
    special = catalogue.match(Signature({1: frozenset({0x0006})}, "Acme", "S1"))
    usual = catalogue.match(Signature({1: frozenset({0x0006})}, "Acme", "S2"))
    assert special is not None
    assert usual is not None
    assert (special.type_sub, usual.type_sub) == ("special", "usual")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[device]]\nclusters = []\ndriver = 'switch'\ntype_sub = 'x'\ntitle = 'x'", r"\$\.device\[0\]\.clusters"),
        (
            "[[device]]\nclusters = [6]\ndriver = 'lamp'\ntype_sub = 'x'\ntitle = 'x'",
            r"device\[0\]\.driver: found 'lamp'",
        ),
        ("[[device]]\nclusters = [6]\ndriver = 'switch'\ntype_sub = 'x'\ntitle = 'x'\ncolour = 1", "colour"),
        ("[[device", "catalogue"),
        *(
            (
                f"[[device]]\nclusters = [6]\ndriver = 'switch'\ntype_sub = '{type_sub}'\ntitle = 'x'",
                r"device\[0\]\.type_sub: found .*\{channels\} alone",
            )
            for type_sub in ("AA05{x}-HN", "{}", "{channels!r}", "{channels.real}", "{{channels}}", "}")
        ),
        ("[[device]]\nclusters = [65536]\ndriver = 'switch'\ntype_sub = 'x'\ntitle = 'x'", r"\.clusters"),
        ("a = " + "[" * 3000, "too deeply nested"),
        ("a = " + "1" * 5000, "catalogue"),
    ],
)
def test_invalid_row_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        Catalogue.parse(text)
