"""What provisioning keeps, kept by the real store: it outlives the process, and the file does not show it."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewayd.provisioning.seal import GatewayKey
from gatewayd.provisioning.window import ProvisioningWindow
from gatewayd.store.store import Store


async def test_key_and_window_are_as_the_last_run_left_them(tmp_path: Path) -> None:
    publics = []
    for run in range(2):
        async with Store.open(
            tmp_path / "house.db", now=lambda: datetime.now(UTC), zone=ZoneInfo("Asia/Shanghai"), key=bytes(32)
        ) as store:
            publics.append((await GatewayKey.load(store.vault)).public)
            window = await ProvisioningWindow.load(store.vault)
            assert window.is_open(0) is (run == 0)
            await window.uplink_works()
            private = await store.vault.get("provisioning-key")
    assert publics[0] == publics[1]
    assert private is not None
    assert X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == publics[0]
    assert not shown_by_a_file(tmp_path, private)


def shown_by_a_file(folder: Path, secret: bytes) -> bool:
    return any(secret in file.read_bytes() for file in folder.iterdir())
