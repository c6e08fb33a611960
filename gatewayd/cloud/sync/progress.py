"""How far a sync run has come, section by section, for the console."""

from dataclasses import dataclass, field
from enum import StrEnum


class StepState(StrEnum):
    """The state of one section in a run."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class SyncStep:
    """One section of the cloud. `received`: objects that the cloud listed; `changed`: those that changed here."""

    name: str
    received: int = 0
    changed: int = 0
    state: StepState = StepState.WAITING
    error: str | None = None
    got_no_answer: bool = False


@dataclass(slots=True)
class SyncProgress:
    """One run. `number` counts the runs since the daemon started; 0: there was none yet."""

    number: int = 0
    running: bool = False
    steps: list[SyncStep] = field(default_factory=list)

    @property
    def any_done(self) -> bool:
        """True where a section succeeded: the cloud was reachable."""
        return any(step.state is StepState.DONE for step in self.steps)

    @property
    def any_failed(self) -> bool:
        """True where a section failed."""
        return any(step.state is StepState.FAILED for step in self.steps)
