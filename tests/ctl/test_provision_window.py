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
from tests.common.provisioning import Gateway, running_gateway


class Minutes(msgspec.Struct):
    minutes: int


async def provision_window(gateway: Gateway, socket: Path, *arguments: str) -> Result:
    """Run the command against an admin server that serves this one method for `gateway`."""

    async def open_window(params: Minutes) -> dict[str, Any]:
        service = gateway.service
        is_open = service.open_window(params.minutes * 60)
        return {"open": is_open, "endless": service.window_has_no_end, "fingerprint": service.fingerprint}

    async with AdminServer(socket, {"provision-window": Method(Minutes, open_window)}).listening():
        command = ["--socket", str(socket), "provision-window", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, main, command)


async def test_window_is_opened_for_minutes_and_closed_with_0(tmp_path: Path) -> None:
    async with running_gateway(provisioned=True) as gateway:
        opened = await provision_window(gateway, tmp_path / "admin.sock", "3")
        key = fingerprint(gateway.key.public)
        assert opened.stdout == f"phones may put the gateway on Wi-Fi for 3 min at least; its key: {key}\n"
        assert gateway.window.is_open(gateway.now() + 170)
        assert not gateway.window.is_open(gateway.now() + 190)
        closed = await provision_window(gateway, tmp_path / "admin.sock", "0")
        assert closed.stdout == "the window is shut\n"
        assert not gateway.window.is_open(gateway.now())


async def test_window_of_a_gateway_never_provisioned_stays_open(tmp_path: Path) -> None:
    async with running_gateway() as gateway:
        result = await provision_window(gateway, tmp_path / "admin.sock", "0")
    assert "the window is open until the gateway has reached the cloud once" in result.output


@pytest.mark.parametrize("minutes", ["-1", "61", "soon"])
def test_minutes_out_of_range_are_wrong_usage(minutes: str) -> None:
    assert CliRunner().invoke(main, ["provision-window", "--", minutes]).exit_code == 2
