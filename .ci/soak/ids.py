"""What became of each trade of an exchange whose ids are dense: by the exchange's own logs, SQL and nothing
else. It shares no code with the product."""

import collections
import json
import pathlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from verdict import Findings, Gap, Span, StoredGaps

NAMED = re.compile(r"^trade ids (\d+) to (\d+) did not come$")
# The bit of `flags` of a trade that came on request.
FETCHED = 1 << 2
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Happened:
    """A trade as the exchange has it; the time is in nanoseconds."""

    time: int
    price: Decimal
    size: Decimal


class Market:
    """All trades that the exchange wrote down, sent or not, by symbol and id, and those that it has sent."""

    def __init__(self, markets: list[pathlib.Path], truths: list[pathlib.Path]) -> None:
        self.trades: dict[str, dict[int, Happened]] = collections.defaultdict(dict)
        self.sent: dict[str, set[int]] = collections.defaultdict(set)
        self.faults: list[str] = []
        for entry in self.lines(markets):
            time = entry["trade_time"] * 1_000_000
            trade = Happened(time, Decimal(entry["price"]), Decimal(entry["quantity"]))
            known = self.trades[entry["symbol"]].setdefault(entry["id"], trade)
            if known != trade:
                self.faults.append(f"{entry['symbol']}: the exchange has two trades {entry['id']}")
        for entry in self.lines(truths):
            if entry["kind"] == "trade":
                self.sent[entry["symbol"]].add(entry["id"])

    @staticmethod
    def lines(paths: list[pathlib.Path]) -> Any:
        for path in paths:
            with path.open() as file:
                yield from map(json.loads, file)

    def span(self, symbol: str, ids: range) -> dict[int, Span]:
        """When each of these trades was made: from a time to another one. While the exchange was away nobody
        wrote them down. Then it is known that they were made between the two that were."""
        known, found = self.trades[symbol], {}
        before: int = known[ids[0]].time
        unknown: list[int] = []
        for number in ids:
            if number not in known:
                unknown.append(number)
                continue
            time = known[number].time
            found.update(dict.fromkeys(unknown, (before, time)))
            unknown.clear()
            found[number] = time, time
            before = time
        return found


def named_ids(gap: Gap) -> range | None:
    """Returns the ids that a gap names, if it names any."""
    named = NAMED.match(gap.detail)
    return range(int(named[1]), int(named[2]) + 1) if named else None


class Stored(StoredGaps):
    """The rows of one source, and what its gaps say, in one snapshot of the database."""

    def __init__(self, session: Any, namespace: str, source: str) -> None:
        super().__init__(session, namespace, source)
        # Of each symbol, in the order of the tape: id, time, price, size, whether it is a plain trade but for
        # its flags, and its flags.
        self.rows: dict[str, list[tuple[int, int, Decimal, Decimal, bool, int]]] = collections.defaultdict(list)
        for symbol, *row in session.execute(
            "SELECT symbol, coalesce(provider_id, 0)::bigint, event_time_ns, price, size,"
            f" action = 0 AND provider_time IS NOT NULL, flags FROM {namespace}.trades"
            " WHERE source = %s ORDER BY partition, ordinal", [source]
        ):
            self.rows[symbol].append(tuple(row))


class Verdict(Findings):
    """Compares what is stored with what happened, up to a time in nanoseconds."""

    def __init__(self, market: Market, stored: Stored, end: int, fills: bool) -> None:
        super().__init__(stored, market.faults)
        self.market, self.stored, self.end, self.fills = market, stored, end, fills
        # How much time untrue gaps have, by reason and text.
        self.seconds: dict[tuple[str, str], float] = collections.defaultdict(float)
        # Of each symbol, the times of all trades of the range, and those of them that are not stored.
        self.spans: dict[str, dict[int, Span]] = {}
        self.missing: dict[str, dict[int, Span]] = {}
        for symbol in market.trades:
            self.compare(symbol)
        for symbol, missing in self.missing.items():
            self.explain(symbol, missing)
        for gap in stored.gaps:
            if gap.start < end:
                self.prove(gap)

    def compare(self, symbol: str) -> None:
        """Each row is a trade that was sent, or came on request, once, with its values. Those that were sent
        are in the order of the ids. Trades that nobody wrote down, because the exchange was away, may come on
        request, too."""
        known, sent, last = self.market.trades[symbol], self.market.sent[symbol], 0
        there: set[int] = set()
        for number, time, price, size, is_plain, flags in self.stored.rows.get(symbol, []):
            self.count["rows"] += 1
            is_fetched = self.fills and flags == FETCHED
            if number in there:
                self.note("twice", f"{symbol}: trade {number} has two rows")
            elif number < last and not is_fetched:
                self.note("order", f"{symbol}: trade {number} comes after {last}")
            there.add(number)
            if is_fetched:
                self.count["rows that came on request"] += 1
            else:
                last = max(last, number)
                is_plain &= flags == 0
            if number not in known and is_fetched:
                self.count["rows of trades never written down"] += 1
            elif number not in known or not is_fetched and number not in sent:
                self.note("invented", f"{symbol}: trade {number} was not sent")
            elif known[number] != Happened(time, price, size) or not is_plain:
                self.note("changed", f"{symbol}: trade {number} at {time} is {price} x {size}, not"
                          f" {known[number]}")
        told = [number for number in there if number in known and known[number].time <= self.end]
        if not told:
            self.note("absent", f"{symbol}: no row")
            return
        ids = range(min(told), max(told) + 1)
        self.spans[symbol] = self.market.span(symbol, ids)
        self.missing[symbol] = {number: self.spans[symbol][number] for number in ids if number not in there}
        self.count["happened"] += len(ids)
        self.count["sent"] += sum(number in sent for number in ids)
        self.count["missing"] += len(self.missing[symbol])
        self.count["missing, although sent"] += sum(number in sent for number in self.missing[symbol])
        self.count["missing, never written down"] += sum(
            number not in known for number in self.missing[symbol])

    def explain(self, symbol: str, missing: dict[int, Span]) -> None:
        """Each missing trade lies within a gap: in the log, and as a person sees it. A gap that names ids
        holds those ids alone."""
        log = [gap for gap in self.stored.gaps if gap.symbol in (symbol, None)]
        shown = [gap for gap in self.stored.shown if gap.symbol in (symbol, None)]
        for number, span in missing.items():
            holds = [gap for gap in log if gap.holds(span)]
            if not holds:
                self.note("silent", f"{symbol}: trade {number} of {span} is in no gap")
            elif not any(number in (named_ids(gap) or (number,)) for gap in holds):
                self.note("not named", f"{symbol}: no gap over trade {number} of {span} names it: {holds[0]}")
            if self.fills:
                self.note("not filled", f"{symbol}: trade {number} of {span}: {holds[:1]}")
            if not any(gap.holds(span) for gap in shown):
                self.note("not shown", f"{symbol}: trade {number} of {span} is in no row of open_gaps")

    def prove(self, gap: Gap) -> None:
        """Each gap lost something. Where it names ids, it lost each of them; else at least one trade that was
        made in its time."""
        symbols = [gap.symbol] if gap.symbol else list(self.missing)
        named = named_ids(gap)
        if named is not None:
            lost = self.missing.get(gap.symbol or "", {})
            stored = [number for number in named if number not in lost]
            if stored or not named:
                self.untrue(gap, f"trades {stored[:3]} are not missing")
        elif not any(gap.touches(span) for each in symbols for span in self.missing.get(each, {}).values()):
            self.untrue(gap, "nothing is missing")

    def untrue(self, gap: Gap, why: str) -> None:
        self.note("untrue", f"{why}: {gap}")
        self.seconds[gap.reason, NUMBER.sub("N", gap.detail)] += (gap.end - gap.start) / 1e9

    def lines(self) -> list[str]:
        return super().lines() + [f"{seconds:.1f} s in untrue gaps: {reason}: {detail}"
                                  for (reason, detail), seconds in self.seconds.items()]
