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
