"""What the cloud refuses: whose fault it is, what becomes of it, and that everything else goes on."""

from gatewayd.model.outgoing import MessageDue
from tests.cloud.sync.conftest import DOOR, OWNER, Both

OPENED = MessageDue(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")


async def test_nothing_is_given_up_while_the_cloud_does_not_let_the_gateway_in(both: Both) -> None:
    both.cloud.state.db.all("UPDATE accounts SET password = 'another', token = '' WHERE username = ?", OWNER)
    await both.store.outbox.add(OPENED)
    errors = await both.synced()
    assert all("Invalid credentials" in str(error) or "not tried" in str(error) for error in errors.values())
    assert not any(record.unlinked for record in both.store.mirror.all())
    assert [row.due for row in await both.store.outbox.rows()] == [OPENED]
    assert await both.store.outbox.dead_letters() == ()
    assert sum("login" in path for _, path, _ in both.cloud.requests) == 2  # the one at start, and one refused
