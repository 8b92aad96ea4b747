"""The folder of the files that the tests of one run make: data of servers, tapes, spools."""

import atexit
import os
import pathlib
import re
import shutil
import tempfile

# Tests make and remove some hundred thousand small files. ext4 does not reuse what was removed within minutes, and
# looks at each such place for every new file: a millisecond of processor time for one after a while, and half a second
# for a database. In memory it is some microseconds.
MEMORY = pathlib.Path("/dev/shm")
MEMORY_BYTES_MIN = 8 << 30
PREFIX = "tapeline-tests-"


def prepare():
    """Makes the folder, which ends with this process, and names it to all that this process starts: TMPDIR for
    whoever makes files, TAPELINE_TEST_RUN for what several processes of the run share. Who sets TMPDIR chooses
    the place."""
    place = MEMORY if "TMPDIR" not in os.environ and has_room(MEMORY) else pathlib.Path(tempfile.gettempdir())
    # Of runs that were killed.
    for old in place.glob(f"{PREFIX}*"):
        if not pathlib.Path(f"/proc/{old.name.removeprefix(PREFIX)}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = place / f"{PREFIX}{os.getpid()}"
    # PostgreSQL runs as another user, where the kernel has no user namespaces.
    folder.mkdir()
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = os.environ["TAPELINE_TEST_RUN"] = str(folder)
    print(f"the files of the tests are in {folder}", flush=True)


def has_room(folder):
    """Returns whether much fits there, in memory that is free, and programs can be started there."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    disk = os.statvfs(folder)
    available = re.search(r"MemAvailable: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    return (disk.f_bavail * disk.f_frsize >= MEMORY_BYTES_MIN and not disk.f_flag & os.ST_NOEXEC
            and bool(available) and int(available[1]) << 10 >= MEMORY_BYTES_MIN)
