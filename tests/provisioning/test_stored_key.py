"""Provisioning's secrets in the real store: they survive a restart, and no file contains them in the clear."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewayd.provisioning.seal import GatewayKey
from gatewayd.provisioning.window import ProvisioningWindow
from gatewayd.store.store import Store


async def test_key_and_window_survive_a_restart(tmp_path: Path) -> None:
    public_keys = []
    for run in range(2):
        async with Store.open(
            tmp_path / "gatewayd.db", now=lambda: datetime.now(UTC), zone=ZoneInfo("Asia/Shanghai"), key=bytes(32)
        ) as store:
            public_keys.append((await GatewayKey.load(store.vault)).public)
            window = await ProvisioningWindow.load(store.vault)
            assert window.is_open(0) is (run == 0)
            await window.mark_provisioned()
            private = await store.vault.get("provisioning-key")
    assert public_keys[0] == public_keys[1]
    assert private is not None
    assert X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == public_keys[0]
    assert not is_in_a_file(tmp_path, private)


async def test_another_state_key_makes_a_new_key_and_does_not_open_the_window_again(tmp_path: Path) -> None:
    public_keys = []
    for state_key in (bytes(32), b"k" * 32, b"k" * 32):
        async with Store.open(
            tmp_path / "gatewayd.db", now=lambda: datetime.now(UTC), zone=ZoneInfo("Asia/Shanghai"), key=state_key
        ) as store:
            public_keys.append((await GatewayKey.load(store.vault)).public)
            window = await ProvisioningWindow.load(store.vault)
            assert window.is_open(0) is (len(public_keys) == 1)
            await window.mark_provisioned()
            assert store.secrets_problem is None
    assert public_keys[0] != public_keys[1] == public_keys[2]


def is_in_a_file(folder: Path, secret: bytes) -> bool:
    return any(secret in file.read_bytes() for file in folder.iterdir())
