"""Whoever gives and takes back what, in whatever order: the rules of §2.2 and §7 hold in the simulated cloud."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.cloud.calls import HttpCall, SaidError
from gatewayd.simulator.cloud.routes import found
from tests.common.simulated_cloud import LOCK

USERS = ("owner", "first", "second", "third")
PATH = "/api/iot/authorization/"

users = st.integers(0, len(USERS) - 1)
levels = st.integers(1, 7)


class Household(RuleBasedStateMachine):
    """One lock, its owner, three others."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = SimulatedCloud(now=lambda: datetime.now(UTC))
        self.ids = [self.cloud.register(user, "a-password") for user in USERS]
        self.tokens = [self.cloud.state.log_in(id_) for id_ in self.ids]
        self.lock = self.ask(0, "POST", "/api/iot/iot_manage_view/", LOCK)[1]["id"]

    def teardown(self) -> None:
        self.cloud.state.db.close()

    def ask(self, who: int, method: str, path: str, data: object = None) -> tuple[int, Any]:
        route, id_ = found(method, path)
        call = HttpCall(self.cloud.state, query={"limit": "100"}, body={"data": data}, id=id_, token=self.tokens[who])
        try:
            reply = route.handler(call)
        except SaidError as said:
            return said.code, None
        return reply.code, reply.msg.get("data")

    def given(self) -> list[dict[str, Any]]:
        """Every authorization on the lock, as its owner sees them."""
        return self.ask(0, "GET", PATH)[1]  # type: ignore[no-any-return]

    def level(self, who: int) -> int:
        if who == 0:
            return 7
        return next((int(one["perm"]) for one in self.given() if one["authorized_id"] == self.ids[who]), 1)

    @rule(giver=users, to=users, level=levels)
    def give(self, giver: int, to: int, level: int) -> None:
        before, own = self.given(), self.level(giver)
        code, made = self.ask(giver, "POST", PATH, {"info_id": self.lock, "authorized_id": self.ids[to], "perm": level})
        if made is None:
            assert self.given() == before
        else:
            assert code == 200018
            assert own >= 5
            assert level <= own

    @rule(who=users, which=st.integers(0, 5), level=levels)
    def change(self, who: int, which: int, level: int) -> None:
        for one in self.given()[which : which + 1]:
            code, _ = self.ask(who, "PUT", f"{PATH}{one['id']}/", {"perm": level})
            assert code == 400042 or (who == 0 or one["authorizer_id"] == self.ids[who])

    @rule(who=users, which=st.integers(0, 5))
    def take_back(self, who: int, which: int) -> None:
        for one in self.given()[which : which + 1]:
            code, _ = self.ask(who, "DELETE", f"{PATH}{one['id']}/")
            left = {other["authorizer_id"] for other in self.given()}
            assert code == 400042 or one["authorized_id"] not in left

    @invariant()
    def nobody_has_it_twice_or_from_the_third_hand(self) -> None:
        given = self.given()
        assert len({one["authorized_id"] for one in given}) == len(given)
        from_owner = {one["authorized_id"] for one in given if one["authorizer_id"] == self.ids[0]}
        assert all(one["authorizer_id"] in {self.ids[0], *from_owner} for one in given)

    @invariant()
    def everybody_sees_what_his_level_says(self) -> None:
        for who in range(len(USERS)):
            code, _ = self.ask(who, "GET", f"/api/iot/iot_manage_view/{self.lock}/")
            _, seen = self.ask(who, "GET", "/api/iot/iot_manage_view/")
            assert (code == 200012) == (self.level(who) >= 2)
            assert bool(seen) == (self.level(who) >= 2)


TestHousehold = Household.TestCase
TestHousehold.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
