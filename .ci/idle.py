"""Says when the processors have time to spare: `run-tests.py` then begins one process more, up to twice as many."""

import time

IDLE_SHARE = 0.3
"""Of the last second."""


class Idle:
    """Whether the processors had time to spare in the last second. It says so once a second at most, because what
    begins then is not seen before."""

    def __init__(self):
        self.read = time.monotonic(), self.ticks()

    @staticmethod
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            counts = [int(word) for word in file.readline().split()[1:9]]
        return sum(counts), counts[3] + counts[4]

    def is_free(self):
        (then, (all_then, idle_then)), now = self.read, time.monotonic()
        if now - then < 1:
            return False
        total, idle = self.ticks()
        self.read = now, (total, idle)
        return idle - idle_then > IDLE_SHARE * (total - all_then)
