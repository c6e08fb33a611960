"""A hostile guest, as a process of its own: publishes requests on one device as fast as the broker takes them.

`python -m tests.common.hostile_guest HOST PORT USER PASSWORD CATEGORY/UUID PER_S`, until it is killed; PER_S 0: without
a limit. Half are queries, the others by turns a control and a change of the title to a text of 60,000 letters.
"""

import itertools
import json
import sys
import threading
import time
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gatewayd.model.ids import ExecType
from gatewayd.model.status import OperationStatus

_KINDS: Final[tuple[tuple[ExecType, OperationStatus, dict[str, Any]], ...]] = (
    (ExecType.QUERY, OperationStatus.STATE_REQUESTED, {}),
    (ExecType.CONTROL, OperationStatus.CONTROL_REQUESTED, {"param": {"operate": 1}}),
    (ExecType.QUERY, OperationStatus.STATE_REQUESTED, {}),
    (ExecType.UPDATE, OperationStatus.UPDATE_REQUESTED, {"title": "482913" + "x" * 60_000}),
)
_MOST_WAITING: Final = 200


def payload(number: int) -> tuple[ExecType, bytes]:
    """The request with this number, none of which is like another."""
    exectype, status, fields = _KINDS[number % len(_KINDS)]
    message = {"msg": {"sn": number, **fields}, "status": status.code, "desc": status.desc}
    return exectype, json.dumps(message).encode()


def main(host: str, port: str, user: str, password: str, device: str, per_s: str) -> None:
    """Publish, and print the number of each hundredth."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"hostile-{user}")
    client.username_pw_set(user, password)
    client.connect(host, int(port))
    waiting = threading.Semaphore(_MOST_WAITING)  # QoS 1: as many as the broker acknowledges
    client.on_publish = lambda *_: waiting.release()
    client.loop_start()
    began = time.monotonic()
    for number in itertools.count(1):
        exectype, body = payload(number)
        waiting.acquire()
        client.publish(f"{user}/{device}/{exectype}", body, qos=1)
        if number % 100 == 0:
            print(number, flush=True)  # noqa: T201
        if float(per_s):
            time.sleep(max(0.0, began + number / float(per_s) - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
