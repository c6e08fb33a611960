"""The unit and the sysusers file, checked by systemd's own tools; tests/board/ starts them on a real systemd."""

import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[1] / "systemd"
MOST_EXPOSED = 2.0


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`program` to its end; its test is skipped where it cannot be had."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install systemd)")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)


def test_unit_passes_systemd_analyze_verify(tmp_path: Path) -> None:
    unit = tmp_path / "gatewayd.service"
    text = (SYSTEMD / unit.name).read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/gatewayd/bin/gatewayd", "/bin/true"), encoding="utf-8")
    found = run("systemd-analyze", "verify", "--recursive-errors=no", str(unit))
    assert (found.returncode, found.stderr) == (0, "")


def test_exposure_of_the_service_is_at_most_2() -> None:
    tenths = str(round(MOST_EXPOSED * 10))
    unit = str(SYSTEMD / "gatewayd.service")
    found = run("systemd-analyze", "security", "--offline=true", f"--threshold={tenths}", "--no-pager", unit)
    assert found.returncode == 0, found.stdout + found.stderr


def test_sysusers_creates_the_user_with_its_home(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "gatewayd.sysusers"))
    assert made.returncode == 0, made.stderr
    (line,) = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8").splitlines()
    name, _, uid, _, _, home, shell = line.split(":")
    assert (name, home, shell) == ("gatewayd", "/var/lib/gatewayd", "/usr/sbin/nologin")
    assert 0 < int(uid) < 1000


def test_sysusers_makes_the_groups_that_a_board_without_udev_lacks(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "gatewayd.sysusers"))
    assert made.returncode == 0, made.stderr
    lines = (tmp_path / "etc" / "group").read_text(encoding="utf-8").splitlines()
    members = {name: users for name, _, _, users in (line.split(":") for line in lines)}
    assert members["dialout"] == members["input"] == "gatewayd"
    assert "SupplementaryGroups=" not in (SYSTEMD / "gatewayd.service").read_text(encoding="utf-8")
