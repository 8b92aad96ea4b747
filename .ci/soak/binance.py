#!/usr/bin/env python3
"""Shows that no trade of an exchange is lost without a record, whatever fails: `make soak NAME=binance`.

    binance.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--symbols A,B,...] [--no-fill] [--hot-hot] [--keep]

A local stack of its own (.local/stack/binance, namespace `soak`) has the provider `binance` on a simulated exchange,
whose ids are dense per symbol. Every 10 s something fails, all kinds in turn, in an order and with numbers that
follow from the seed; after one fault in four another one comes within 2 s. The exchange cuts, closes and truncates,
sends bytes that are no frame, wrong JSON and messages that are too large, is silent, half-open or slow, loses trades,
announces its end, refuses connections, answers by 429 and 418, and is killed. The gateway is killed (`kill -9`) and
stopped for 3 to 8 s, NATS is killed. Connections are renewed after a minute. With `--no-fill` the gateway requests no
history, with `--hot-hot` it has two connections.

At the end ids.py compares the exchange's logs, of what happened and of what it sent, with the tables. Of each symbol
it takes the trades from the first one that has a row to the last one before the end:

- Each trade has one row, with its price, size, time and id, or it lies within a gap that stays open, in `gaps` and in
  `open_gaps`. A gap that names ids covers those alone. What happened while the exchange was away is in no log: a gap
  has to cover all of the time between the logged neighbours of its ids.
- Each row is a trade that the exchange sent, or gave on request, with its values; no id is there twice; the ids of
  the trades that were sent ascend.
- Each gap is true: one that names ids lost every one of them, any other lost a trade of its time.
- After each fault there are trades again within 30 s.
- `tapeline audit --all` and `tapeline prove` are clean.
- No life of a gateway of 60 s or more grew by more than 20 % and 8 MiB from the end of its first third to its end.

It prints the schedule, each fault with the age of the newest stored trade after it, the other services' memory, and
the numbers of trades, of gaps by reason, and of faults by kind.
"""

import sys
from collections.abc import Callable

import psycopg

from ids import Market, Stored, Verdict
from stack import NAMESPACE, eventually, say
from venue import Storm, VenueStack, carry_out


class ExchangeStack(VenueStack):
    source = "binance"
    program = "binance-simulator"
    defaults = "security: crypto, exchange: BINANCE, currency: USDT, feeds: trades"
    # The longest silence, the longest absence of the exchange, two waits, and as much again for a second fault.
    stalled_seconds = 30

    def gateway(self) -> dict[str, str]:
        port = self.venue.port
        return {
            "BINANCE_URL": f"ws://127.0.0.1:{port}/stream",
            "BINANCE_REST_URL": f"http://127.0.0.1:{port}" if self.options.fill else "",
            "BINANCE_HOT_HOT": "true" if self.options.hot_hot else "false",
            # Waits that fit faults which come so soon. The others are as shipped.
            "BINANCE_SILENT_AFTER": "6s", "BINANCE_RECONNECT_MAX": "5s", "BINANCE_RENEW_AFTER": "60s",
        }

    def settle(self) -> None:
        if self.options.fill:
            eventually("no gap waits", self.filled, 400, 1)

    def filled(self) -> bool:
        """Whether no gap waits any more for the trades that it lacks."""
        waiting = self.query(
            f"SELECT count(*) FROM {NAMESPACE}_market.open_gaps WHERE source = '{self.source}'"
            " AND to_time IS NOT NULL AND state <> 'abandoned'")
        return int(waiting) == 0


class ExchangeStorm(Storm):
    def commands(self) -> dict[str, Callable[[], str]]:
        pick = self.random
        told = self.of_frames() | {
            "mute": lambda: f"mute {pick.choice((1, 2, 4, 30))}",
            "oversized": lambda: f"oversized {pick.choice((70_000, 1_500_000, 8_000_000))}",
            "lost trades": lambda: f"lose {pick.choice((1, 5, 200))}",
            "shutdown": lambda: f"shutdown {pick.choice((1, 3, 8))}",
        }
        if self.stack.options.fill:
            told |= {
                "429": lambda: f"limit {pick.choice((1, 3))}{pick.choice(('', ' 1', ' 4'))}",
                "418": lambda: f"ban {pick.choice((1, 5))}",
            }
        return told


def judge(stack: ExchangeStack, end: float) -> list[str]:
    """Compares all trades up to a time with what is stored. Returns what is wrong."""
    market = Market(stack.venue.logs("market"), stack.venue.logs("truth"))
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        verdict = Verdict(
            market, Stored(session, NAMESPACE, stack.source), int(end * 1e9), stack.options.fill)
    for line in verdict.lines():
        say(line)
    return verdict.wrong


def main() -> int:
    return carry_out(
        __doc__, "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,BNBUSDT,DOGEUSDT", ExchangeStack, ExchangeStorm, judge,
        (
            ("--no-fill", {
                "dest": "fill", "action": "store_false", "help": "past trades are not asked for"}),
            ("--hot-hot", {"action": "store_true", "help": "two connections deliver all the time"}),
        ))


if __name__ == "__main__":
    sys.exit(main())
