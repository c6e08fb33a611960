"""What the cloud keeps of the home besides records, as it said it last."""

from pathlib import Path

from tests.common.store import KEY, Opener

ROOM = {"id": 7, "title": "客厅", "type": "room", "who_knows": [1, None]}
PASSWORD = {"id": 9, "temporary_password": "pin-234567"}


def files_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_copies_survive_a_restart_to_the_key_that_nobody_knows(reopen: Opener) -> None:
    async with reopen() as store:
        assert await store.cloud_cache.replace("space", {7: ROOM}) == 1
    async with reopen() as store:
        assert store.cloud_cache.of("space") == {7: ROOM}
        assert store.cloud_cache.of("member") == {}


async def test_only_what_changed_counts_and_what_is_gone_is_gone(reopen: Opener) -> None:
    async with reopen() as store:
        await store.cloud_cache.replace("space", {7: ROOM, 8: ROOM})
        assert await store.cloud_cache.replace("space", {7: ROOM, 8: ROOM}) == 0
        assert await store.cloud_cache.replace("space", {7: {**ROOM, "title": "书房"}}) == 2
    async with reopen() as store:
        assert store.cloud_cache.of("space") == {7: {**ROOM, "title": "书房"}}


async def test_no_password_stands_in_the_file_and_another_key_costs_the_copies_alone(
    reopen: Opener, tmp_path: Path
) -> None:
    async with reopen() as store:
        await store.cloud_cache.replace("temporary_password", {9: PASSWORD})
        assert b"pin-234567" not in files_in(tmp_path)
    assert b"pin-234567" not in files_in(tmp_path)
    async with reopen(key=bytes(reversed(KEY))) as store:
        assert store.cloud_cache.of("temporary_password") == {}
