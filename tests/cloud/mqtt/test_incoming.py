"""What the broker has sent and nobody has taken: bounded, and no user's flood costs another his requests."""

import asyncio

import pytest

from gatewayd.cloud.mqtt.incoming import IncomingMessages, ReceivedMqttMessage

KIB = 1 << 10


def message(user: str, number: int = 0, size: int = 0) -> ReceivedMqttMessage:
    return ReceivedMqttMessage(f"{user}/lock/x/control", f"{number}".encode().ljust(size), retained=False)


async def take_all(incoming: IncomingMessages) -> list[tuple[str, int]]:
    """User and number of each that waits, as they are taken."""
    taken: list[tuple[str, int]] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                one = await incoming.get()
        except TimeoutError:
            return taken
        taken.append((one.topic.partition("/")[0], int(one.payload)))


async def test_users_are_taken_in_turn_and_each_in_order() -> None:
    incoming = IncomingMessages()
    for user, number in [("guest", 1), ("guest", 2), ("guest", 3), ("owner", 1), ("owner", 2)]:
        incoming.put(message(user, number))
    assert await take_all(incoming) == [("guest", 1), ("owner", 1), ("guest", 2), ("owner", 2), ("guest", 3)]


@pytest.mark.parametrize(("size", "kept"), [(0, 4000), (64 * KIB, 60), (256 * KIB, 14)])
async def test_flood_of_a_guest_is_bounded_and_loses_nothing_of_the_owner(size: int, kept: int) -> None:
    incoming = IncomingMessages()
    incoming.put(message("owner", 1))
    for number in range(10_000):
        incoming.put(message("guest", number, size))
        if number == 9_000:
            incoming.put(message("owner", 2))
    taken = await take_all(incoming)
    of_guest = [number for user, number in taken if user == "guest"]
    assert taken[0] == ("owner", 1)
    assert taken[2] == ("owner", 2)
    assert of_guest == sorted(of_guest)
    assert of_guest[: kept - 1] == list(range(kept - 1))
    assert incoming.take_dropped() == {"guest": 10_000 - len(of_guest)}
    assert incoming.take_dropped() == {}


async def test_flood_of_many_made_up_users_keeps_the_bound() -> None:
    incoming = IncomingMessages()
    for number in range(10_000):
        incoming.put(message(f"user{number}", number))
    dropped = incoming.take_dropped().total()
    assert dropped + len(await take_all(incoming)) == 10_000
    assert dropped > 5_000


async def test_what_is_put_while_one_waits_is_taken() -> None:
    incoming = IncomingMessages()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(incoming.get())
        await asyncio.sleep(0)
        incoming.put(message("owner"))
    assert taking.result() == message("owner")
