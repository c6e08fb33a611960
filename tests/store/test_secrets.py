"""Secrets at rest: encrypted, bound to their name, and in no byte of the database's files."""

from pathlib import Path

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.outbox_items import NoticeItem, Route
from gatewayd.model.record import LockParam, Record
from gatewayd.store.cipher import Cipher
from gatewayd.store.state_key import StateKey, load_key
from gatewayd.store.store import Store
from tests.common.store import KEY, LOCK, WRITTEN, Opener, lock

OTHER_KEY = bytes(32)


def bytes_on_disk(reopen: Opener) -> bytes:
    return b"".join(path.read_bytes() for path in reopen.path.parent.glob("gatewayd.db*"))


async def test_secret_survives_a_restart_until_it_is_deleted(reopen: Opener) -> None:
    async with reopen() as store:
        await store.vault.put("cloud-token", b"s3cret-token")
    async with reopen() as store:
        assert await store.vault.get("cloud-token") == b"s3cret-token"
        await store.vault.delete("cloud-token")
        assert await store.vault.get("cloud-token") is None
    async with reopen() as store:
        assert await store.vault.get("cloud-token") is None


async def test_no_secret_is_in_the_files_in_clear_text(reopen: Opener) -> None:
    record = Record(
        uuid=LOCK,
        category=Category.LOCK,
        update_time=WRITTEN,
        param=LockParam(pass_="pin-in-pass", temp_pass="pin-in-temp"),
        param_extra={"wifi_pass": "pin-in-extra", "kept": "visible"},
    )
    notice = NoticeItem(
        category=Category.LOCK, uuid=LOCK, exectype=ExecType.UPDATE, sn="1", status="UPDATED", record=record
    )
    async with reopen() as store:
        await store.mirror.put(record, notice)
        await store.vault.put("wifi", b"pin-in-vault")
        assert b"visible" in bytes_on_disk(reopen)
        assert b"pin-in" not in bytes_on_disk(reopen)
    assert b"pin-in" not in bytes_on_disk(reopen)
    async with reopen() as store:
        assert store.mirror.get(LOCK) == record
        assert (await store.outbox.take(Route.MQTT))[0].item == notice


async def test_other_state_key_opens_no_secret_and_keeps_the_rest(reopen: Opener) -> None:
    async with reopen() as store:
        await store.vault.put("wifi", b"hidden")
        await store.mirror.put(lock(pin="hidden"))
    async with reopen(key=OTHER_KEY) as store:
        with pytest.raises(StoreError, match="another state key"):
            await store.vault.get("wifi")
        assert store.mirror.get(LOCK) == lock(pin=None)
        assert store.secrets_problem is not None
        await store.vault.put("wifi", b"set anew")
        assert await store.vault.get("wifi") == b"set anew"


async def test_vault_shows_no_secret_in_its_repr(store: Store) -> None:
    await store.vault.put("wifi", b"hidden")
    assert "hidden" not in repr(store.vault) + repr(vars(store.vault))


def test_sealed_secret_opens_under_its_own_name_alone() -> None:
    cipher = Cipher(KEY)
    with pytest.raises(StoreError):
        cipher.open("b", cipher.seal("a", b"hidden"))


def test_key_of_another_length_is_refused() -> None:
    with pytest.raises(StoreError, match="has 16 bytes"):
        Cipher(bytes(16))


def test_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = load_key(None, tmp_path)
    assert (len(key.key), key.problem, load_key(None, tmp_path)) == (32, None, key)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("state-key", 0o600)]


def test_credential_is_used_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "state-key").write_text(KEY.hex() + "\n")
    assert load_key(tmp_path / "credentials", tmp_path) == StateKey(KEY)
    assert not (tmp_path / "state-key").exists()


def test_credential_that_is_no_key_gives_way_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "state-key").write_text("changeme")
    first = load_key(tmp_path / "credentials", tmp_path)
    assert first.problem is not None
    assert first.key == load_key(None, tmp_path).key


@pytest.mark.parametrize("content", [b"", b"short", bytes(33), b"\xff" * 5000])
def test_key_file_that_is_no_key_is_set_aside_and_a_new_one_made(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state-key"
    path.write_bytes(content)
    path.chmod(0o600)
    made = load_key(None, tmp_path)
    assert made.problem is not None
    assert "must be 32 bytes" in made.problem
    (aside,) = tmp_path.glob("state-key.unusable-*")
    assert aside.read_bytes() == content
    assert load_key(None, tmp_path) == StateKey(made.key)


def test_key_that_is_a_folder_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "state-key").mkdir(mode=0o700)
    made = load_key(None, tmp_path)
    assert made.problem is not None
    assert load_key(None, tmp_path) == StateKey(made.key)


def test_key_that_cannot_be_kept_lasts_for_the_run(tmp_path: Path) -> None:
    made = load_key(None, tmp_path / "vanished")
    assert made.problem is not None
    assert "this run alone" in made.problem
    assert len(made.key) == 32


def test_key_file_that_others_can_read_is_closed_used_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "state-key"
    path.write_bytes(KEY)
    path.chmod(0o644)
    opened = load_key(None, tmp_path)
    assert opened.key == KEY
    assert opened.problem is not None
    assert "open to others" in opened.problem
    assert path.stat().st_mode & 0o777 == 0o600
