"""amqtt, a broker that pip installs (extra `demo`), for machines without Mosquitto. It supports MQTT 3.1.1 only."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from gatewayd.simulator.broker.kind import BrokerError, BrokerSettings


class Amqtt:
    """Run by this Python, in a process of its own, so that it can be killed."""

    name = "amqtt"

    def is_installed(self) -> bool:
        return find_spec("amqtt") is not None

    async def prepare(self, settings: BrokerSettings, folder: Path) -> list[str]:
        if not self.is_installed():
            raise BrokerError("amqtt is not installed: pip install 'gatewayd[demo]'")
        from pwdlib import PasswordHash  # noqa: PLC0415  (comes with amqtt)

        hasher = PasswordHash.recommended()
        passwords, configuration = folder / "passwords", folder / "amqtt.yaml"
        passwords.write_text("".join(f"{name}:{hasher.hash(password)}\n" for name, password in settings.users.items()))
        filters = {name: list(topics) for name, topics in settings.filters.items()}
        configuration.write_text(
            json.dumps(  # JSON is YAML
                {
                    "listeners": {"default": {"type": "tcp", "bind": f"{settings.host}:{settings.port}"}},
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
        return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(configuration)]
