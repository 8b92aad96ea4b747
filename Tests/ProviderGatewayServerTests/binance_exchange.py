"""A spot exchange on loopback: WebSocket streams of trades with dense ids, requests to subscribe, a
log of all trades, and faults on command. The protocol is that of the exchange's documentation; the
WebSocket side is PyPI's websockets.

binance_exchange.py TRUTH RATE SYMBOLS [CERTIFICATE KEY]: SYMBOLS has commas between them. Prints
{"port": ..., "control_port": ...}. Each line to the control port is a command; the answer is "ok".
"""

import asyncio
import json
import random
import ssl
import sys
import time

import websockets
from websockets.asyncio.server import serve


class Exchange:
    def __init__(self, truth, rate, symbols):
        self.truth = open(truth, "w", buffering=1)
        self.rate = rate
        self.ids = {symbol: 1000 for symbol in symbols}
        self.clients = {}
        self.is_mute = False
        self.lose = 0
        self.oversize = 0
        self.is_down = False
        self.random = random.Random(7)

    async def client(self, connection):
        if self.is_down:
            await connection.close(1013, "try again later")
            return
        self.clients[connection] = set()
        try:
            async for text in connection:
                await self.request(connection, json.loads(text))
        except websockets.ConnectionClosed:
            pass
        finally:
            del self.clients[connection]

    async def request(self, connection, request):
        if self.is_mute:
            return
        streams = self.clients[connection]
        result = None
        match request["method"]:
            case "SUBSCRIBE":
                streams.update(request["params"])
            case "UNSUBSCRIBE":
                streams.difference_update(request["params"])
            case "LIST_SUBSCRIPTIONS":
                result = sorted(streams)
            case method:
                error = {"code": 2, "msg": f"unknown method {method}", "id": request["id"]}
                await connection.send(json.dumps(error))
                return
        await connection.send(json.dumps({"result": result, "id": request["id"]}))

    async def broadcast(self, text, stream=None):
        for connection, streams in list(self.clients.items()):
            if stream is None or stream in streams:
                try:
                    await connection.send(text)
                except websockets.ConnectionClosed:
                    pass

    async def trade(self):
        symbol = self.random.choice(list(self.ids))
        self.ids[symbol] += 1
        quantity = f"{self.random.randint(1, 10**9) / 1e8:.8f}"
        if self.oversize > 0:
            self.oversize -= 1
            quantity = "123456789012345.00000000"
        now = int(time.time() * 1000)
        trade = {
            "e": "trade", "E": now, "s": symbol, "t": self.ids[symbol],
            "p": f"{self.random.randint(1, 10**7) / 100:.2f}", "q": quantity, "T": now,
            "m": self.random.random() < 0.5, "M": True,
        }
        self.truth.write(json.dumps(trade) + "\n")
        if self.lose > 0:
            self.lose -= 1
            return
        if self.is_mute:
            return
        stream = f"{symbol.lower()}@trade"
        text = json.dumps({"stream": stream, "data": trade}, separators=(",", ":"))
        await self.broadcast(text, stream)

    async def market(self):
        while True:
            await asyncio.sleep(1 / self.rate)
            await self.trade()

    async def command(self, line):
        words = line.split()
        match words[0]:
            case "cut":
                for connection in list(self.clients):
                    connection.transport.abort()
            case "down":
                self.is_down = True
                for connection in list(self.clients):
                    connection.transport.abort()
            case "up":
                self.is_down = False
            case "mute":
                self.is_mute = True
            case "talk":
                self.is_mute = False
            case "close":
                for connection in list(self.clients):
                    await connection.close(1008, "too many requests")
            case "lose":
                self.lose = int(words[1])
            case "oversize":
                self.oversize = int(words[1])
            case "shutdown":
                event = {"e": "serverShutdown", "E": int(time.time() * 1000)}
                await self.broadcast(json.dumps({"stream": "!serverShutdown", "data": event}))
            case "block":
                for symbol in self.ids:
                    stream = f"{symbol.lower()}@blockTrade"
                    data = {"e": "blockTrade", "s": symbol, "t": 5, "p": "1", "q": "1", "T": 1}
                    await self.broadcast(json.dumps({"stream": stream, "data": data}))
            case "garbage":
                await self.broadcast('{"stream":"x","data":{"e":"trade","s"')
                await self.broadcast(b"\x00\xff\x00")
            case "raw":
                # Bytes that are no frame, behind the library's back.
                for connection in list(self.clients):
                    connection.transport.write(b"\xff" * 64)
            case "truncated":
                # The beginning of a frame of 256 bytes, and then the end.
                for connection in list(self.clients):
                    connection.transport.write(b"\x81\x7e\x01\x00{\"stream\":\"btc")
                    await asyncio.sleep(0.05)
                    connection.transport.abort()
            case "huge":
                await self.broadcast("9" * 2_000_000)
            case "clients":
                return str(len(self.clients))
        return "ok"

    async def control(self, reader, writer):
        while line := await reader.readline():
            answer = await self.command(line.decode())
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        writer.close()


async def main():
    truth, rate, symbols, *files = sys.argv[1:]
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    exchange = Exchange(truth, float(rate), symbols.split(","))
    control = await asyncio.start_server(exchange.control, "127.0.0.1", 0)
    async with serve(
        exchange.client, "127.0.0.1", 0, ssl=context, compression="deflate"
    ) as server:
        ports = {
            "port": server.sockets[0].getsockname()[1],
            "control_port": control.sockets[0].getsockname()[1],
        }
        print(json.dumps(ports), flush=True)
        await exchange.market()


asyncio.run(main())
