"""Mosquitto: the broker of the tests, the benchmarks and, where it is installed, the demo."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from gatewayd.simulator.broker.kind import BrokerError, BrokerSettings

_DEBIAN_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin"


class Mosquitto:
    """Searched on the PATH, then where Debian installs it."""

    name = "mosquitto"

    def is_installed(self) -> bool:
        return _find("mosquitto") is not None

    async def prepare(self, settings: BrokerSettings, folder: Path) -> list[str]:
        program, hasher = _find("mosquitto"), _find("mosquitto_passwd")
        if program is None or hasher is None:
            raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
        passwords, acl, configuration = folder / "passwords", folder / "acl", folder / "mosquitto.conf"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in settings.users.items()))
        passwords.chmod(0o600)
        hashing = await asyncio.create_subprocess_exec(hasher, "-U", str(passwords), process_group=0)
        if await hashing.wait() != 0:
            raise BrokerError("mosquitto_passwd refused the users")
        acl.write_text(
            "".join(
                f"user {name}\n" + "".join(f"topic readwrite {topic}\n" for topic in filters)
                for name, filters in settings.filters.items()
            )
        )
        configuration.write_text(
            f"listener {settings.port} {settings.host}\n"
            f"password_file {passwords}\nacl_file {acl}\nallow_anonymous false\n"
            "user root\npersistence false\nmax_queued_messages 100000\n"
            "max_inflight_messages 1000\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
        )
        return [program, "-c", str(configuration)]


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_DEBIAN_PATH)
