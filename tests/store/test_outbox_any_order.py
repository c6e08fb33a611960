"""The outbox under any sequence of events: in order for each device, nothing lost, nothing doubled."""

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
from gatewayd.model.outbox_items import MessageItem, OutboxItem, RecordItem, RemovalItem
from gatewayd.store.outbox import OutboxRow, Route
from gatewayd.store.store import Store
from tests.common.store import Clock, Opener, message, notice

T = TypeVar("T")

DEVICES = [Uuid(f"00158d000000000{number}") for number in range(3)]
lanes = st.sampled_from(list(Route))
devices = st.sampled_from(DEVICES)


class AnyOrder(RuleBasedStateMachine):
    """What was promised (words that may be sent once each, in order a device) against what the outbox gives."""

    flying = Bundle("flying")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.opener = Opener(Path(self.folder.name) / "gatewayd.db", Clock())
        self.number = 0
        self.promised: dict[tuple[Route, Uuid], list[OutboxItem]] = {}
        self.in_flight: dict[int, OutboxRow] = {}
        self.behind: set[Uuid] = set()
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

    @rule(uuid=devices, lane=lanes)
    def something_happens(self, uuid: Uuid, lane: Route) -> None:
        self.number += 1
        due = notice(str(self.number), uuid) if lane is Route.MQTT else message(str(self.number), uuid)
        self.run(self.store.outbox.add(due))
        self.promised.setdefault((lane, uuid), []).append(due)

    @rule(uuid=devices)
    def a_record_changes(self, uuid: Uuid) -> None:
        self.run(self.store.outbox.add(RecordItem(uuid=uuid)))
        self.behind.add(uuid)

    @rule(uuid=devices)
    def a_device_is_removed(self, uuid: Uuid) -> None:
        self.number += 1
        due = RemovalItem(uuid=uuid, id=self.number)
        self.run(self.store.outbox.add(due))
        self.promised.setdefault((Route.REST, uuid), []).append(due)

    @rule(target=flying, lane=lanes, limit=st.integers(1, 4))
    def some_are_taken(self, lane: Route, limit: int) -> Any:
        rows = self.run(self.taken(lane, limit))
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        for row in rows:
            same_device = [other for other in self.in_flight.values() if other.due.uuid == row.due.uuid]
            same_lane = [other for other in same_device if other.lane is lane and other not in rows]
            assert all(other.id > row.id for other in same_lane), "a later row while an earlier one is in flight"
            assert row.id not in self.in_flight
            self.in_flight[row.id] = row
            if isinstance(row.due, RecordItem):
                self.behind.discard(row.due.uuid)
        return multiple(*(row.id for row in rows))

    async def taken(self, lane: Route, limit: int) -> tuple[OutboxRow, ...]:
        """What may go now, perhaps nothing."""
        taking = asyncio.create_task(self.store.outbox.take(lane, limit))
        await asyncio.sleep(0)
        await self.store._database.read(lambda raw: None)  # bodies are read on the same thread, before this
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not taking.done():
            taking.cancel()
            return ()
        return taking.result()

    @rule(id_=consumes(flying))
    def the_cloud_takes_one(self, id_: int) -> None:
        row = self.in_flight.pop(id_, None)
        self.run(self.store.outbox.done(id_))
        if row is not None and not isinstance(row.due, RecordItem):
            queue = self.promised[row.lane, row.due.uuid]
            assert queue[0] == row.due or row.lane is Route.MQTT or isinstance(row.due, MessageItem)
            queue.remove(row.due)

    @rule(id_=consumes(flying))
    def the_line_breaks(self, id_: int) -> None:
        self.goes_back(id_)
        self.store.outbox.release(id_)

    @rule(id_=consumes(flying))
    def one_is_put_off_for_no_time(self, id_: int) -> None:
        self.goes_back(id_)
        self.run(self.store.outbox.postpone(id_, "503", self.opener.clock()))

    def goes_back(self, id_: int) -> None:
        row = self.in_flight.pop(id_, None)
        if row is not None and isinstance(row.due, RecordItem):
            self.behind.add(row.due.uuid)

    @rule()
    def the_gateway_restarts(self) -> None:
        self.close()
        for id_ in tuple(self.in_flight):
            self.goes_back(id_)
        self.open()

    @invariant()
    def what_was_promised_is_there_in_order_and_nothing_else(self) -> None:
        found: dict[tuple[Route, Uuid], list[OutboxItem]] = {}
        for row in self.run(self.store.outbox.rows(limit=1000)):
            if not isinstance(row.due, RecordItem):
                found.setdefault((row.lane, row.due.uuid), []).append(row.due)
        assert found == {key: queue for key, queue in self.promised.items() if queue}

    @invariant()
    def a_device_that_changed_waits_to_be_told_once_unless_a_removal_stands_between(self) -> None:
        waiting: dict[Uuid, int] = {}
        for row in self.run(self.store.outbox.rows(limit=1000)):
            if isinstance(row.due, RemovalItem):
                waiting.pop(row.due.uuid, None)
            elif isinstance(row.due, RecordItem) and row.id not in self.in_flight:
                waiting[row.due.uuid] = waiting.get(row.due.uuid, 0) + 1
        assert set(waiting.values()) <= {1}
        told = {row.due.uuid for row in self.run(self.store.outbox.rows(limit=1000)) if isinstance(row.due, RecordItem)}
        assert self.behind <= told


AnyOrder.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
