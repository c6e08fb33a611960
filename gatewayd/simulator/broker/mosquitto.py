"""Mosquitto: the broker that the tests, the benchmarks and, where it is installed, the demo use."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from gatewayd.simulator.broker.kind import BrokerError, BrokerProcess

_PLACES: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin"


class Mosquitto:
    """Found on the PATH or where Debian puts it."""

    name = "mosquitto"

    def is_installed(self) -> bool:
        return _found("mosquitto") is not None

    async def prepare(self, plan: BrokerProcess, folder: Path) -> list[str]:
        program, hasher = _found("mosquitto"), _found("mosquitto_passwd")
        if program is None or hasher is None:
            raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
        passwords, acl, settings = folder / "passwords", folder / "acl", folder / "mosquitto.conf"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in plan.users.items()))
        passwords.chmod(0o600)
        hashing = await asyncio.create_subprocess_exec(hasher, "-U", str(passwords), process_group=0)
        if await hashing.wait() != 0:
            raise BrokerError("mosquitto_passwd refused the users")
        acl.write_text(
            "".join(
                f"user {name}\n" + "".join(f"topic readwrite {one}\n" for one in filters)
                for name, filters in plan.filters.items()
            )
        )
        settings.write_text(
            f"listener {plan.port} {plan.host}\n"
            f"password_file {passwords}\nacl_file {acl}\nallow_anonymous false\n"
            "user root\npersistence false\nmax_queued_messages 100000\n"
            "max_inflight_messages 1000\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
        )
        return [program, "-c", str(settings)]


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_PLACES)
