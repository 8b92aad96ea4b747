"""Reads a simulated Alpaca on loopback with alpaca-py, the vendor's client, and writes what it decoded as
one JSON object per line: {"from": "stream" | "requests", "symbol", "message"}, in the members' order. Before the
requests comes {"from": "asked", "time"}. After two seconds it has the simulator cut the connection, and the client
connects again.

read_alpaca.py PORT CONTROL-PORT SECONDS
"""

import datetime
import json
import socket
import sys
import threading
import time
from typing import Any

from alpaca.data.enums import DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.live.stock import StockDataStream
from alpaca.data.requests import StockBarsRequest, StockQuotesRequest, StockTradesRequest
from alpaca.data.timeframe import TimeFrame

PORT, CONTROL, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
KEYS = ("test-key", "test-secret")
SYMBOLS = ["AAPL", "KO"]
PAGE = 100


def plain(value: Any) -> Any:
    """What MessagePack brought, as the JSON of the same message has it."""
    if hasattr(value, "nanoseconds"):  # msgpack.Timestamp
        whole = datetime.datetime.fromtimestamp(value.seconds, datetime.UTC)
        digits = f"{value.nanoseconds:09}".rstrip("0")
        return f"{whole:%Y-%m-%dT%H:%M:%S}" + (f".{digits}" if digits else "") + "Z"
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def show(origin: str, symbol: str, message: Any) -> None:
    print(json.dumps({"from": origin, "symbol": symbol, "message": plain(message)}, separators=(",", ":")))


def cut() -> None:
    with socket.create_connection(("127.0.0.1", CONTROL), 5) as control:
        control.sendall(b"cut\n")
        answer = control.recv(64)
    assert answer == b"ok\n", answer


def stream() -> None:
    client = StockDataStream(*KEYS, raw_data=True, url_override=f"ws://127.0.0.1:{PORT}/v2/sip")

    async def take(message: Any) -> None:
        show("stream", message["S"], message)

    client.subscribe_trades(take, "*")
    client.subscribe_quotes(take, "*")
    client.subscribe_bars(take, "*")
    client.subscribe_updated_bars(take, "*")
    client.subscribe_daily_bars(take, "*")
    client.subscribe_trading_statuses(take, "*")
    client.register_trade_corrections(take)
    client.register_trade_cancels(take)
    threading.Timer(2, cut).start()
    threading.Timer(SECONDS, client.stop).start()
    client.run()


def requests(start: datetime.datetime) -> None:
    client = StockHistoricalDataClient(*KEYS, raw_data=True, url_override=f"http://127.0.0.1:{PORT}")
    pages = client._get_marketdata
    setattr(client, "_get_marketdata", lambda **what: pages(page_limit=PAGE, **what))
    end = datetime.datetime.now(datetime.UTC)
    print(json.dumps({"from": "asked", "time": time.time_ns()}))
    trades: Any = client.get_stock_trades(
        StockTradesRequest(symbol_or_symbols=SYMBOLS, start=start, end=end, feed=DataFeed.SIP))
    quotes: Any = client.get_stock_quotes(
        StockQuotesRequest(symbol_or_symbols=SYMBOLS, start=start, end=end, feed=DataFeed.SIP))
    for symbol in SYMBOLS:
        assert len(trades[symbol]) > PAGE and len(quotes[symbol]) > PAGE, (len(trades), len(quotes))
        for message in trades[symbol]:
            show("trades", symbol, message)
        for message in quotes[symbol]:
            show("quotes", symbol, message)
    bars(client, end.replace(second=0, microsecond=0) - datetime.timedelta(minutes=4))


def bars(client: StockHistoricalDataClient, start: datetime.datetime) -> None:
    """Bars of the past are those of the trades of the past."""
    end = start + datetime.timedelta(minutes=3, microseconds=-1)
    what: dict[str, Any] = {
        "symbol_or_symbols": SYMBOLS, "start": start, "end": end, "feed": DataFeed.SIP}
    found: Any = client.get_stock_bars(StockBarsRequest(timeframe=TimeFrame.Minute, **what))
    trades: Any = client.get_stock_trades(StockTradesRequest(**what))
    for symbol in SYMBOLS:
        minutes: dict[str, list[Any]] = {}
        for trade in trades[symbol]:
            if trade.get("u") not in ("canceled", "incorrect"):
                minutes.setdefault(trade["t"][:16] + ":00Z", []).append(trade)
        assert len(found[symbol]) == 3, found[symbol]
        for bar in found[symbol]:
            own = minutes[bar["t"]]
            prices = [trade["p"] for trade in own]
            sizes = sum(trade["s"] for trade in own)
            assert (bar["o"], bar["c"]) == (prices[0], prices[-1]), (bar, own)
            assert (bar["h"], bar["l"]) == (max(prices), min(prices)), bar
            assert (bar["v"], bar["n"]) == (sizes, len(own)), bar
            average = sum(trade["p"] * trade["s"] for trade in own) / sizes
            assert abs(bar["vw"] - average) < 1e-5, (bar, average)
        show("bars", symbol, found[symbol])


began = datetime.datetime.now(datetime.UTC)
stream()
requests(began)
