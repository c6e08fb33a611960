"""constraints.txt pins every dependency of setup.cfg within its range, with hashes, and is what is installed here."""

import re
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)
PINS = {
    canonicalize_name(name): (pinned, hashes.count("--hash"))
    for name, pinned, hashes in PIN.findall((ROOT / "constraints.txt").read_text(encoding="utf-8"))
}


def requirements() -> list[Requirement]:
    """What setup.cfg asks for: the daemon's own, and the extras that are installed with it."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    lines = f"{setup['options']['install_requires']}\n{extras['speed']}\n{extras['qr']}".splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_requirement_is_pinned_within_its_range(requirement: Requirement) -> None:
    pinned, _ = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


def test_every_pin_has_hashes() -> None:
    assert [name for name, (_, hashes) in PINS.items() if not hashes] == []


def test_pinned_versions_are_those_that_the_tests_run_on() -> None:
    installed = {name: version(name) for name in PINS}
    assert {name: found for name, found in installed.items() if found != PINS[name][0]} == {}
