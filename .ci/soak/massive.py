#!/usr/bin/env python3
"""Shows that no trade of Massive is lost outside of the gaps on record, whatever fails: `make soak NAME=massive`.

    massive.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--symbols A,B,...] [--keep]

A local stack of its own (.local/stack/massive, namespace `soak`) has the provider `massive` on a simulated service.
Faults and verdict are those of alpaca.py, with these differences. The service has parts of shares and trades that are
reported late, displaces the session, ends it as that of a slow client, and announces its own end. Trades are compared
by the time of their report. It cancels one trade in fifty and says so in answers to requests alone: each of these
trades that has a row has its cancel within 150 s. A cancel of the time in which the service was away, and wrote no
log, is counted apart. One trade in thirty comes with another one of its number, in the same moment.
"""

import pathlib
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg

from changes import CANCEL, DAY_BITS, ID_BITS, Happened, Key, Market, One, Stored, Verdict, day
from stack import NAMESPACE, say
from venue import Storm, VenueStack, carry_out

# The letters of the simulated exchanges, as docs/massive.md has them.
LETTERS = {4: "D", 11: "P", 12: "T", 15: "V"}
# The bits of the service's number in `provider_id`, as docs/massive.md describes them.
NUMBER_BITS = 38
# The age at which trades are read for the last time.
LAST_AGE = 25
# The simulated service cancels a trade within this time.
BUST_SECONDS = 20
# When a cancel has to be there: a span later, and what a fault and a gateway that was killed may take. A key that is
# not taken is tried again after a minute.
CANCEL_SECONDS = 2 * LAST_AGE + 100


class MassiveStack(VenueStack):
    source = "massive"
    program = "massive-simulator"
    flags = ("--late", "100", "--fractions", "2", "--busts", "50", "--twins", "30")
    defaults = "security: stock, exchange: SMART, currency: USD, feeds: quotes"
    # A key that is not taken is tried again after a minute.
    stalled_seconds = 100

    def gateway(self) -> dict[str, str]:
        return {
            "MASSIVE_URL": f"ws://127.0.0.1:{self.venue.port}", "MASSIVE_API_KEY": "test-key",
            # Waits that fit faults which come so soon. The others are as shipped.
            "MASSIVE_SILENT_AFTER": "6s", "MASSIVE_RECONNECT_MAX": "5s",
            "MASSIVE_REST_URL": f"http://127.0.0.1:{self.venue.port}",
            "MASSIVE_REREAD_FIRST": "5s", "MASSIVE_REREAD_LAST": f"{LAST_AGE}s",
        }


class MassiveStorm(Storm):
    # When the gateway began.
    known = time.monotonic()

    def commands(self) -> dict[str, Callable[[], str]]:
        pick = self.random
        return self.of_frames() | {
            "mute": self.mute,
            "oversized": lambda: f"oversized {pick.choice((1_500_000, 8_000_000))}",
            "shutdown": lambda: f"shutdown {pick.choice((0, 2))}",
            "another session": lambda: "displace",
            "slow consumer": lambda: "slow-consumer",
            "expired key": self.expire,
        }

    def mute(self) -> str:
        """The stream stops while pings are answered. A gateway knows that from half a minute with messages on."""
        time.sleep(max(0.0, self.known + 45 - time.monotonic()))
        return "mute 30"

    def kill_gateway(self) -> str:
        self.known = time.monotonic()
        return super().kill_gateway()


class MassiveMarket(Market):
    """The trades of the logs. The number on the tape has the sequence of the symbol's day."""

    def read(self, markets: list[pathlib.Path], truths: list[pathlib.Path]) -> None:
        for entry in self.lines(markets):
            if entry["kind"] == "trade":
                self.note(entry["message"], 0)
        numbers = {(one[0][0], one[0][1], one[0][3]): one[0] for one in self.trades}
        for entry in self.lines(markets):
            if entry["kind"] == "bust":
                message = entry["message"]
                key = numbers.get((message["sym"], LETTERS[message["x"]], message["q"]))
                if key:
                    self.changes[key].add(CANCEL)
        for entry in self.lines(truths):
            if entry["kind"] == "trade":
                self.sent.add(self.happened(entry["message"], 0)[0])

    def may_have_changed_unseen(self, key: Key) -> bool:
        """Whether the service may have cancelled a trade while it was away, and wrote no log."""
        return any(end - BUST_SECONDS * 10**9 <= time <= begin
                   for end, begin in self.pauses for time in self.times[key])

    def happened(self, message: dict[str, Any], reported: int) -> tuple[One, Happened]:
        """Its time is that of its report. Twins have one key."""
        stamp = message["t"] * 10**6
        trade = Happened(stamp, stamp, Decimal(message["p"]), Decimal(message["ds"]))
        return trade.of((message["sym"], LETTERS[message["x"]], day(stamp), message["q"])), trade


class MassiveVerdict(Verdict):
    """Only requests tell that a trade was cancelled."""

    market: MassiveMarket

    @staticmethod
    def key(symbol: str, number: int, exchange: str) -> Key:
        days = number >> ID_BITS & (1 << DAY_BITS) - 1
        return symbol, exchange, days, number & (1 << NUMBER_BITS) - 1

    def change(self, symbol: str, number: int, time: int, price: Decimal, size: Decimal, exchange: str,
               action: int) -> None:
        """After a start trades of before are read again, also of before the first log."""
        key = self.key(symbol, number, exchange)
        if action == CANCEL and key not in self.market.times and key not in self.keys:
            self.count["changes of trades from before the logs"] += 1
        elif (action == CANCEL and key not in self.market.changes
              and (self.market.may_have_changed_unseen(key) or self.market.was_away(time))):
            self.count["changes from between two logs"] += 1
        else:
            super().change(symbol, number, time, price, size, exchange, action)

    def explain(self) -> None:
        super().explain()
        cancelled = {self.key(row[0], row[1], row[5]) for row in self.stored.rows if row[6] == CANCEL}
        for key in self.keys & self.market.changes.keys() - cancelled:
            if max(self.market.times[key]) < self.end - CANCEL_SECONDS * 10**9:
                self.note("missing cancel", f"{key} was cancelled")


def judge(stack: MassiveStack, end: float) -> list[str]:
    """Compares all trades up to a time with what is stored. Returns what is wrong."""
    market = MassiveMarket(stack.venue.logs("market"), stack.venue.logs("truth"))
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        verdict = MassiveVerdict(market, Stored(session, NAMESPACE, stack.source), int(end * 1e9))
    for line in verdict.lines():
        say(line)
    return verdict.wrong


def main() -> int:
    return carry_out(__doc__, "AAPL,MSFT,NVDA,SPY,AMD,KO", MassiveStack, MassiveStorm, judge)


if __name__ == "__main__":
    sys.exit(main())
