"""Backups of the network in the open coordinator backup format: from one coordinator, onto another.

That is zigpy's own format, which zigbee2mqtt and ZHA read as well. A backup contains the network's keys.
"""

import json
from typing import Any, Final

from zigpy.application import ControllerApplication
from zigpy.backups import NetworkBackup

from gatewayd.model.errors import MalformedError, RadioUnavailableError
from gatewayd.zigbee.radios.errors import translate_errors

_FAULTS_OF_CONTENT: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What zigpy's parser, which checks nothing, can raise."""


async def create_backup(app: ControllerApplication) -> dict[str, Any]:
    """Back up the network as it is now. Returns plain JSON values. Raises RadioUnavailableError."""
    with translate_errors("backing up the network"):
        backup = await app.backups.create_backup(load_devices=True)
    content: dict[str, Any] = json.loads(json.dumps(backup.as_open_coordinator_json()))  # zigpy's types, made plain
    return content


def parse_backup(content: dict[str, Any]) -> NetworkBackup:
    """Parse what `create_backup` returned. Raises MalformedError with the reason, and without any of the keys."""
    try:
        backup = NetworkBackup.from_open_coordinator_json(content)
        is_complete = backup.is_complete()
    except KeyError as error:
        raise MalformedError(f"this is no open coordinator backup: {error} is missing") from None
    except _FAULTS_OF_CONTENT as error:  # zigpy's message may quote a key
        raise MalformedError(f"this is no open coordinator backup ({type(error).__name__} in it)") from None
    if not is_complete:
        raise MalformedError("this backup has no network key, or no coordinator: it cannot be restored")
    return backup


async def restore_backup(app: ControllerApplication, backup: NetworkBackup) -> None:
    """Write the network onto the coordinator, which must be restarted then. Raises RadioUnavailableError."""
    with translate_errors("restoring the network"):
        await app.backups.restore_backup(backup)
    if app.state.network_info.network_key.key != backup.network_info.network_key.key:
        raise RadioUnavailableError("the coordinator did not accept the network")
