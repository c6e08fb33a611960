"""What the cloud has of the home besides records, as it last answered."""

from pathlib import Path

from tests.common.store import KEY, Opener

ROOM = {"id": 7, "title": "客厅", "type": "room", "not_in_the_api": [1, None]}
PASSWORD = {"id": 9, "temporary_password": "pin-234567"}


def files_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_objects_survive_a_restart_with_unknown_keys(reopen: Opener) -> None:
    async with reopen() as store:
        assert await store.cloud_cache.replace("space", {7: ROOM}) == 1
    async with reopen() as store:
        assert store.cloud_cache.of("space") == {7: ROOM}
        assert store.cloud_cache.of("member") == {}


async def test_replace_counts_what_it_added_changed_and_dropped(reopen: Opener) -> None:
    async with reopen() as store:
        await store.cloud_cache.replace("space", {7: ROOM, 8: ROOM})
        assert await store.cloud_cache.replace("space", {7: ROOM, 8: ROOM}) == 0
        assert await store.cloud_cache.replace("space", {7: {**ROOM, "title": "书房"}}) == 2
    async with reopen() as store:
        assert store.cloud_cache.of("space") == {7: {**ROOM, "title": "书房"}}


async def test_password_is_not_in_the_files_and_is_dropped_with_another_key(reopen: Opener, tmp_path: Path) -> None:
    async with reopen() as store:
        await store.cloud_cache.replace("temporary_password", {9: PASSWORD})
        assert b"pin-234567" not in files_in(tmp_path)
    assert b"pin-234567" not in files_in(tmp_path)
    async with reopen(key=bytes(reversed(KEY))) as store:
        assert store.cloud_cache.of("temporary_password") == {}
