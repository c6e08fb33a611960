"""No failure between gateway and cloud shows a secret in a log line, an error, a dead letter or a file."""

import json
from pathlib import Path

from msgspec.structs import replace
from structlog.testing import capture_logs

from gatewayd.backoff import Backoff
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.temporary_passwords import TemporaryPassword
from gatewayd.model.outbox_items import RecordItem
from tests.common.sync import LOCK, OWNER, PASSWORD, GatewayAndCloud, gateway_and_cloud

KEY_NUMBER, TEMPORARY, PIN = "73519264", "86420975", "59173846"


async def create_secrets(both: GatewayAndCloud) -> None:
    """Create a key, a temporary password and a lock's `pass`, here and in the cloud."""
    lock, user_id = both.local(LOCK), (await both.client.accounts.profile()).id
    await both.client.keys.create(CloudKey(info_id=lock.id, key_type=0, key_name="妈妈", key_number=KEY_NUMBER))
    await both.client.temporary_passwords.create(
        TemporaryPassword(
            authorizer_id=user_id,
            info_id=lock.id,
            phone="16620039353",
            start_time="2026-11-24 10:30",
            end_time="2026-11-24 11:30",
            duration=60,
            temporary_password=TEMPORARY,
        )
    )
    await both.store.mirror.put(replace(lock, param=replace(lock.param, pass_=PIN)), RecordItem(uuid=LOCK))
    await both.wait_until_sent()


async def fail_everywhere(both: GatewayAndCloud) -> None:
    """Let calls that carry secrets fail: refused, cut off, answered with wrong types, refused at the login."""
    refused = json.dumps({"msg": {}, "status": 400042, "desc": ""})
    for path in ("/api/accounts/login/", "/api/iot/keys/", "/api/iot/members/", "/api/iot/iot_manage_view/"):
        both.cloud.revoke_tokens()
        both.cloud.faults.cut_within(path, at=150, times=2)
        both.cloud.faults.answer(path, refused)
        await both.store.outbox.add(RecordItem(uuid=LOCK))
        await both.wait_until_sent()
        await both.run_sync()
        both.cloud.faults.clear()
    rows = [{"id": 1, "key_number": [KEY_NUMBER], "key_type": KEY_NUMBER * 3}]
    both.cloud.faults.answer("/api/iot/keys/", json.dumps({"msg": {"data": rows}, "status": 200033, "desc": ""}))
    await both.run_sync()
    both.cloud.state.db.all("UPDATE accounts SET token = '', is_active = 0 WHERE username = ?", OWNER)
    await both.store.outbox.add(RecordItem(uuid=LOCK))
    await both.run_sync()


async def test_no_failure_shows_a_secret(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with gateway_and_cloud(tmp_path, login_backoff=Backoff(0.01, 0.01)) as both:
            await both.wait_until_sent()
            await both.run_sync()
            await create_secrets(both)
            tokens = {str(row["token"]) for row in both.cloud.state.db.all("SELECT token FROM accounts")}
            await both.run_sync()
            assert KEY_NUMBER in str(both.store.cloud_cache.of("key"))
            await fail_everywhere(both)
            shown = [*map(repr, lines), *map(str, await both.store.outbox.dead_letters())]
            shown += [f"{step.error}" for step in both.sync.progress.steps]
            shown += [repr(row) for row in await both.store.outbox.rows()]
            shown += [repr(record) for record in both.store.mirror.all()]
    secrets = {PASSWORD, KEY_NUMBER, TEMPORARY, PIN, *tokens} - {""}
    assert {secret for secret in secrets if any(secret in line for line in shown)} == set()
    assert {secret for secret in secrets if secret.encode() in read_all_files(tmp_path)} == set()


def read_all_files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
