#!/usr/bin/env python3
"""Shows that no trade of Alpaca is lost outside of the gaps on record, whatever fails: `make soak NAME=alpaca`.

    alpaca.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--symbols A,B,...] [--keep]

A local stack of its own (.local/stack/alpaca, namespace `soak`) has the provider `alpaca` on a simulated service,
which numbers nothing, cancels and corrects one trade in a hundred, reports some late, and has trades of one id. The
faults are those of binance.py, kills of a worker and the writer, errors (406, 407, 500) and a key that is refused for a
while. The service leaves out no single record: a gateway cannot see that. At the end changes.py compares the service's
own logs with the tables:

- Each trade that the service reported has one row, with its values, or its time lies within a gap, in `gaps` and in
  `open_gaps`. Those that were reported late while the gateway was away are counted apart.
- Each row is a trade that was sent, or given on request in a gap that was filled; its number has its id, its day and
  its exchange.
- Each change was sent, or given on request. Those without a row of their trade, and those whose time was not known,
  are counted.
- Bars have versions with the reason `bust`.
- People cancel, correct and restore trades all the time, also those that the service or a person has changed, and the
  source is a member of a group. The sizes of the trades that count (`trades_effective`) are the volume of the bars, of
  every symbol and window.
- After each fault there are trades again within 100 s: a key that is refused is tried again after a minute.
- `tapeline audit --all` and `tapeline prove` are clean, and the memory is bounded as in binance.py.
"""

import sys
from collections.abc import Callable

import psycopg

import effective
from changes import Market, Stored, Verdict
from stack import NAMESPACE, say
from venue import Storm, VenueStack, carry_out


class AlpacaStack(VenueStack):
    source = "alpaca"
    program = "alpaca-simulator"
    # A session that was cut counts for so many seconds; the real service says 90.
    flags = ("--hold", "5", "--cancels", "200", "--corrections", "200", "--late", "300",
             "--facilities", "2")
    defaults = "security: stock, exchange: SMART, currency: USD, feeds: quotes"
    graph = """version: 1
name: alpaca
sources: {us: {members: [alpaca, other]}}
nodes:
  bars: {operator: bars, input: trades, series: [1s, 5s, 15s]}
"""
    # A key that is not taken is tried again after a minute.
    stalled_seconds = 100

    def gateway(self) -> dict[str, str]:
        return {
            "ALPACA_URL": f"ws://127.0.0.1:{self.venue.port}", "ALPACA_FEED": "sip",
            "ALPACA_REST_URL": f"http://127.0.0.1:{self.venue.port}",
            "ALPACA_API_KEY": "test-key", "ALPACA_API_SECRET": "test-secret",
            # Waits that fit faults which come so soon. The others are as shipped.
            "ALPACA_SILENT_AFTER": "6s", "ALPACA_RECONNECT_MAX": "5s",
        }


class AlpacaStorm(Storm):
    def __init__(self, stack: VenueStack) -> None:
        super().__init__(stack)
        for name in ("operator-worker-a", "store-writer"):
            self.others[f"{name} killed"] = lambda name=name: self.kill(name)  # type: ignore[misc]

    def kill(self, name: str) -> str:
        self.stack.kill(name)
        return "kill -9"

    def commands(self) -> dict[str, Callable[[], str]]:
        pick = self.random
        return self.of_frames() | {
            # A shorter silence in which records are left out shows to nobody: nothing is numbered.
            "mute": lambda: "mute 30",
            "oversized": lambda: f"oversized {pick.choice((1_500_000, 8_000_000))}",
            "error": lambda: f"error {pick.choice((406, 407, 500))}",
            "expired key": self.expire,
        }

    def run(self, seconds: float) -> None:
        people = effective.People(self.stack, self.stack.source)
        people.start()
        super().run(seconds)
        people.end()


def judge(stack: AlpacaStack, end: float) -> list[str]:
    """Compares all trades up to a time with what is stored. Returns what is wrong."""
    market = Market(stack.venue.logs("market"), stack.venue.logs("truth"))
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        verdict = Verdict(market, Stored(session, NAMESPACE, stack.source), int(end * 1e9))
        unequal = effective.compare(session, end)
    for line in verdict.lines():
        say(line)
    return verdict.wrong + unequal


def main() -> int:
    return carry_out(__doc__, "AAPL,MSFT,NVDA,SPY,AMD,KO", AlpacaStack, AlpacaStorm, judge)


if __name__ == "__main__":
    sys.exit(main())
