"""A library to preload into a child process, whose fsync and fdatasync fail with EIO while a certain file exists."""

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(void) {
    const char *file = getenv("FSYNC_FAILS_WHILE");
    return file && access(file, F_OK) == 0;
}
#define WRAP(name) int name(int fd) { \\
    int (*real)(int) = dlsym(RTLD_NEXT, #name); \\
    if (fails()) { errno = EIO; return -1; } \\
    return real(fd); }
WRAP(fsync)
WRAP(fdatasync)
"""


class FailingFsync:
    """`environ` is the child's; fsync fails in it from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        if (compiler := shutil.which("cc")) is None:
            pytest.skip("a library to preload needs a C compiler")
        library, source = folder / "failing_fsync.so", folder / "failing_fsync.c"
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self._switch = folder / "fsync-fails"
        self.environ = {"LD_PRELOAD": str(library), "FSYNC_FAILS_WHILE": str(self._switch)}

    def start(self) -> None:
        self._switch.touch()

    def stop(self) -> None:
        self._switch.unlink()
