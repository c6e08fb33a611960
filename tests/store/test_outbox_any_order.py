"""The outbox under any sequence of events: in order for each device, none lost, none doubled."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem, OutboxItem, RecordItem, RemovalItem, Route
from gatewayd.store.outbox import OutboxRow
from gatewayd.store.store import Store
from tests.common.store import Clock, Opener, message, notice

T = TypeVar("T")

DEVICES = [Uuid(f"00158d000000000{number}") for number in range(3)]
routes = st.sampled_from(list(Route))
devices = st.sampled_from(DEVICES)


class AnyOrder(RuleBasedStateMachine):
    """What was added (in order per device and route) against what the outbox gives."""

    taken_ids = Bundle("taken_ids")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.opener = Opener(Path(self.folder.name) / "gatewayd.db", Clock())
        self.number = 0
        self.added: dict[tuple[Route, Uuid], list[OutboxItem]] = {}
        """Without records, of which one stands for several."""
        self.in_flight: dict[int, OutboxRow] = {}
        self.changed: set[Uuid] = set()
        """Devices whose record has to be sent."""
        self.open()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    def open(self) -> None:
        self.opened: AbstractAsyncContextManager[Store] = self.opener(flush_interval_s=3600)
        self.store = self.run(self.opened.__aenter__())

    def close(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))

    def teardown(self) -> None:
        self.close()
        self.loop.close()
        self.folder.cleanup()

    @rule(uuid=devices, route=routes)
    def add_event(self, uuid: Uuid, route: Route) -> None:
        self.number += 1
        item = notice(str(self.number), uuid) if route is Route.MQTT else message(str(self.number), uuid)
        self.run(self.store.outbox.add(item))
        self.added.setdefault((route, uuid), []).append(item)

    @rule(uuid=devices)
    def add_record(self, uuid: Uuid) -> None:
        self.run(self.store.outbox.add(RecordItem(uuid=uuid)))
        self.changed.add(uuid)

    @rule(uuid=devices)
    def add_removal(self, uuid: Uuid) -> None:
        self.number += 1
        item = RemovalItem(uuid=uuid, id=self.number)
        self.run(self.store.outbox.add(item))
        self.added.setdefault((Route.REST, uuid), []).append(item)

    @rule(target=taken_ids, route=routes, limit=st.integers(1, 4))
    def take(self, route: Route, limit: int) -> Any:
        rows = self.run(self.take_ready(route, limit))
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        for row in rows:
            same_device = [other for other in self.in_flight.values() if other.item.uuid == row.item.uuid]
            earlier_takes = [other for other in same_device if other.item.route is route and other not in rows]
            # A connection of MQTT keeps the order of what is in flight; REST does not.
            assert route is Route.MQTT or all(other.id > row.id for other in earlier_takes), (
                "a later item while an earlier one is in flight"
            )
            assert row.id not in self.in_flight
            self.in_flight[row.id] = row
            if isinstance(row.item, RecordItem):
                self.changed.discard(row.item.uuid)
        return multiple(*(row.id for row in rows))

    async def take_ready(self, route: Route, limit: int) -> tuple[OutboxRow, ...]:
        """What may be sent now, perhaps nothing."""
        taking = asyncio.create_task(self.store.outbox.take(route, limit))
        await asyncio.sleep(0)
        await self.store.database.read(lambda raw: None)  # bodies are read on the same thread, before this
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not taking.done():
            taking.cancel()
            return ()
        return taking.result()

    @rule(id_=consumes(taken_ids))
    def deliver(self, id_: int) -> None:
        row = self.in_flight.pop(id_, None)
        self.run(self.store.outbox.done(id_))
        if row is not None and not isinstance(row.item, RecordItem):
            queue = self.added[row.item.route, row.item.uuid]
            assert queue[0] == row.item or row.item.route is Route.MQTT or isinstance(row.item, MessageItem)
            queue.remove(row.item)

    @rule(id_=consumes(taken_ids))
    def release(self, id_: int) -> None:
        self.note_not_sent(id_)
        self.store.outbox.release(id_)

    @rule(id_=consumes(taken_ids))
    def postpone_for_no_time(self, id_: int) -> None:
        self.note_not_sent(id_)
        self.run(self.postpone(id_))

    async def postpone(self, id_: int) -> None:
        self.store.outbox.postpone(id_, 0.0, "503")

    def note_not_sent(self, id_: int) -> None:
        row = self.in_flight.pop(id_, None)
        if row is not None and isinstance(row.item, RecordItem):
            self.changed.add(row.item.uuid)

    @rule()
    def restart(self) -> None:
        self.close()
        for id_ in tuple(self.in_flight):
            self.note_not_sent(id_)
        self.open()

    @invariant()
    def every_added_item_is_there_in_order_and_no_other(self) -> None:
        found: dict[tuple[Route, Uuid], list[OutboxItem]] = {}
        for row in self.run(self.store.outbox.rows(limit=1000)):
            if not isinstance(row.item, RecordItem):
                found.setdefault((row.item.route, row.item.uuid), []).append(row.item)
        assert found == {key: queue for key, queue in self.added.items() if queue}

    @invariant()
    def changed_device_has_one_waiting_record_unless_a_removal_stands_between(self) -> None:
        rows = self.run(self.store.outbox.rows(limit=1000))
        waiting: dict[Uuid, int] = {}
        for row in rows:
            if isinstance(row.item, RemovalItem):
                waiting.pop(row.item.uuid, None)
            elif isinstance(row.item, RecordItem) and row.id not in self.in_flight:
                waiting[row.item.uuid] = waiting.get(row.item.uuid, 0) + 1
        assert set(waiting.values()) <= {1}
        assert self.changed <= {row.item.uuid for row in rows if isinstance(row.item, RecordItem)}


AnyOrder.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
