"""amqtt: a broker that pip can bring (extra `demo`), for a demo on machines without Mosquitto. It speaks MQTT 3.1.1."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from gatewayd.simulator.broker.kind import BrokerError, BrokerProcess


class Amqtt:
    """Run by this Python, as a process of its own, so that it can be killed like the other."""

    name = "amqtt"

    def is_installed(self) -> bool:
        return find_spec("amqtt") is not None

    async def prepare(self, plan: BrokerProcess, folder: Path) -> list[str]:
        if not self.is_installed():
            raise BrokerError("amqtt is not installed: pip install 'gatewayd[demo]'")
        from pwdlib import PasswordHash  # noqa: PLC0415  (comes with amqtt)

        hasher = PasswordHash.recommended()
        passwords, settings = folder / "passwords", folder / "amqtt.yaml"
        passwords.write_text("".join(f"{name}:{hasher.hash(password)}\n" for name, password in plan.users.items()))
        filters = {name: list(some) for name, some in plan.filters.items()}
        settings.write_text(
            json.dumps(  # which is YAML as well
                {
                    "listeners": {"default": {"type": "tcp", "bind": f"{plan.host}:{plan.port}"}},
                    "plugins": {
                        "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)},
                        "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": {
                            "publish_acl": filters,
                            "acl": filters,
                        },
                    },
                }
            )
        )
        return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(settings)]
