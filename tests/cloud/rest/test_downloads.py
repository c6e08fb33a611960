"""§2.12's files, over real HTTP: whole, from a byte on, broken off, too large, at another host."""

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
from tests.common.rest import PASSWORD, USER, connected
from tests.common.tls import authority

FIRMWARE = bytes(range(256)) * 1000
PLENTY = 1 << 20


async def fetched(
    client: CloudClient, address: str, *, start: int = 0, at_most: int = PLENTY, into: bytearray | None = None
) -> bytes:
    """The file from `start` on; `into` has what came, even where it breaks off."""
    got = bytearray() if into is None else into
    async with client.versions.download(address, start=start, at_most=at_most) as download:
        assert download.start == start
        async for chunk in download.chunks():
            got += chunk
    return bytes(got)


async def test_the_newest_version_is_found_by_its_number_and_its_file_is_what_was_published(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    cloud.publish_version("1.10.0", FIRMWARE)
    cloud.publish_version("1.9.0", b"older")
    cloud.publish_version("2.0.0", b"of another kind", 4)
    latest = await client.versions.latest(2)
    assert latest.version == "1.10.0"
    content = await fetched(client, latest.filename)
    assert hashlib.sha256(content).hexdigest() == latest.checksum
    assert [one.version async for one in client.versions.list(device_type=2)] == ["1.10.0", "1.9.0"]
    assert [one.device_type async for one in client.versions.list(version="2.0.0")] == [4]
    with pytest.raises(RefusedByCloudError):
        await client.versions.latest(6)


async def test_a_download_goes_on_where_it_broke_off(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    cloud.faults.cut_within("/media/", at=100_000)
    got = bytearray()
    with pytest.raises(CloudUnavailableError, match="broken off"):
        await fetched(client, address, into=got)
    assert got == FIRMWARE[: len(got)]
    assert 0 < len(got) < len(FIRMWARE)
    assert bytes(got) + await fetched(client, address, start=len(got)) == FIRMWARE


async def test_a_token_that_is_refused_for_a_file_is_renewed_once(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    await client.log_in()
    cloud.faults.fail("/media/", status=401)
    assert await fetched(client, address) == FIRMWARE
    cloud.faults.fail("/media/", status=401, times=2)
    with pytest.raises(CloudError, match="HTTP 401 instead of a file"):
        await fetched(client, address)
    assert sum("login" in path for _, path, _ in cloud.requests) == 3


async def test_what_the_reader_raises_is_no_fault_of_the_clouds(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    with pytest.raises(OSError, match="disk"):
        async with client.versions.download(address, at_most=PLENTY):
            raise OSError("the disk is full")


async def test_a_start_after_the_end_is_said_so(cloud: SimulatedCloud, client: CloudClient) -> None:
    address = cloud.publish_version("1.0.0", b"short")
    with pytest.raises(CloudError, match="has no byte 5"):
        await fetched(client, address, start=5)


async def test_an_address_may_be_relative(cloud: SimulatedCloud, client: CloudClient) -> None:
    cloud.add_file("固件 v1.bin", b"firmware")
    assert await fetched(client, "/media/version/固件 v1.bin") == b"firmware"


@pytest.mark.parametrize("address", ["/media/version/none.bin", "http://[", "ftp://127.0.0.1/x"])
async def test_a_file_that_cannot_be_had_is_an_error(client: CloudClient, address: str) -> None:
    with pytest.raises(CloudError, match="GET"):
        await fetched(client, address)


async def test_a_file_over_the_bound_is_refused_whether_its_host_says_how_long_it_is_or_not(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    address = cloud.publish_version("1.0.0", FIRMWARE)
    with pytest.raises(CloudError, match=f"a file of {len(FIRMWARE)} bytes"):
        await fetched(client, address, at_most=1000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    async with host(endless) as address:
        with pytest.raises(CloudError, match=f"a file of over {PLENTY} bytes"):
            await fetched(client, address)


async def test_a_host_that_knows_no_ranges_begins_at_the_beginning_and_it_shows(client: CloudClient) -> None:
    async def whole(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"firmware")

    async with host(whole) as address, client.versions.download(address, start=4, at_most=PLENTY) as download:
        assert download.start == 0
        assert b"".join([chunk async for chunk in download.chunks()]) == b"firmware"


@pytest.mark.parametrize("said", ["bytes 0-3/8", "bytes */8", "", "lines 4-8/8"])
async def test_another_range_than_was_asked_for_is_refused(client: CloudClient, said: str) -> None:
    async def wrong(_: web.Request) -> web.StreamResponse:
        return web.Response(status=206, body=b"ware", headers={"Content-Range": said})

    async with host(wrong) as address:
        with pytest.raises(CloudError, match="asked from byte 4"):
            await fetched(client, address, start=4)


async def test_the_token_does_not_go_to_another_host_nor_after_a_redirect(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    heard: list[str | None] = []

    async def curious(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization"))
        return web.Response(body=b"firmware")

    async with host(curious) as address:
        assert await fetched(client, address) == b"firmware"
        assert heard == [None]
        own = cloud.publish_version("1.0.0", FIRMWARE)
        cloud.faults.redirect("/media/", address)
        with pytest.raises(CloudError, match="HTTP 302 instead of a file"):
            await fetched(client, own)
        assert heard == [None]


async def test_a_cloud_over_tls_has_no_files_without(tmp_path: Path) -> None:
    ca, server = authority(tmp_path)
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve(tls=server) as cloud:
        cloud.register(USER, PASSWORD)
        own = cloud.publish_version("1.0.0", FIRMWARE)
        async with connected(cloud, tls=ssl.create_default_context(cafile=ca)) as client:
            assert await fetched(client, own) == FIRMWARE
            with pytest.raises(CloudError, match="not over TLS"):
                await fetched(client, own.replace("https:", "http:"))


@asynccontextmanager
async def host(handler: Callable[[web.Request], object]) -> AsyncIterator[str]:
    """Another host; the address of its one file."""
    app = web.Application()
    app.router.add_get("/file.bin", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/file.bin"
    finally:
        await runner.cleanup()
