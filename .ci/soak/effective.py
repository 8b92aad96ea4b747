"""What people do to trades while everything fails, and whether the sizes of the trades that count are the volume of
the bars, for every symbol, owner and window."""

import collections
import random
import threading
from typing import Any

from stack import NAMESPACE, Failure, Stack, say

MARKET = f"{NAMESPACE}_market"
COMPARED = f"""
WITH series (series, width) AS (
    SELECT DISTINCT series, close_time_ns - open_time_ns FROM {NAMESPACE}.bars WHERE number = 0
), told AS (
    SELECT t.symbol, t.owner, s.series, t.event_time_ns - t.event_time_ns %% s.width AS start, s.width,
        sum(t.size) AS told, bool_or(t.is_backfilled) AS is_backfilled, bool_or(t.is_corrected) AS is_corrected
    FROM {MARKET}.trades_effective t CROSS JOIN series s
    GROUP BY 1, 2, 3, 4, 5
), made AS (
    SELECT symbol, source AS owner, series, open_time_ns AS start, close_time_ns - open_time_ns AS width,
        sum(volume) AS made, bool_or(reason <> 'closed') AS is_revised
    FROM {NAMESPACE}.bars WHERE number = 0 AND NOT withdrawn GROUP BY 1, 2, 3, 4, 5
), late AS (
    SELECT DISTINCT symbol, series, open_time_ns AS start FROM {NAMESPACE}.late_ticks WHERE kind = 'trade'
)
SELECT symbol, owner, series, start, told, made, coalesce(is_corrected, false), coalesce(is_revised, false),
    late.start IS NOT NULL OR coalesce(is_backfilled, false) AS is_late
FROM told FULL JOIN made USING (symbol, owner, series, start, width)
LEFT JOIN late USING (symbol, series, start)
WHERE start + width <= %s
"""


class People(threading.Thread):
    """Cancels, corrects and restores trades, also those that the provider or a person has changed before."""

    def __init__(self, stack: Stack, source: str) -> None:
        super().__init__(daemon=True)
        self.stack, self.source, self.random = stack, source, random.Random(stack.seed + 11)
        self.done: collections.Counter[str] = collections.Counter()
        self.refused = 0
        # What was done last to a trade.
        self.last: dict[str, str] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(self.random.uniform(0.5, 2)):
            try:
                self.change()
            except Failure:
                # Something has failed just now.
                self.refused += 1

    def change(self) -> None:
        changed = sorted(self.last)
        if changed and self.random.random() < 0.5:
            address = self.random.choice(changed)
        else:
            found = self.stack.query(
                f"SELECT tick_id FROM {MARKET}.trades WHERE source = '{self.source}' AND action = 'new'"
                " AND receive_time > now() - interval '40 s' ORDER BY random() LIMIT 1").splitlines()
            if not found:
                return
            address = found[0]
        before = self.last.get(address, "")
        word = self.random.choice(("cancel", "correct", "restore") if before else ("cancel", "correct"))
        # A change says the same again, or there is nothing to take back.
        if word == "restore" and before == "restore" or word == "cancel" and before == "cancel":
            return
        more = ("--price", f"{self.random.randrange(1, 99)}.5", "--size", f"{self.random.randrange(1, 900)}")
        done = self.stack.tool(
            "trade", word, address, *(more if word == "correct" else ()), "--note", "soak", "--yes", check=False)
        if done.returncode:
            self.refused += 1
            return
        self.last[address] = word
        self.done[" of a ".join(filter(None, (word, before)))] += 1

    def end(self) -> None:
        self.ended.set()
        self.join()
        say(f"people made {sum(self.done.values())} changes ({self.refused} were refused): " + ", ".join(
            f"{count} {what}" for what, count in sorted(self.done.items())))


def compare(session: Any, end: float) -> list[str]:
    """Compares the effective trades with the bars up to a time. Returns what is wrong."""
    equal: collections.Counter[str] = collections.Counter()
    count: collections.Counter[str] = collections.Counter()
    wrong = []
    for symbol, owner, series, start, told, made, is_corrected, is_revised, is_late in session.execute(
        COMPARED, [int(end * 1e9)]
    ):
        if is_late:
            count["with late or filled trades, which are in a bar only after a repair"] += 1
        elif told == made or not told and not made:
            equal[f"{owner} {series}"] += 1
            count["with a corrected trade"] += is_corrected
            count["in a later version"] += is_revised
        else:
            wrong.append(f"{symbol} of {owner}, {series} at {start}: trades {told}, bar {made}")
    say(f"sizes of effective trades are the volume of {sum(equal.values())} bars, and not of {len(wrong)}: "
        + ", ".join(f"{number} of {name}" for name, number in sorted(equal.items())) + "; "
        + ", ".join(f"{number} {what}" for what, number in sorted(count.items())))
    if not equal or not count["in a later version"]:
        wrong.append("no bar of effective trades in a later version was compared")
    return wrong[:5]
