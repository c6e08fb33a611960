"""The rules of §2.2 and §7 hold in the simulated cloud for every sequence of authorizations and deletions."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.cloud.calls import FORBIDDEN, HttpCall, StatusError
from gatewayd.simulator.cloud.routes import find_route
from tests.common.simulated_cloud import LOCK

USERS = ("owner", "first", "second", "third")
PATH = "/api/iot/authorization/"
FOUND, CREATED = 200012, 200018

users = st.integers(0, len(USERS) - 1)
levels = st.integers(1, 7)


class Authorizations(RuleBasedStateMachine):
    """A lock, its owner, and three other users; users are numbers into USERS."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = SimulatedCloud(now=lambda: datetime.now(UTC))
        self.ids = [self.cloud.register(user, "a-password") for user in USERS]
        self.tokens = [self.cloud.state.log_in(id_) for id_ in self.ids]
        self.lock = self.request(0, "POST", "/api/iot/iot_manage_view/", LOCK)[1]["id"]

    def teardown(self) -> None:
        self.cloud.state.db.close()

    def request(self, user: int, method: str, path: str, data: object = None) -> tuple[int, Any]:
        route, id_ = find_route(method, path)
        call = HttpCall(self.cloud.state, query={"limit": "100"}, body={"data": data}, id=id_, token=self.tokens[user])
        try:
            reply = route.handler(call)
        except StatusError as error:
            return error.code, None
        return reply.code, reply.msg.get("data")

    def authorizations(self) -> list[dict[str, Any]]:
        """Every authorization on the lock, as its owner gets them."""
        return self.request(0, "GET", PATH)[1]  # type: ignore[no-any-return]

    def level(self, user: int) -> int:
        """The user's permission on the lock."""
        if user == 0:
            return 7
        return next((int(one["perm"]) for one in self.authorizations() if one["authorized_id"] == self.ids[user]), 1)

    @rule(giver=users, to=users, level=levels)
    def give(self, giver: int, to: int, level: int) -> None:
        before, own = self.authorizations(), self.level(giver)
        code, created = self.request(
            giver, "POST", PATH, {"info_id": self.lock, "authorized_id": self.ids[to], "perm": level}
        )
        if created is None:
            assert self.authorizations() == before
        else:
            assert code == CREATED
            assert own >= Permission.AUTHORIZE
            assert level <= own

    @rule(user=users, which=st.integers(0, 5), level=levels)
    def change(self, user: int, which: int, level: int) -> None:
        for one in self.authorizations()[which : which + 1]:
            code, _ = self.request(user, "PUT", f"{PATH}{one['id']}/", {"perm": level})
            assert code == FORBIDDEN or user == 0 or one["authorizer_id"] == self.ids[user]

    @rule(user=users, which=st.integers(0, 5))
    def delete(self, user: int, which: int) -> None:
        for one in self.authorizations()[which : which + 1]:
            code, _ = self.request(user, "DELETE", f"{PATH}{one['id']}/")
            givers = {other["authorizer_id"] for other in self.authorizations()}
            assert code == FORBIDDEN or one["authorized_id"] not in givers

    @invariant()
    def user_has_one_authorization_by_owner_or_by_user_of_owner(self) -> None:
        authorizations = self.authorizations()
        assert len({one["authorized_id"] for one in authorizations}) == len(authorizations)
        from_owner = {one["authorized_id"] for one in authorizations if one["authorizer_id"] == self.ids[0]}
        assert all(one["authorizer_id"] in {self.ids[0], *from_owner} for one in authorizations)

    @invariant()
    def user_may_query_lock_from_level_2(self) -> None:
        for user in range(len(USERS)):
            code, _ = self.request(user, "GET", f"/api/iot/iot_manage_view/{self.lock}/")
            _, listed = self.request(user, "GET", "/api/iot/iot_manage_view/")
            assert (code == FOUND) == (self.level(user) >= Permission.QUERY)
            assert bool(listed) == (self.level(user) >= Permission.QUERY)


TestAuthorizations = Authorizations.TestCase
TestAuthorizations.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
