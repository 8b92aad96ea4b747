"""What became of each trade of a past that was loaded: by the exchange's own answers, SQL and nothing else. It
shares no code with the product."""

import array
import bisect
import http.client
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from stack import Failure
from verdict import Findings, StoredGaps

# What a page of the exchange holds, and the decimals that it writes.
PAGE, DECIMALS = 1_000, 8
SERIES = {"1s": 1_000_000_000, "1m": 60_000_000_000}


@dataclass(frozen=True)
class Range:
    """[begin, end) of event time, in whole seconds."""

    begin: int
    end: int


@dataclass
class Happened:
    """All trades of a symbol from a time on, of which the first has the id `first`. Times are in milliseconds,
    numbers in steps of the exchange's last decimal."""

    first: int = 0
    times: "array.array[int]" = field(default_factory=lambda: array.array("q"))
    prices: "array.array[int]" = field(default_factory=lambda: array.array("q"))
    sizes: "array.array[int]" = field(default_factory=lambda: array.array("q"))

    def count(self, end: int) -> int:
        """The number of trades before a time in milliseconds. Times never go back."""
        return bisect.bisect_left(self.times, end)

    def place(self, number: int) -> int:
        """Where the trade of this id is; -1: nowhere."""
        place = number - self.first
        return place if 0 <= place < len(self.times) else -1

    def is_same(self, place: int, time_ns: int, price: Any, size: Any) -> bool:
        """`price` and `size` are in steps, and may have fractions of one."""
        return bool((self.times[place] * 1_000_000, self.prices[place], self.sizes[place])
                    == (time_ns, price, size))


class Exchange:
    """The exchange, as anybody may ask it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/api/v3"

    def ask(self, path: str, **query: Any) -> Any:
        """Asks again while a fault of before is not over."""
        url = f"{self.address}/{path}?{urllib.parse.urlencode(query)}"
        for _ in range(100):
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    return json.load(answer)
            except (OSError, http.client.HTTPException) as error:
                last = error
                time.sleep(0.3)
        raise Failure(f"the exchange does not answer {url}: {last}")

    def trades(self, symbol: str, begin: int, end: int) -> Happened:
        """Returns the trades from one time in seconds until another."""
        # The id of an aggregate's first trade.
        found = Happened(self.ask("aggTrades", symbol=symbol, startTime=begin * 1_000, limit=1)[0]["f"])
        for trade in self.pages(symbol, found.first):
            if trade["time"] >= end * 1_000:
                break
            if trade["id"] != found.first + len(found.times) or found.times and trade["time"] < found.times[-1]:
                raise Failure(f"the exchange has {symbol} {trade['id']} after {len(found.times)} trades")
            found.times.append(trade["time"])
            found.prices.append(steps(trade["price"]))
            found.sizes.append(steps(trade["qty"]))
        before = self.ask("historicalTrades", symbol=symbol, fromId=found.first - 1, limit=1)
        if before[0]["time"] >= begin * 1_000 or not found.times or found.times[0] < begin * 1_000:
            raise Failure(f"{symbol}: {found.first} is not the first trade at {begin} or later")
        return found

    def pages(self, symbol: str, first: int) -> Iterator[Any]:
        while page := self.ask("historicalTrades", symbol=symbol, fromId=first, limit=PAGE):
            yield from page
            first += len(page)


def steps(text: str) -> int:
    """Returns a number of the exchange in steps of its last decimal."""
    whole, part = text.split(".")
    if len(part) != DECIMALS:
        raise Failure(f"the exchange writes {text}")
    return int(whole + part)


# Each bar beside the one that its trades come to. What only one of them has is there, too.
COMPARED = """
WITH made AS (
    SELECT event_time_ns / {width} AS place, count(*) AS trades, sum(size) AS volume, max(price) AS high,
        min(price) AS low, (array_agg(price ORDER BY event_time_ns, provider_id))[1] AS open,
        (array_agg(price ORDER BY event_time_ns DESC, provider_id DESC))[1] AS close
    FROM {trades} GROUP BY 1
), bars AS (
    SELECT (extract(epoch FROM ts) * 1000000)::bigint * 1000 / {width} AS place,
        count(*) AS bars, bool_and(is_whole) AS is_whole, max(version) AS version,
        bool_and((close_time - ts) = {width} / 1000 * interval '1 us') AS is_long,
        (array_agg((open, high, low, close, volume, trades)))[1] AS is
    FROM {bars} GROUP BY 1
)
SELECT place * {width} / 1000000000, m.trades, b.bars, b.is_whole, b.version,
    b.is_long AND b.is = (m.open, m.high, m.low, m.close, m.volume, m.trades),
    b.is::text, (m.open, m.high, m.low, m.close, m.volume, m.trades)::text
FROM made m FULL JOIN bars b USING (place)
"""


class Verdict(Findings):
    """Compares a past that was loaded into `source`, and what joins it with `live`, with the exchange's trades."""

    def __init__(
        self, session: Any, namespace: str, source: str, live: str, truth: dict[str, Happened], loaded: Range,
        end: int
    ) -> None:
        """`end`: the time in seconds up to which live trades are compared."""
        super().__init__(StoredGaps(session, namespace, source))
        self.session, self.namespace = session, namespace
        self.source, self.live, self.loaded, self.end = source, live, loaded, end
        for (reason, state), number in self.states.items():
            # The exchange has every trade.
            self.note("gap", f"{number} {reason} {state}")
        for symbol, happened in truth.items():
            self.past(symbol, happened)
            self.joined(symbol, happened)
            for series in SERIES:
                self.bars(symbol, series)
                self.bars_joined(symbol, series)
        others = session.execute(
            f"SELECT count(*) FROM {namespace}.trades WHERE source = %s AND NOT symbol = ANY (%s)",
            [source, list(truth)]).fetchone()[0]
        if others:
            self.note("outside", f"{others} trades of other symbols")

    def rows(self, query: str, *values: Any) -> Iterator[Any]:
        """The rows as they come: there may be millions."""
        with self.session.cursor(name="rows") as cursor:
            cursor.itersize = 20_000
            yield from cursor.execute(query, values)

    def past(self, symbol: str, happened: Happened) -> None:
        """Each trade of the range has one plain row, with its values, in the order of time; others have none."""
        there: set[int] = set()
        last, count = 0, happened.count(self.loaded.end * 1_000)
        for number, at, price, size, is_plain in self.rows(
            "SELECT coalesce(provider_id, 0)::bigint, event_time_ns, price * 100000000, size * 100000000,"
            " action = 0 AND flags = 0 AND provider_time = ts AND of_source IS NULL"
            f" FROM {self.namespace}.trades WHERE source = %s AND symbol = %s ORDER BY epoch, ordinal",
            self.source, symbol
        ):
            self.count["past rows"] += 1
            place = happened.place(number)
            if not self.loaded.begin <= at / 1e9 < self.loaded.end or not 0 <= place < count:
                self.note("outside", f"{symbol}: trade {number} at {at}")
            elif number in there:
                self.note("twice", f"{symbol}: trade {number} has two rows")
            elif not happened.is_same(place, at, price, size) or not is_plain:
                self.note("changed", f"{symbol}: trade {number} at {at} is {price} x {size}")
            elif number < last:
                self.note("order", f"{symbol}: trade {number} comes after {last}")
            there.add(number)
            last = number
        self.count["past trades"] += count
        for number in set(range(happened.first, happened.first + count)) - there:
            self.note("missing", f"{symbol}: trade {number} at {happened.times[number - happened.first]} ms")

    def joined(self, symbol: str, happened: Happened) -> None:
        """From the beginning of the range to the end each trade is there once, and one is the seam."""
        there: set[int] = set()
        seams: list[tuple[int, str]] = []
        for number, at, price, size, source, is_seam, action in self.rows(
            "SELECT coalesce(provider_id, 0)::bigint, event_time_ns, price * 100000000, size * 100000000, source,"
            f" is_seam, action FROM {self.namespace}_market.trades_joined"
            " WHERE symbol = %s AND live_source = %s AND ts >= to_timestamp(%s) AND ts < to_timestamp(%s)",
            symbol, self.live, self.loaded.begin, self.end
        ):
            self.count[f"joined rows of {source}"] += 1
            place = happened.place(number)
            if number in there:
                self.note("joined twice", f"{symbol}: trade {number} of {source}")
            elif place < 0 or not happened.is_same(place, at, price, size) or action != "new":
                self.note("joined and changed", f"{symbol}: trade {number} of {source} at {at}")
            there.add(number)
            if is_seam:
                seams.append((number, source))
        count = happened.count(self.end * 1_000)
        for number in set(range(happened.first, happened.first + count)) - there:
            self.note("joined with a hole", f"{symbol}: trade {number} at"
                      f" {happened.times[number - happened.first]} ms")
        if len(seams) != 1 or seams[0][1] != self.live:
            self.note("seam", f"{symbol}: {len(seams)} seams: {seams[:5]}")

    def bars(self, symbol: str, series: str) -> None:
        """Each window that has trades of the past has one bar of it, whole and as the trades are."""
        self.compare(
            f"{series} bars of the past", symbol, series, True,
            f"{self.namespace}.trades WHERE source = %(source)s AND symbol = %(symbol)s",
            f"{self.namespace}_market.candles WHERE source = %(source)s AND symbol = %(symbol)s"
            " AND series = %(series)s")

    def bars_joined(self, symbol: str, series: str) -> None:
        """Of each window that has trades there is one bar, from the beginning of the range to the end."""
        width = SERIES[series] // 1_000_000_000
        self.compare(
            f"{series} bars that are joined", symbol, series, False,
            f"{self.namespace}_market.trades_joined WHERE symbol = %(symbol)s AND live_source = %(live)s"
            " AND ts >= to_timestamp(%(begin)s) AND ts < to_timestamp(%(end)s)",
            f"{self.namespace}_market.bars_joined WHERE symbol = %(symbol)s AND live_source = %(live)s"
            " AND series = %(series)s AND ts >= to_timestamp(%(begin)s) AND ts < to_timestamp(%(end)s)",
            end=self.end // width * width)

    def compare(
        self, what: str, symbol: str, series: str, is_past: bool, trades: str, bars: str, end: int = 0
    ) -> None:
        values = {"source": self.source, "live": self.live, "symbol": symbol, "series": series,
                  "begin": self.loaded.begin, "end": end}
        for at, made, stored, is_whole, version, is_right, found, wanted in self.session.execute(
            COMPARED.format(width=SERIES[series], trades=trades, bars=bars), values
        ):
            self.count[what] += 1
            text = f"{symbol} at {at}"
            if not stored or not made:
                self.note(f"{what}: no {'bar' if made else 'trade'}", text)
            elif stored > 1:
                self.note(f"{what}: twice", text)
            elif not is_right:
                self.note(f"{what}: wrong", f"{text} is {found}, not {wanted}")
            elif not is_whole:
                self.note(f"{what}: not whole", text)
            if is_past and stored and version > 1:
                self.count[f"{what} with a further version"] += 1
