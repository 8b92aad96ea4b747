#!/usr/bin/env python3
"""Reads trades with python-binance, the exchange's best-known client, over TLS.

    SSL_CERT_FILE=AUTHORITY read_binance.py PORT COUNT

Prints how many it has read, and the processor time that they took in nanoseconds.
"""
import asyncio
import sys
import time

from binance import AsyncClient, BinanceSocketManager


async def main(port, count):
    client = AsyncClient()
    manager = BinanceSocketManager(client, max_queue_size=count + 1)
    manager.STREAM_URL = f"wss://localhost:{port}/"
    read = 0
    async with manager.multiplex_socket(["btcusdt@trade"]) as stream:
        start = time.process_time_ns()
        while read < count:
            event = await asyncio.wait_for(stream.recv(), 60)
            if event.get("e") == "error":
                sys.exit(f"after {read}: {event}")
            read += event["data"]["e"] == "trade"
        print(read, time.process_time_ns() - start)
    await client.close_connection()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
