"""The admin socket: calls are answered, malformed ones with the reason, and other users are kept out."""

import asyncio
import shutil
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from gatewayd.admin.client import call
from gatewayd.admin.server import AdminServer, Method
from gatewayd.admin.wire import MAX_LINE
from gatewayd.model.errors import GatewayError, UnknownDeviceError


class Greeting(msgspec.Struct):
    name: str = "nobody"


async def greet(params: Greeting) -> dict[str, str]:
    return {"said": f"你好 {params.name}"}


async def refuse(_params: Greeting) -> None:
    raise UnknownDeviceError("no device 00158d0002a00001 here")


async def break_down(_params: Greeting) -> object:
    return object()  # nothing that JSON knows


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "run" / "admin.sock"
    server = AdminServer(
        path,
        {"greet": Method(Greeting, greet), "refuse": Method(Greeting, refuse), "break": Method(Greeting, break_down)},
    )
    async with server.listening():
        yield path
    assert not path.exists()


async def test_call_is_answered(path: Path) -> None:
    assert await asyncio.to_thread(call, path, "greet", name="世界") == {"said": "你好 世界"}


async def test_refusal_reaches_the_caller_with_its_reason(path: Path) -> None:
    with pytest.raises(GatewayError, match="no device 00158d0002a00001 here"):
        await asyncio.to_thread(call, path, "refuse")


async def test_fault_of_a_method_is_reported_and_the_next_call_answered(path: Path) -> None:
    with pytest.raises(GatewayError, match="its log says why"):
        await asyncio.to_thread(call, path, "break")
    assert await asyncio.to_thread(call, path, "greet") == {"said": "你好 nobody"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello\n", "cannot be read"),
        (b'{"method": "sing"}\n', "unknown method 'sing'; there are: break, greet, refuse"),
        (b'{"method": "greet", "params": {"name": 7}}\n', r"Expected `str`, got `int` - at `\$.name`"),
        (b'{"method": "greet", "param": {}}\n', "unknown field `param`"),
        (b"[" * 3000 + b"\n", "cannot be read"),
        (b'{"method": "greet", "params": {"x": ' + b"[" * 3000 + b"}}\n", "recursion"),
        (b'{"method": "\xff"}\n', "utf-8"),
        (b'{"method": "greet", "params": {"name": "\xff"}}\n', "utf-8"),
    ],
)
async def test_malformed_call_is_refused_and_the_connection_stays_open(path: Path, line: bytes, reason: str) -> None:
    reader, writer = await asyncio.open_unix_connection(str(path))
    for _ in range(2):
        writer.write(line)
        answer = msgspec.json.decode(await reader.readline())
        with pytest.raises(GatewayError, match=reason):
            raise GatewayError(answer["error"])
    writer.close()
    await writer.wait_closed()


async def test_line_above_the_limit_ends_its_connection_and_no_other(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"x" * (MAX_LINE + 100_000))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    assert await asyncio.to_thread(call, path, "greet") == {"said": "你好 nobody"}


async def test_socket_is_open_to_owner_and_group_only(path: Path) -> None:
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o660


def test_call_without_a_daemon_fails_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no gatewayd listens there"):
        call(tmp_path / "admin.sock", "status")


async def test_socket_left_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with AdminServer(path, {"greet": Method(Greeting, greet)}).listening():
        assert await asyncio.to_thread(call, path, "greet") == {"said": "你好 nobody"}


async def test_socket_of_a_running_daemon_is_not_replaced(path: Path) -> None:
    with pytest.raises(GatewayError, match="another gatewayd listens"):
        async with AdminServer(path, {}).listening():
            pass
    assert await asyncio.to_thread(call, path, "greet") == {"said": "你好 nobody"}


async def test_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text("precious")
    with pytest.raises(GatewayError, match="no socket"):
        async with AdminServer(path, {}).listening():
            pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("place", ["x" * 120, "file/admin.sock"])
async def test_socket_that_cannot_be_created_is_reported_with_its_key(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GatewayError, match=r"cannot be made: .*; admin\.socket"):
        async with AdminServer(tmp_path / place, {}).listening():
            pass


async def until_answered(path: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(GatewayError):
                assert await asyncio.to_thread(call, path, "greet") == {"said": "你好 nobody"}
                return
            await asyncio.sleep(0.02)


async def test_socket_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "admin.sock"
    async with AdminServer(path, {"greet": Method(Greeting, greet)}, look_every_s=0.05).listening():
        reader, writer = await asyncio.open_unix_connection(str(path))
        for _ in range(2):
            path.unlink()
            await until_answered(path)
        shutil.rmtree(path.parent)
        await asyncio.sleep(0.3)
        assert not path.parent.exists()  # what is mounted there may come back
        path.parent.mkdir()
        await until_answered(path)
        assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o660
        writer.write(b'{"method": "greet"}\n')  # who was connected still is
        assert "你好" in (await reader.readline()).decode()
        writer.close()
    assert not path.exists()


async def test_file_that_took_the_sockets_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    async with AdminServer(path, {"greet": Method(Greeting, greet)}, look_every_s=0.05).listening():
        path.unlink()
        path.write_text("precious")
        await asyncio.sleep(0.3)
        assert path.read_text() == "precious"
        path.unlink()
        await until_answered(path)
        path.unlink()
        path.write_text("precious")
    assert path.read_text() == "precious"
