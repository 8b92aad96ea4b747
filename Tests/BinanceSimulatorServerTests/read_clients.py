"""Reads a simulated exchange on loopback with python-binance and with ccxt, and writes what they decoded
as one JSON object per line: {"from": ..., "symbol", "id", "price", "quantity", "time", "is_buyer_maker"}.

read_clients.py PORT TRADES
"""

import asyncio
import json
import sys

import ccxt
from binance import AsyncClient, BinanceSocketManager, Client

PORT, TRADES = int(sys.argv[1]), int(sys.argv[2])
REST = f"http://127.0.0.1:{PORT}/api"


def show(origin, symbol, number, price, quantity, time, is_buyer_maker):
    line = {
        "from": origin, "symbol": symbol, "id": int(number), "price": price, "quantity": quantity,
        "time": time, "is_buyer_maker": is_buyer_maker,
    }
    print(json.dumps(line))


async def streams():
    """Two sockets: a plain stream, and a combined one."""
    client = AsyncClient()
    client.API_URL = REST
    manager = BinanceSocketManager(client)
    manager.STREAM_URL = f"ws://127.0.0.1:{PORT}/"
    names = ["btcusdt@trade", "ethusdt@trade"]
    async with manager.trade_socket("BTCUSDT") as plain:
        for _ in range(TRADES):
            event = await asyncio.wait_for(plain.recv(), 20)
            show_event("plain", event)
    async with manager.multiplex_socket(names) as combined:
        for _ in range(TRADES):
            event = await asyncio.wait_for(combined.recv(), 20)
            assert event["stream"] in names, event
            show_event("combined", event["data"])
    await beside_trades(manager)
    await client.close_connection()


async def beside_trades(manager):
    """Quotes, bars and books, by the members that their documentation lists."""
    members = {
        "btcusdt@bookTicker": {"u", "s", "b", "B", "a", "A"},
        "btcusdt@kline_1s": {"e", "E", "s", "k"},
        "btcusdt@depth20@100ms": {"lastUpdateId", "bids", "asks"},
    }
    missing = set(members)
    async with manager.multiplex_socket(list(members)) as combined:
        while missing:
            event = await asyncio.wait_for(combined.recv(), 20)
            assert set(event["data"]) == members[event["stream"]], event
            missing.discard(event["stream"])


def show_event(origin, event):
    assert event["e"] == "trade", event
    show(origin, event["s"], event["t"], event["p"], event["q"], event["T"], event["m"])


def requests():
    client = Client(ping=False)
    client.API_URL = REST
    info = client.get_exchange_info()
    assert {"BTCUSDT", "ETHUSDT"} <= {symbol["symbol"] for symbol in info["symbols"]}
    latest = client.get_recent_trades(symbol="ETHUSDT", limit=TRADES)
    first = latest[0]["id"]
    again = client.get_historical_trades(symbol="ETHUSDT", fromId=first, limit=TRADES)
    assert again == latest
    for trade in latest:
        show(
            "requests", "ETHUSDT", trade["id"], trade["price"], trade["qty"], trade["time"],
            trade["isBuyerMaker"])


def unified():
    exchange = ccxt.binance(
        {"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}})
    exchange.urls["api"]["public"] = f"{REST}/v3"
    markets = exchange.load_markets()
    market = markets["BTC/USDT"]
    assert market["spot"] and market["active"] and market["base"] == "BTC", market
    assert market["precision"]["price"] == 0.01 and market["precision"]["amount"] == 1e-5, market
    trades = exchange.fetch_trades(
        "BTC/USDT", limit=TRADES, params={"fetchTradesMethod": "publicGetTrades"})
    for trade in trades:
        info = trade["info"]
        side = "sell" if info["isBuyerMaker"] else "buy"
        assert trade["side"] == side and float(info["price"]) == trade["price"], trade
        show(
            "ccxt", "BTCUSDT", trade["id"], info["price"], info["qty"], trade["timestamp"],
            info["isBuyerMaker"])


asyncio.run(streams())
requests()
unified()
