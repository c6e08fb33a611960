"""gatewayd and gatewayctl from the command line: exit codes, and errors in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {"gatewayd": "gatewayd.cli", "gatewayctl": "gatewayd.ctl.main"}


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    start = f"from {COMMANDS[command]} import main; main(prog_name={command!r})"
    return subprocess.run([sys.executable, "-c", start, *arguments], capture_output=True, text=True, check=False)


def test_check_config_with_faults_prints_each_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_text('[mqtt]\nport = "x"\n[radio]\npaht = "/dev/null"\n', encoding="utf-8")
    checked = run("gatewayd", "check-config", "--config", str(file))
    assert checked.returncode == 2
    assert checked.stderr.splitlines() == [
        "gatewayd: radio.paht: unknown key; allowed: driver, path, baudrate, flow_control, channel, catalogue",
        "gatewayd: mqtt.port: found 'x'; Expected `int`, got `str`",
        "gatewayd: cloud.username: empty; allowed: the account of this gateway in the cloud",
    ]


def test_check_config_without_faults_exits_0(tmp_path: Path) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_text('[cloud]\nusername = "18900000001"\n', encoding="utf-8")
    checked = run("gatewayd", "check-config", "--config", str(file))
    assert (checked.returncode, checked.stdout) == (0, f"{file}: in order\n")


def test_check_config_reads_the_catalogue_of_radio_catalogue(tmp_path: Path) -> None:
    file, rows = tmp_path / "gatewayd.toml", tmp_path / "rows.toml"
    file.write_text(f'[cloud]\nusername = "a"\n[radio]\ncatalogue = "{rows}"\n', encoding="utf-8")
    checked = run("gatewayd", "check-config", "--config", str(file))
    assert (checked.returncode, checked.stderr) == (
        2,
        f"gatewayd: radio.catalogue: {rows} cannot be read: No such file or directory\n",
    )
    rows.write_text("[[device]]\nclusters = [6]\ndriver = 'lamp'\ntype_sub = 'x'\ntitle = 'x'\n", encoding="utf-8")
    checked = run("gatewayd", "check-config", "--config", str(file))
    assert checked.returncode == 2
    assert checked.stderr.startswith(f"gatewayd: {rows}: device[0].driver: found 'lamp'; there are: switch, lock")


def test_check_config_warns_of_settings_without_effect(tmp_path: Path) -> None:
    file = tmp_path / "gatewayd.toml"
    settings = (
        '[cloud]\nusername = "1"\ninsecure = true\n[admin]\nhttp = "127.0.0.1:8480"\n[firmware]\ninstaller = "rauc"\n'
    )
    file.write_text(settings, encoding="utf-8")
    checked = run("gatewayd", "check-config", "--config", str(file))
    assert (checked.returncode, checked.stdout) == (0, f"{file}: in order\n")
    assert [line.split(": found")[0] for line in checked.stderr.splitlines()] == [
        "gatewayd: warning: admin.http",
        "gatewayd: warning: firmware.installer",
    ]


@pytest.mark.parametrize(
    ("command", "subcommands"),
    [
        ("gatewayd", ["run", "demo", "check-config"]),
        ("gatewayctl", ["status", "devices", "show", "permit-join", "remove", "outbox", "log-level"]),
    ],
)
def test_every_command_prints_help(command: str, subcommands: list[str]) -> None:
    for arguments in ([], *([subcommand] for subcommand in subcommands)):
        helped = run(command, *arguments, "--help")
        assert helped.returncode == 0
        assert helped.stdout.startswith("Usage:")


def test_gatewayctl_without_a_daemon_prints_one_line_and_exits_1(tmp_path: Path) -> None:
    asked = run("gatewayctl", "--socket", str(tmp_path / "admin.sock"), "status")
    assert asked.returncode == 1
    assert len(asked.stderr.splitlines()) == 1
    assert "no gatewayd listens there" in asked.stderr


def test_run_with_a_state_dir_that_cannot_be_created_prints_one_line(tmp_path: Path) -> None:
    file = tmp_path / "gatewayd.toml"
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    file.write_text(
        f'[cloud]\nusername = "a"\npassword_file = "{tmp_path}/password"\ninsecure = true\n'
        f'[gateway]\nstate_dir = "{tmp_path}/password/state"\n',
        encoding="utf-8",
    )
    ran = run("gatewayd", "run", "--config", str(file))
    assert ran.returncode == 1
    assert ran.stderr == (
        f"gatewayd: The state directory {tmp_path}/password/state cannot be made: Not a directory;"
        " gateway.state_dir says where.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("sing",), "gatewayctl: No such command 'sing'."),
        (("show",), "gatewayctl show: Missing argument 'UUID'."),
        (("permit-join", "300"), "gatewayctl permit-join: Invalid value for '[SECONDS]': 300 is not in the range"),
        (("firmware", "eat"), "gatewayctl firmware: No such command 'eat'."),
        (("status", "--yaml"), "gatewayctl status: No such option"),
    ],
)
def test_command_with_wrong_arguments_prints_one_line(arguments: tuple[str, ...], reason: str) -> None:
    asked = run("gatewayctl", *arguments)
    assert (asked.returncode, asked.stdout, len(asked.stderr.splitlines())) == (2, "", 1)
    assert asked.stderr.startswith(reason)
