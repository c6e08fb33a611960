"""The service on a board: it starts where groups are missing, ends in time, and is restarted when it is stuck."""

import logging
import re
from pathlib import Path

from tests.common.board import clean_board, needs_board

log = logging.getLogger(__name__)

pytestmark = needs_board

TOOLS = """
pid() { systemctl show -p MainPID --value gatewayd; }
now() { date +%s.%N; }
since() { echo "$(now) - $1" | awk '{printf "%.2f", $1 - $3}'; }
until_active() { for _ in $(seq 300); do systemctl -q is-active gatewayd && return 0; sleep 0.1; done; return 1; }
systemd-sysusers
systemctl daemon-reload
"""


def run_on_board(folder: Path, script: str, within_s: float) -> dict[str, str]:
    """What the script printed as `name=value`."""
    with clean_board(folder) as board:
        printed = board.run(f"{TOOLS}\n{script}\njournalctl -u gatewayd -n 30 -o cat >&2", within_s)
    log.info("the board printed:\n%s", printed)
    return dict(re.findall(r"^(\w+)=(.*)$", printed, re.MULTILINE))


def test_service_starts_without_the_group_input_and_stops_in_five_seconds(tmp_path: Path) -> None:
    found = run_on_board(
        tmp_path,
        """
systemctl stop gatewayd; sed -i '/^input:/d; /^dialout:/d' /etc/group /etc/gshadow; systemd-sysusers
systemctl start gatewayd && echo started=yes
echo groups=$(awk '/^Groups/ {$1=""; print}' /proc/$(pid)/status | wc -w)
echo watchdog=$(systemctl show -p WatchdogUSec --value gatewayd)
sleep 6
echo status="$(systemctl show -p StatusText --value gatewayd)"
began=$(now); systemctl stop gatewayd; echo stop_s=$(since $began)
echo result=$(systemctl show -p Result --value gatewayd)
for wait in 0 0.2 0.5 1 2; do
    systemctl start --no-block gatewayd; sleep $wait
    began=$(now); systemctl stop gatewayd; echo stop_${wait/./_}_s=$(since $began)
done
echo result_of_all=$(systemctl show -p Result --value gatewayd)
""",
        within_s=120,
    )
    assert found["started"] == "yes"
    assert int(found["groups"]) >= 2
    assert found["watchdog"] == "30s"
    assert "radio away" in found["status"]
    assert found["result"] == found["result_of_all"] == "success"
    assert all(float(value) < 5 for name, value in found.items() if name.startswith("stop_"))


def test_stopped_daemon_is_restarted_within_the_watchdogs_time(tmp_path: Path) -> None:
    found = run_on_board(
        tmp_path,
        """
systemctl start gatewayd
sleep 3
before=$(pid); began=$(now)
kill -STOP $before
for _ in $(seq 600); do after=$(pid); [ "$after" != 0 ] && [ "$after" != "$before" ] && break; sleep 0.1; done
until_active
echo restarted_s=$(since $began)
echo restarts=$(systemctl show -p NRestarts --value gatewayd)
echo new_process=$([ "$after" != "$before" ] && echo yes)
""",
        within_s=120,
    )
    assert found["new_process"] == "yes"
    assert int(found["restarts"]) == 1
    assert float(found["restarted_s"]) < 30 + 5 + 2 + 8  # the watchdog, the abort, RestartSec, the start


def test_daemon_that_crashes_again_and_again_is_started_again_and_again(tmp_path: Path) -> None:
    found = run_on_board(
        tmp_path,
        """
systemctl start gatewayd
for _ in 1 2 3 4 5 6 7; do
    until_active && kill -SEGV $(pid)
    sleep 0.2
    for _ in $(seq 100); do systemctl -q is-active gatewayd && break; sleep 0.1; done
done
until_active && echo active=yes
echo restarts=$(systemctl show -p NRestarts --value gatewayd)
began=$(now); systemctl stop gatewayd; echo stop_s=$(since $began)
""",
        within_s=150,
    )
    assert found["active"] == "yes"
    assert int(found["restarts"]) == 7
    assert float(found["stop_s"]) < 5
