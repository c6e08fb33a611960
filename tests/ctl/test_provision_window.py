"""`gatewayctl provision-window`, over the real admin socket."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from gatewayd.admin.server import AdminServer, Method
from gatewayd.ctl.main import main
from gatewayd.provisioning.seal import fingerprint
from tests.common.provisioning import Gateway, running


class ForMinutes(msgspec.Struct):
    minutes: int


async def command(gateway: Gateway, socket: Path, *words: str) -> Result:
    async def open_window(params: ForMinutes) -> dict[str, Any]:
        service = gateway.service
        is_open = service.open_window(params.minutes * 60)
        return {"open": is_open, "endless": service.window_has_no_end, "fingerprint": service.fingerprint}

    async with AdminServer(socket, {"provision-window": Method(ForMinutes, open_window)}).listening():
        line = ["--socket", str(socket), "provision-window", *words]
        return await asyncio.to_thread(CliRunner().invoke, main, line)


async def test_it_opens_the_window_for_minutes_and_shuts_it(tmp_path: Path) -> None:
    async with running(provisioned=True) as gateway:
        opened = await command(gateway, tmp_path / "admin.sock", "3")
        key = fingerprint(gateway.key.public)
        assert opened.stdout == f"phones may put the gateway on Wi-Fi for 3 min at least; its key: {key}\n"
        assert gateway.window.is_open(gateway.now() + 170)
        assert not gateway.window.is_open(gateway.now() + 190)
        shut = await command(gateway, tmp_path / "admin.sock", "0")
        assert shut.stdout == "the window is shut\n"
        assert not gateway.window.is_open(gateway.now())


async def test_a_gateway_that_was_never_provisioned_says_that_its_window_stays_open(tmp_path: Path) -> None:
    async with running() as gateway:
        shut = await command(gateway, tmp_path / "admin.sock", "0")
    assert "the window is open until the gateway has reached the cloud once" in shut.output


@pytest.mark.parametrize("minutes", ["-1", "61", "soon"])
def test_minutes_out_of_reach_are_wrong_usage(minutes: str) -> None:
    assert CliRunner().invoke(main, ["provision-window", "--", minutes]).exit_code == 2
