"""The network as a file: taken from one coordinator, put onto another, in the open coordinator backup format.

That is zigpy's own format, which zigbee2mqtt and ZHA read as well. It holds the network's keys.
"""

import json
from typing import Any, Final

from zigpy.backups import NetworkBackup

from gatewayd.model.errors import MalformedError, RadioUnavailableError
from gatewayd.model.ids import Uuid
from gatewayd.zigbee.radios.errors import translated

_THE_NETWORK: Final = Uuid("the network")


async def take(app: Any) -> dict[str, Any]:
    """The network as it is now. Raises RadioUnavailableError."""
    with translated(_THE_NETWORK, "backing up"):
        backup = await app.backups.create_backup(load_devices=True)
    taken: dict[str, Any] = json.loads(json.dumps(backup.as_open_coordinator_json()))  # zigpy's numbers, made plain
    return taken


def read(content: dict[str, Any]) -> NetworkBackup:
    """What `take` gave. Raises MalformedError with the reason, and without any of the keys."""
    try:
        backup = NetworkBackup.from_open_coordinator_json(content)
    except KeyError as error:
        raise MalformedError(f"this is no open coordinator backup: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedError(f"this is no open coordinator backup ({type(error).__name__} in it)") from None
    if not backup.is_complete():
        raise MalformedError("this backup has no network key, or no coordinator: it cannot be restored")
    return backup


async def put(app: Any, backup: NetworkBackup) -> None:
    """Write the network onto the coordinator, which has to be started anew after that. Raises RadioUnavailableError."""
    with translated(_THE_NETWORK, "restoring"):
        await app.backups.restore_backup(backup)
    if app.state.network_info.network_key.key != backup.network_info.network_key.key:
        raise RadioUnavailableError("the coordinator did not take the network")
