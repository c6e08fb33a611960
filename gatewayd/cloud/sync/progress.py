"""How far a sync has come, step by step, for people who watch it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SyncStep:
    """One section of the cloud. `seen` and `changed` count what it has and what was new in it."""

    name: str
    seen: int = 0
    changed: int = 0
    state: str = "waiting"  # waiting, running, done, failed
    error: str | None = None
    unanswered: bool = False


@dataclass(slots=True)
class SyncProgress:
    """One run. `number` counts the runs since the daemon started; 0: none yet."""

    number: int = 0
    running: bool = False
    steps: list[SyncStep] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        """True where the cloud was there: some step of it went well."""
        return any(step.state == "done" for step in self.steps)

    @property
    def failed(self) -> bool:
        """True where some step of it failed."""
        return any(step.state == "failed" for step in self.steps)
