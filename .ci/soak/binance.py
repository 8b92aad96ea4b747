#!/usr/bin/env python3
"""Shows that no trade of an exchange is lost without a record, whatever fails: `make soak NAME=binance`.

    binance.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--symbols A,B,...] [--no-fill] [--hot-hot] [--keep]

A local stack of its own (.local/stack/binance, namespace `soak`) has the provider `binance` on a simulated
exchange. Every 10 s something fails, in an order that follows from the seed. At the end the exchange's own logs
are compared with the database, by SQL. docs/TESTING.md describes it.

Exit status 0: all held. 1: something did not, and what the stack has stored is left.
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
        told: dict[str, Callable[[], str]] = {
            "cut": lambda: "cut",
            "close": lambda: f"close {pick.choice((1000, 1001, 1008, 1011))}",
            "truncate": lambda: "truncate",
            "mute": lambda: f"mute {pick.choice((1, 2, 4, 30))}",
            "half-open": lambda: "half-open",
            "garbage": lambda: f"garbage {pick.choice((1, 64, 4096, 1_000_000))}",
            "wrong JSON": lambda: "bad-json",
            "oversized": lambda: f"oversized {pick.choice((70_000, 1_500_000, 8_000_000))}",
            "lost trades": lambda: f"lose {pick.choice((1, 5, 200))}",
            "shutdown": lambda: f"shutdown {pick.choice((1, 3, 8))}",
            "down": lambda: f"down {pick.choice((1, 3, 6))}",
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
