"""Which processes there are, as the kernel tells it."""

from contextlib import suppress
from pathlib import Path


def processes_of_session(leader: int) -> list[str]:
    """The names of the processes that live in this session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[3]) == leader:
                found.append(name)
    return found


def children_of(parent: int) -> list[int]:
    """The processes that this one has started and that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found
