"""Downloads of §2.12's files over real HTTP: whole, from a byte on, broken off, too large, from another host."""

import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import CloudUnavailableError, RefusedByCloudError
from gatewayd.model.errors import CloudError
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import PASSWORD, USER, connect_client
from tests.common.tls import private_ca

FIRMWARE = bytes(range(256)) * 1000
MAX_BYTES = 1 << 20


async def download_file(
    client: CloudClient, address: str, *, start: int = 0, max_bytes: int = MAX_BYTES, received: bytearray | None = None
) -> bytes:
    """The file from `start` on; `received` keeps the bytes even where the download breaks off."""
    content = bytearray() if received is None else received
    async with client.versions.download(address, start=start, max_bytes=max_bytes) as download:
        assert download.start == start
        async for chunk in download.chunks():
            content += chunk
    return bytes(content)


async def test_latest_version_is_found_by_number_and_its_file_downloaded(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    cloud.publish_version("1.10.0", FIRMWARE)
    cloud.publish_version("1.9.0", b"older")
    cloud.publish_version("2.0.0", b"of another kind", 4)
    latest = await client.versions.latest(2)
    assert latest.version == "1.10.0"
    content = await download_file(client, latest.filename)
    assert hashlib.sha256(content).hexdigest() == latest.checksum
    assert [one.version async for one in client.versions.list(device_type=2)] == ["1.10.0", "1.9.0"]
    assert [one.device_type async for one in client.versions.list(version="2.0.0")] == [4]
    with pytest.raises(RefusedByCloudError):
        await client.versions.latest(6)


async def test_download_continues_where_it_broke_off(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    cloud.faults.cut_within("/media/", at=100_000)
    received = bytearray()
    with pytest.raises(CloudUnavailableError, match="broken off"):
        await download_file(client, address, received=received)
    assert received == FIRMWARE[: len(received)]
    assert 0 < len(received) < len(FIRMWARE)
    assert bytes(received) + await download_file(client, address, start=len(received)) == FIRMWARE


async def test_token_refused_for_a_file_is_renewed_once(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    await client.log_in()
    cloud.faults.fail("/media/", status=401)
    assert await download_file(client, address) == FIRMWARE
    cloud.faults.fail("/media/", status=401, times=2)
    with pytest.raises(CloudError, match="HTTP 401 instead of a file"):
        await download_file(client, address)
    assert sum("login" in path for _, path, _ in cloud.requests) == 3


async def test_error_of_the_reader_is_not_changed_into_a_cloud_error(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    with pytest.raises(OSError, match="disk"):
        async with client.versions.download(address, max_bytes=MAX_BYTES):
            raise OSError("the disk is full")


async def test_start_beyond_the_end_is_an_error(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", b"short")
    with pytest.raises(CloudError, match="has no byte 5"):
        await download_file(client, address, start=5)


async def test_relative_address_is_downloaded(cloud: SimulatedCloud, client: CloudClient) -> None:
    cloud.add_file("固件 v1.bin", b"firmware")
    assert await download_file(client, "/media/version/固件 v1.bin") == b"firmware"


@pytest.mark.parametrize("address", ["/media/version/none.bin", "http://[", "ftp://127.0.0.1/x"])
async def test_unavailable_file_is_an_error(client: CloudClient, address: str) -> None:
    with pytest.raises(CloudError, match="GET"):
        await download_file(client, address)


async def test_file_over_the_bound_is_refused_with_and_without_known_size(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    with pytest.raises(CloudError, match=f"a file of {len(FIRMWARE)} bytes"):
        await download_file(client, address, max_bytes=1000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    async with other_host(endless) as address:
        with pytest.raises(CloudError, match=f"a file of over {MAX_BYTES} bytes"):
            await download_file(client, address)


async def test_host_without_ranges_begins_at_0(client: CloudClient) -> None:
    async def whole(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"firmware")

    async with (
        other_host(whole) as address,
        client.versions.download(address, start=4, max_bytes=MAX_BYTES) as download,
    ):
        assert download.start == 0
        assert b"".join([chunk async for chunk in download.chunks()]) == b"firmware"


@pytest.mark.parametrize("content_range", ["bytes 0-3/8", "bytes */8", "", "lines 4-8/8"])
async def test_wrong_range_is_refused(client: CloudClient, content_range: str) -> None:
    async def wrong(_: web.Request) -> web.StreamResponse:
        return web.Response(status=206, body=b"ware", headers={"Content-Range": content_range})

    async with other_host(wrong) as address:
        with pytest.raises(CloudError, match="asked from byte 4"):
            await download_file(client, address, start=4)


async def test_token_is_not_sent_to_another_host(cloud: SimulatedCloud, client: CloudClient) -> None:
    tokens: list[str | None] = []

    async def record_token(request: web.Request) -> web.StreamResponse:
        tokens.append(request.headers.get("Authorization"))
        return web.Response(body=b"firmware")

    async with other_host(record_token) as address:
        assert await download_file(client, address) == b"firmware"
        assert tokens == [None]
        own = cloud.publish_version("1.0.0", FIRMWARE)
        cloud.faults.redirect("/media/", address)
        with pytest.raises(CloudError, match="HTTP 302 instead of a file"):
            await download_file(client, own)
        assert tokens == [None]


async def test_cloud_over_tls_offers_no_files_without_tls(tmp_path: Path) -> None:
    ca, server = private_ca(tmp_path)
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve(tls=server) as cloud:
        cloud.register(USER, PASSWORD)
        own = cloud.publish_version("1.0.0", FIRMWARE)
        async with connect_client(cloud, tls=ssl.create_default_context(cafile=ca)) as client:
            assert await download_file(client, own) == FIRMWARE
            with pytest.raises(CloudError, match="not over TLS"):
                await download_file(client, own.replace("https:", "http:"))


@asynccontextmanager
async def other_host(handler: Callable[[web.Request], object]) -> AsyncIterator[str]:
    """Another host; the address of its only file."""
    app = web.Application()
    app.router.add_get("/file.bin", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/file.bin"
    finally:
        await runner.cleanup()
