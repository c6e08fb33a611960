"""Whatever goes wrong between gateway and cloud: no log line, no error, no dead letter and no file shows a secret."""

import json
from pathlib import Path

from msgspec.structs import replace
from structlog.testing import capture_logs

from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.passwords import TemporaryPassword
from gatewayd.model.outbox_items import RecordItem
from tests.common.sync import DOOR, OWNER, PASSWORD, Both, both_ends

KEY_NUMBER, TEMPORARY, PIN = "73519264", "86420975", "59173846"


async def keys_and_passwords(both: Both) -> None:
    """A key, a temporary password and a lock's `pass`, here and there."""
    door, me = both.mine(DOOR), (await both.client.accounts.profile()).id
    await both.client.keys.create(CloudKey(info_id=door.id, key_type=0, key_name="妈妈", key_number=KEY_NUMBER))
    await both.client.passwords.create(
        TemporaryPassword(
            authorizer_id=me,
            info_id=door.id,
            phone="16620039353",
            start_time="2026-11-24 10:30",
            end_time="2026-11-24 11:30",
            duration=60,
            temporary_password=TEMPORARY,
        )
    )
    await both.store.mirror.put(replace(door, param=replace(door.param, pass_=PIN)), RecordItem(uuid=DOOR))
    await both.drained()


async def everything_fails(both: Both) -> None:
    """Refusals, halves of answers, nonsense, a refused login: each where secrets travel."""
    refused = json.dumps({"msg": {}, "status": 400042, "desc": ""})
    for path in ("/api/accounts/login/", "/api/iot/keys/", "/api/iot/members/", "/api/iot/iot_manage_view/"):
        both.cloud.revoke_tokens()
        both.cloud.faults.cut_within(path, at=150, times=2)
        both.cloud.faults.answer(path, refused)
        await both.store.outbox.add(RecordItem(uuid=DOOR))
        await both.drained()
        await both.synced()
        both.cloud.faults.clear()
    rows = [{"id": 1, "key_number": [KEY_NUMBER], "key_type": KEY_NUMBER * 3}]
    both.cloud.faults.answer("/api/iot/keys/", json.dumps({"msg": {"data": rows}, "status": 200033, "desc": ""}))
    await both.synced()
    both.cloud.state.db.all("UPDATE accounts SET token = '', is_active = 0 WHERE username = ?", OWNER)
    await both.store.outbox.add(RecordItem(uuid=DOOR))
    await both.synced()


async def test_nothing_shows_a_secret_whatever_fails(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with both_ends(tmp_path, login_pause_s=0.01) as both:
            await both.drained()
            await both.synced()
            await keys_and_passwords(both)
            tokens = {str(row["token"]) for row in both.cloud.state.db.all("SELECT token FROM accounts")}
            await both.synced()
            assert KEY_NUMBER in str(both.store.cloud_cache.of("key"))
            await everything_fails(both)
            shown = [*map(repr, lines), *map(str, await both.store.outbox.dead_letters())]
            shown += [f"{step.error}" for step in both.sync.progress.steps]
            shown += [repr(row) for row in await both.store.outbox.rows()]
            shown += [repr(record) for record in both.store.mirror.all()]
    secrets = {PASSWORD, KEY_NUMBER, TEMPORARY, PIN, *tokens} - {""}
    assert {secret for secret in secrets if any(secret in line for line in shown)} == set()
    assert {secret for secret in secrets if secret.encode() in all_of(tmp_path)} == set()


def all_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
