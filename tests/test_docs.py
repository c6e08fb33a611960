"""Files, links, commands and settings that README and docs/ name exist."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from gatewayd import cli
from gatewayd.ctl.main import main as gatewayctl

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_PAGES = [page for page in PAGES if page.name != "cloud-api.md"]  # that one is the vendor's
COMMANDS = {"gatewayd": cli.main, "gatewayctl": gatewayctl}
SETTINGS = tomllib.loads((ROOT / "config" / "gatewayd.toml").read_text(encoding="utf-8"))

pages = pytest.mark.parametrize("page", OWN_PAGES, ids=lambda page: page.name)


@pages
def test_links_of_a_page_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pages
def test_files_named_by_a_page_exist(page: Path) -> None:
    folders = "gatewayd|tests|docs|config|systemd|bench|scripts"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pages
def test_commands_named_by_a_page_exist(page: Path) -> None:
    said = re.findall(r"^(?:sudo )?(gatewayctl|gatewayd) ([a-z][a-z-]+(?: [a-z]+)?)", code_of(page), re.MULTILINE)
    assert [f"{program} {words}" for program, words in said if not is_command(COMMANDS[program], words.split())] == []


@pages
def test_settings_named_by_a_page_exist(page: Path) -> None:
    said = re.findall(r"`\[(\w+)\] (\w+)", page.read_text(encoding="utf-8"))
    assert [f"[{section}] {key}" for section, key in said if key not in SETTINGS.get(section, {})] == []


def code_of(page: Path) -> str:
    """What stands as code, fenced or between backticks, each beginning a line."""
    text = page.read_text(encoding="utf-8")
    fence = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    return "\n".join([*fence.findall(text), *re.findall(r"`([^`\n]+)`", fence.sub("", text))])


def is_command(group: click.Group, words: list[str]) -> bool:
    """True where the words begin a command; what follows a command that is no group is its argument."""
    found = group.commands.get(words[0])
    if isinstance(found, click.Group) and len(words) > 1:
        return words[1] in found.commands
    return found is not None
