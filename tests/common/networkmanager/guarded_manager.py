"""A real NetworkManager as on a board: with the system bus' policy files, a real polkit, and gatewayd's rule."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.common.networkmanager.private_bus import running_process
from tests.common.networkmanager.real_manager import (
    NAMESPACE,
    RealManager,
    need_namespaces,
    network_manager,
    until_ready,
)

RULE = Path(__file__).parents[3] / "systemd" / "gatewayd.polkit.rules"
POLKITD = Path("/usr/lib/polkit-1/polkitd")
USERS = {"gatewayd": 64001, "visitor": 64002}

START = f"""{NAMESPACE}
cd "$FOLDER"
mount --bind passwd /etc/passwd
mount --bind rules /etc/polkit-1/rules.d
dbus-daemon --config-file=bus.conf --nofork --nopidfile & bus=$!
while [ ! -S bus ]; do sleep 0.05; done
{POLKITD} --no-debug & polkit=$!
"$0" --no-daemon "$@" & manager=$!
trap 'kill $manager $polkit $bus' TERM
wait || wait
"""

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <includedir>/usr/share/dbus-1/system.d</includedir>
</busconfig>
"""


@asynccontextmanager
async def guarded_network_manager(folder: Path) -> AsyncIterator[RealManager]:
    """Run bus, polkit and NetworkManager for the length of the block; skip the test where they cannot run."""
    need_namespaces()
    if not os.access(POLKITD, os.X_OK):
        pytest.skip("polkit is not installed (Debian: apt-get install polkitd)")
    _write_files(folder)
    address = f"unix:path={folder / 'bus'}"
    env = {"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "FOLDER": str(folder)}
    command = ("unshare", "--net", "--mount", "sh", "-c", START, *network_manager(folder, polkit=True))
    async with running_process(*command, env=env) as process:
        await asyncio.wait_for(until_ready(address, process), 20)
        yield RealManager(address, folder)


def _write_files(folder: Path) -> None:
    folder.chmod(0o755)
    users = "".join(f"{name}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for name, uid in USERS.items())
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + users)
    (folder / "rules").mkdir()
    shutil.copy(RULE, folder / "rules" / "50-gatewayd.rules")
    (folder / "bus.conf").write_text(BUS.format(folder=folder))


@contextmanager
def as_user(name: str) -> Iterator[None]:
    """Act as user `name` for the length of the block: bus connections opened in it are that user's."""
    os.setresuid(USERS[name], USERS[name], 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
