"""What became of each trade of a service that numbers nothing, and of those that it changed: by the service's own
logs, SQL and nothing else. It shares no code with the product."""

import collections
import datetime
import json
import pathlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# The parts of `provider_id`, as docs/alpaca.md describes them.
ID_BITS, DAY_BITS = 46, 12
DAY = 86_400 * 10**9
DAY_BEGIN = 5 * 3_600 * 10**9
NEW, CORRECTION, CANCEL = 0, 1, 2
# A trade of one symbol: its exchange, its day, and the service's id.
Key = tuple[str, str, int, int]


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


class Market:
    """All trades that the service wrote down, sent or not, and those that it has sent; and their changes."""

    def __init__(self, markets: list[pathlib.Path], truths: list[pathlib.Path]) -> None:
        self.trades: dict[Key, Happened] = {}
        self.sent: set[Key] = set()
        # The actions that were sent, by the trade that they name.
        self.changes: dict[Key, set[int]] = collections.defaultdict(set)
        for entry in self.lines(markets):
            if entry["kind"] == "trade" and "/v2/sip" in entry["endpoints"]:
                message = entry["message"]
                time = nanoseconds(message["t"])
                self.trades[self.key(message, message["i"], time)] = Happened(
                    time, entry["time"], Decimal(message["p"]), Decimal(message["s"]))
        for entry in self.lines(truths):
            message = entry.get("message")
            if entry["kind"] == "trade":
                self.sent.add(self.key(message, message["i"], nanoseconds(message["t"])))
            elif entry["kind"] in ("correction", "cancel"):
                is_cancel = entry["kind"] == "cancel"
                key = self.key(message, message["i" if is_cancel else "oi"], nanoseconds(message["t"]))
                self.changes[key].add(CANCEL if is_cancel else CORRECTION)

    @staticmethod
    def key(message: dict[str, Any], number: int, time: int) -> Key:
        return message["S"], message["x"], day(time), number

    @staticmethod
    def lines(paths: list[pathlib.Path]) -> Any:
        for path in paths:
            with path.open() as file:
                for line in file:
                    yield json.loads(line, parse_float=Decimal)


class Stored:
    """The rows of one source, and what its gaps say, in one snapshot of the database."""

    def __init__(self, session: Any, namespace: str, source: str) -> None:
        # Symbol, number, time, price, size, exchange, action, in the order of the tape.
        self.rows = session.execute(
            "SELECT symbol, provider_id::bigint, event_time_ns, price, size, exchange, action"
            f" FROM {namespace}.trades WHERE source = %s ORDER BY partition, ordinal", [source]).fetchall()
        microseconds = "(extract(epoch FROM {}) * 1000000)::bigint * 1000"
        begin, end = microseconds.format("from_time"), microseconds.format("to_time")
        self.states: collections.Counter[tuple[str, str]] = collections.Counter()
        self.gaps: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
        for symbol, start, stop, state, reason in session.execute(
            f"SELECT symbol, coalesce(from_time_ns, {begin}), coalesce(to_time_ns, {end}), state, reason"
            f" FROM {namespace}.gaps WHERE source = %s AND input = 'ticks' AND ordinal IS NOT NULL"
            " AND kind IN ('any', 'trade') ORDER BY ordinal", [source]
        ):
            self.states[reason, state] += 1
            if state == "abandoned" and None not in (start, stop):
                self.gaps[symbol].append((start, stop))
        # What a person sees. Its times are microseconds.
        self.shown: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
        for symbol, start, stop in session.execute(
            f"SELECT symbol, {begin}, coalesce({end}, 9223372036854775807)"
            f" FROM {namespace}_market.open_gaps WHERE source = %s AND kind = 'trade'", [source]
        ):
            self.shown[symbol].append((start, stop))
        self.holes = [row[0] for row in session.execute(
            f"SELECT detail FROM {namespace}.gaps WHERE source = %s AND ordinal IS NULL", [source])]
        self.busts = int(session.execute(
            f"SELECT count(*) FROM {namespace}.bars WHERE source = %s AND reason = 'bust'",
            [source]).fetchone()[0])


class Verdict:
    """Compares what is stored with what happened, up to a time in nanoseconds."""

    def __init__(self, market: Market, stored: Stored, end: int) -> None:
        self.market, self.stored, self.end = market, stored, end
        self.wrong = [f"the books have a hole: {detail}" for detail in stored.holes]
        self.count: collections.Counter[str] = collections.Counter()
        self.there: set[Key] = set()
        # The reports that are compared of each symbol: from its first trade with a row on.
        self.first: dict[str, int] = {}
        for row in stored.rows:
            if row[6] == NEW:
                self.compare(*row)
        for row in stored.rows:
            if row[6] != NEW:
                self.change(*row)
        self.explain()
        if not self.count["changes"]:
            self.note("changes", "no trade was changed")
        if not stored.busts:
            self.note("versions", "no bar has a version because of a change")

    @staticmethod
    def key(symbol: str, number: int, exchange: str) -> Key:
        days = number >> ID_BITS & (1 << DAY_BITS) - 1
        return symbol, exchange, days, number & (1 << ID_BITS) - 1

    def compare(self, symbol: str, number: int, time: int, price: Decimal, size: Decimal, exchange: str,
                action: int) -> None:
        """Each row is a trade that was sent, once, with its values."""
        self.count["rows"] += 1
        key = self.key(symbol, number, exchange)
        if number >> (ID_BITS + DAY_BITS) != ord(exchange) - ord("A"):
            self.note("number", f"{key}: the number {number} names another exchange")
        known = self.market.trades.get(key)
        if key in self.there:
            self.note("twice", f"{key} has two rows")
        self.there.add(key)
        if known is None or key not in self.market.sent:
            self.note("invented", f"{key} was not sent")
        elif (known.time, known.price, known.size) != (time, price, size):
            self.note("changed", f"{key} at {time} is {price} x {size}, not {known}")
        else:
            self.first[symbol] = min(self.first.get(symbol, known.reported), known.reported)

    def change(self, symbol: str, number: int, time: int, price: Decimal, size: Decimal, exchange: str,
               action: int) -> None:
        """Each change was sent, and has the time of its trade where that is stored in the same life of the
        gateway."""
        self.count["changes"] += 1
        key = self.key(symbol, number, exchange)
        if action not in self.market.changes.get(key, set()):
            self.note("invented change", f"{key}: {action} was not sent")
        if key not in self.there:
            self.count["changes of trades that are not there"] += 1
        elif time != self.market.trades[key].time:
            self.count["changes without the time of their trade"] += 1

    def explain(self) -> None:
        """Each missing trade lies within a gap: in the log, and as a person sees it. One that was reported
        late may be from before."""
        for key, trade in self.market.trades.items():
            symbol = key[0]
            if not self.first.get(symbol, self.end) <= trade.reported <= self.end or key in self.there:
                continue
            self.count["missing"] += 1
            for gaps, what in ((self.stored.gaps, "gap"), (self.stored.shown, "row of open_gaps")):
                if any(start <= trade.time < stop for start, stop in gaps[symbol]):
                    continue
                if trade.reported != trade.time:
                    self.count[f"reported late, and in no {what}"] += 1
                else:
                    self.note("silent", f"{key} at {trade.time} is in no {what}")

    def note(self, kind: str, text: str) -> None:
        self.count[f"✘ {kind}"] += 1
        if self.count[f"✘ {kind}"] <= 5:
            self.wrong.append(f"{kind}: {text}")

    def lines(self) -> list[str]:
        return [
            ", ".join(f"{number} {what}" for what, number in self.count.items()),
            "gaps: " + ", ".join(
                f"{number} {reason} {state}" for (reason, state), number in sorted(self.stored.states.items())),
            f"{self.stored.busts} bars stand in a version that a change made",
        ]
