"""What a run was made on, and what else this machine was doing at the time."""

import os
import pathlib
import platform
import subprocess
import time

# Cores that others keep busy. Above it a row is marked, and the page of the record is left as it is.
LOAD_MAX = 0.5
# What a benchmark waits for before it begins, and for how long at most.
LOAD_QUIET = 0.2
QUIET_SECONDS_MAX = 20
LOOK_SECONDS = 2


def describe(checkout):
    """The machine, the revision and the date, for people."""
    memory = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.split()[1]) / 2**20, 1),
        "kernel": platform.release(),
        "disk": disk(checkout),
        "revision": said([checkout / "deploy/local/revision.sh"], checkout),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load_average": os.getloadavg()[0],
    }


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def disk(folder):
    """The kind of file system, and how long one synced write of 4 KiB takes in the middle."""
    kind = said(["stat", "--file-system", "--format", "%T", folder], folder)
    return f"{kind}, a synced write of 4 KiB takes {synced_write_ms(folder):.2f} ms"


def synced_write_ms(folder, writes=50):
    path = folder / f".synced-write-{os.getpid()}"
    times = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(writes):
            start = time.monotonic()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times.append(1e3 * (time.monotonic() - start))
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(times)[writes // 2]


def said(command, folder):
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=30)
    return done.stdout.strip() or "unknown"


def busy_seconds():
    """Seconds of all cores in which something ran, since the machine started."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = (int(word) for word in words)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def load():
    """The cores that are busy now, while nothing of ours runs. The kernel's load average would still
    count the benchmark before."""
    before, start = busy_seconds(), time.monotonic()
    time.sleep(LOOK_SECONDS)
    return (busy_seconds() - before) / (time.monotonic() - start)


def load_before(patience=QUIET_SECONDS_MAX):
    """Waits for a quiet machine, not for ever. Returns the load with which the benchmark begins."""
    end = time.monotonic() + patience
    while True:
        present = load()
        if present <= LOAD_QUIET or time.monotonic() > end:
            return round(present, 2)
