"""What became of each trade of a service that numbers nothing, and of those that it changed: by the service's own
logs, SQL and nothing else. It shares no code with the product."""

import collections
import datetime
import json
import pathlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from verdict import Findings, Gap, StoredGaps

# The parts of `provider_id`, as docs/alpaca.md describes them.
ID_BITS, DAY_BITS = 46, 12
# The exchange whose trades may share an id, and the bits of the id itself.
SHARED, SHARED_ID_BITS = "D", 30
DAY = 86_400 * 10**9
DAY_BEGIN = 5 * 3_600 * 10**9
NEW, CORRECTION, CANCEL = 0, 1, 2
# Trades of one symbol: their exchange, their day, and the service's id, which two of them may have.
Key = tuple[str, str, int, int]
# One of them: also its time, its price and its size.
One = tuple[Key, int, Decimal, Decimal]


def nanoseconds(text: str) -> int:
    whole, _, rest = text.rstrip("Z").partition(".")
    second = datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp()
    return int(second) * 10**9 + int(rest.ljust(9, "0") or 0)


def day(time: int) -> int:
    return (time - DAY_BEGIN) // DAY % (1 << DAY_BITS)


@dataclass(frozen=True)
class Happened:
    """A trade as the service has it, and when it reported it; times are in nanoseconds."""

    time: int
    reported: int
    price: Decimal
    size: Decimal

    def of(self, key: Key) -> One:
        return key, self.time, self.price, self.size


class Market:
    """All trades that the service wrote down, sent or not, and those that it has sent; and their changes."""

    def __init__(self, markets: list[pathlib.Path], truths: list[pathlib.Path]) -> None:
        self.trades: dict[One, Happened] = {}
        self.sent: set[One] = set()
        # The actions that were sent, by the id that they name.
        self.changes: dict[Key, set[int]] = collections.defaultdict(set)
        # Those that happened, sent or not.
        self.known: dict[Key, set[int]] = collections.defaultdict(set)
        self.pauses = self.pauses_of(markets)
        self.read(markets, truths)
        # The times of the trades of each key.
        self.times: dict[Key, set[int]] = collections.defaultdict(set)
        for key, time, _, _ in self.trades:
            self.times[key].add(time)

    def read(self, markets: list[pathlib.Path], truths: list[pathlib.Path]) -> None:
        for entry in self.lines(markets):
            if entry["kind"] == "trade" and "/v2/sip" in entry["endpoints"]:
                self.note(entry["message"], entry["time"])
            self.note_change(entry, self.known)
        for entry in self.lines(truths):
            if entry["kind"] == "trade":
                self.sent.add(self.happened(entry["message"], 0)[0])
            self.note_change(entry, self.changes)

    def note_change(self, entry: dict[str, Any], changes: dict[Key, set[int]]) -> None:
        if entry["kind"] in ("correction", "cancel"):
            message, is_cancel = entry["message"], entry["kind"] == "cancel"
            key = self.key(message, message["i" if is_cancel else "oi"], nanoseconds(message["t"]))
            changes[key].add(CANCEL if is_cancel else CORRECTION)

    def was_away(self, time: int) -> bool:
        """Whether the service wrote no log at that time."""
        return any(end <= time <= begin for end, begin in self.pauses)

    def pauses_of(self, paths: list[pathlib.Path]) -> list[tuple[int, int]]:
        """When each log ended, and when the next one began."""
        times = [[entry["time"] for entry in self.lines([path])] for path in paths]
        written = [each for each in times if each]
        return [(before[-1], after[0]) for before, after in zip(written, written[1:], strict=False)]

    def note(self, message: dict[str, Any], reported: int) -> None:
        one, trade = self.happened(message, reported)
        self.trades[one] = trade

    def happened(self, message: dict[str, Any], reported: int) -> tuple[One, Happened]:
        time = nanoseconds(message["t"])
        trade = Happened(time, reported, Decimal(message["p"]), Decimal(message["s"]))
        return trade.of(self.key(message, message["i"], time)), trade

    @staticmethod
    def key(message: dict[str, Any], number: int, time: int) -> Key:
        return message["S"], message["x"], day(time), number

    @staticmethod
    def lines(paths: list[pathlib.Path]) -> Any:
        for path in paths:
            with path.open() as file:
                for line in file:
                    yield json.loads(line, parse_float=Decimal)


class Stored(StoredGaps):
    """The rows of one source, and what its gaps say, in one snapshot of the database."""

    def __init__(self, session: Any, namespace: str, source: str) -> None:
        super().__init__(session, namespace, source)
        # Symbol, number, time, price, size, exchange, action, in the order of the tape.
        self.rows = session.execute(
            "SELECT symbol, provider_id::bigint, event_time_ns, price, size, exchange, action"
            f" FROM {namespace}.trades WHERE source = %s ORDER BY partition, ordinal", [source]).fetchall()
        # There may be many of both, so a trade is compared with those of its symbol alone.
        # A gap that waits to be filled explains what is missing, too.
        waiting = [gap for gap in self.shown if gap.detail in ("open", "filling")]
        self.log, self.seen = by_symbol(self.gaps + waiting), by_symbol(self.shown)
        self.fetched = by_symbol(self.filled)
        self.busts = int(session.execute(
            f"SELECT count(*) FROM {namespace}.bars WHERE reason = 'bust'").fetchone()[0])


def by_symbol(gaps: list[Gap]) -> dict[str | None, list[Gap]]:
    found: dict[str | None, list[Gap]] = collections.defaultdict(list)
    for gap in gaps:
        found[gap.symbol].append(gap)
    return found


class Verdict(Findings):
    """Compares what is stored with what happened, up to a time in nanoseconds."""

    # The service sends changes, so there have to be some, and bars with them.
    has_changes = True

    def __init__(self, market: Market, stored: Stored, end: int) -> None:
        super().__init__(stored)
        self.market, self.stored, self.end = market, stored, end
        self.there: set[One] = set()
        self.keys: set[Key] = set()
        # The reports that are compared of each symbol: from its first trade with a row on.
        self.first: dict[str, int] = {}
        for row in stored.rows:
            if row[6] == NEW:
                self.compare(*row)
        for row in stored.rows:
            if row[6] != NEW:
                self.change(*row)
        self.explain()
        if self.has_changes and not self.count["changes"]:
            self.note("changes", "no trade was changed")
        if self.has_changes and not stored.busts:
            self.note("versions", "no bar has a version because of a change")

    @staticmethod
    def key(symbol: str, number: int, exchange: str) -> Key:
        days = number >> ID_BITS & (1 << DAY_BITS) - 1
        return symbol, exchange, days, number & (1 << (SHARED_ID_BITS if exchange == SHARED else ID_BITS)) - 1

    def compare(self, symbol: str, number: int, time: int, price: Decimal, size: Decimal, exchange: str,
                action: int) -> None:
        """Each row is a trade that was sent, once, with its values; or given on request, in a gap that was
        filled."""
        self.count["rows"] += 1
        key = self.key(symbol, number, exchange)
        if number >> (ID_BITS + DAY_BITS) != ord(exchange) - ord("A"):
            self.note("number", f"{key}: the number {number} names another exchange")
        one = (key, time, price, size)
        if one in self.there:
            self.note("twice", f"{one} has two rows")
        self.there.add(one)
        self.keys.add(key)
        if one in self.market.sent and one in self.market.trades:
            reported = self.market.trades[one].reported
            self.first[symbol] = min(self.first.get(symbol, reported), reported)
        elif self.was_given(one, symbol):
            self.count["given on request"] += 1
        elif key in self.market.times:
            self.note("changed", f"{key} at {time} is {price} x {size}, which was not sent")
        else:
            self.note("invented", f"{key} was not sent")

    def was_given(self, one: One, symbol: str) -> bool:
        """Whether the trade happened in a gap that was filled; or may have, while the service was away and
        wrote no log."""
        time = one[1]
        if not any(gap.holds((time, time)) for gap in self.stored.fetched[symbol]):
            return False
        return one in self.market.trades or self.market.was_away(time)

    def change(self, symbol: str, number: int, time: int, price: Decimal, size: Decimal, exchange: str,
               action: int) -> None:
        """Each change was sent, and has the time of its trade where that is stored in the same life of the
        gateway."""
        self.count["changes"] += 1
        key = self.key(symbol, number, exchange)
        if action in self.market.known.get(key, set()) - self.market.changes.get(key, set()):
            self.count["changes given on request"] += 1
        elif action not in self.market.changes.get(key, set()):
            self.note("invented change", f"{key}: {action} was not sent")
        if key not in self.keys:
            self.count["changes of trades that are not there"] += 1
        elif time not in self.market.times[key]:
            self.count["changes without the time of their trade"] += 1

    def explain(self) -> None:
        """Each missing trade lies within a gap: in the log, and as a person sees it. One that was reported
        late may be from before."""
        for one, trade in self.market.trades.items():
            key = one[0]
            symbol = key[0]
            if not self.first.get(symbol, self.end) <= trade.reported <= self.end or one in self.there:
                continue
            self.count["missing"] += 1
            for gaps, what in ((self.stored.log, "gap"), (self.stored.seen, "row of open_gaps")):
                if any(gap.holds((trade.time, trade.time)) for gap in gaps[symbol]):
                    continue
                if trade.reported != trade.time:
                    self.count[f"reported late, and in no {what}"] += 1
                else:
                    self.note("silent", f"{key} at {trade.time} is in no {what}")

    def lines(self) -> list[str]:
        return [*super().lines(), f"{self.stored.busts} bars stand in a version that a change made"]
