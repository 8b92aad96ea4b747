"""Reads a simulated Massive on loopback with massive, the vendor's client, and writes what it decoded as one JSON
object per line: {"from": "stream" | "trades" | "quotes" | "bars", "symbol", "message"}. Members have the names of
Massive's messages. Before the requests comes {"from": "asked", "time"}. After two seconds it has the simulator cut
the connection, and the client connects again.

read_massive.py PORT CONTROL-PORT SECONDS
"""

import asyncio
import json
import socket
import sys
import time
from typing import Any

from massive import RESTClient, WebSocketClient
from massive.websocket.models import EquityAgg, EquityQuote, EquityTrade

PORT, CONTROL, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
KEY = "test-key"
SYMBOLS = ["AAPL", "KO"]
PAGE = 100
MINUTE = 60_000
# The members of the messages that the client knows, by its own names.
TRADE = {
    "event_type": "ev", "symbol": "sym", "exchange": "x", "id": "i", "tape": "z", "price": "p", "size": "s",
    "fractional_shares": "ds", "conditions": "c", "timestamp": "t", "sequence_number": "q", "trf_id": "trfi",
    "trf_timestamp": "trft",
}
QUOTE = {
    "event_type": "ev", "symbol": "sym", "bid_exchange_id": "bx", "bid_price": "bp", "bid_size": "bs",
    "ask_exchange_id": "ax", "ask_price": "ap", "ask_size": "as", "condition": "c", "indicators": "i",
    "timestamp": "t", "sequence_number": "q", "tape": "z",
}
BAR = {
    "event_type": "ev", "symbol": "sym", "volume": "v", "fractional_volume": "dv", "accumulated_volume": "av",
    "fractional_accumulated_volume": "dav", "official_open_price": "op", "vwap": "vw", "open": "o", "close": "c",
    "high": "h", "low": "l", "aggregate_vwap": "a", "average_size": "z", "start_timestamp": "s",
    "end_timestamp": "e",
}
NAMES: dict[type, dict[str, str]] = {EquityTrade: TRADE, EquityQuote: QUOTE, EquityAgg: BAR}


def show(origin: str, symbol: str, message: Any) -> None:
    print(json.dumps({"from": origin, "symbol": symbol, "message": message}, separators=(",", ":")))


def members(record: Any, names: dict[str, str]) -> dict[str, Any]:
    pairs = ((short, getattr(record, name)) for name, short in names.items())
    return {short: value for short, value in pairs if value is not None}


def cut() -> None:
    with socket.create_connection(("127.0.0.1", CONTROL), 5) as control:
        control.sendall(b"cut\n")
        answer = control.recv(64)
    assert answer == b"ok\n", answer


async def stream() -> None:
    client = WebSocketClient(KEY, feed=f"127.0.0.1:{PORT}", secure=False, max_reconnects=None)
    client.subscribe("T.*", "Q.AAPL", "Q.KO", "A.*", "AM.*")

    async def take(records: list[Any]) -> None:
        for record in records:
            show("stream", record.symbol, members(record, NAMES[type(record)]))

    reading = asyncio.create_task(client.connect(take))
    await asyncio.sleep(2)
    await asyncio.to_thread(cut)
    await asyncio.sleep(SECONDS - 2)
    await client.close()
    await reading


def rows(record: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if value is not None}


def requests(client: RESTClient, start: int) -> None:
    print(json.dumps({"from": "asked", "time": time.time_ns()}))
    for symbol in SYMBOLS:
        trades = list(client.list_trades(symbol, timestamp_gte=start, order="asc", limit=PAGE))
        quotes = list(client.list_quotes(symbol, timestamp_gte=start, order="asc", limit=PAGE))
        assert len(trades) > PAGE and len(quotes) > PAGE, (len(trades), len(quotes))
        for record in trades:
            show("trades", symbol, rows(record))
        for record in quotes:
            show("quotes", symbol, rows(record))


def bars(client: RESTClient, start: int) -> None:
    """Bars of the past are those of the trades of the past, a page for each bar."""
    for symbol in SYMBOLS:
        found = list(client.list_aggs(
            symbol, 1, "minute", start, start + 3 * MINUTE - 1, adjusted=False, limit=1))
        assert [bar.timestamp for bar in found] == [start + place * MINUTE for place in range(3)], found
        # A late trade is reported up to 20 minutes after it happened.
        trades = list(client.list_trades(
            symbol, timestamp_gte=start * 1_000_000, timestamp_lt=(start + 25 * MINUTE) * 1_000_000,
            order="asc", limit=50_000))
        for bar in found:
            check(bar, trades)
        show("bars", symbol, [rows(bar) for bar in found])


def check(bar: Any, trades: list[Any]) -> None:
    first = bar.timestamp * 1_000_000
    last = first + MINUTE * 1_000_000
    own = [trade for trade in trades if first <= trade.participant_timestamp < last
           and trade.sip_timestamp < last + 900_000_000_000]
    own.sort(key=lambda trade: (trade.participant_timestamp, trade.sip_timestamp))
    # Odd lots and average prices count for the volume alone.
    priced = [trade.price for trade in own if not {37, 2} & set(trade.conditions or [])]
    assert (bar.open, bar.close) == (priced[0], priced[-1]), (bar, own)
    assert (bar.high, bar.low) == (max(priced), min(priced)), bar
    assert bar.transactions == len(own), (bar, len(own))
    volume = sum(float(trade.decimal_size) for trade in own)
    assert abs(bar.volume - volume) < 1e-6, (bar, volume)
    average = sum(trade.price * float(trade.decimal_size) for trade in own) / volume
    assert abs(bar.vwap - average) < 1e-5, (bar, average)


def main() -> None:
    began = time.time_ns()
    asyncio.run(stream())
    client = RESTClient(KEY, base=f"http://127.0.0.1:{PORT}")
    requests(client, began)
    # Bars whose late trades are all reported.
    bars(client, (began // 1_000_000 // MINUTE - 30) * MINUTE)


main()
