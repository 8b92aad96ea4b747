"""ib_async's client: python3 read_ib_async.py PORT CLIENT_ID START FILE"""

import asyncio
import datetime
import sys

from ib_async.client import Client
from ib_async.contract import Contract

import recorded


class Wrapper:
    """Receives the decoder's calls."""

    defaultTimezone = datetime.timezone.utc

    def __init__(self, recorder):
        for name, handler in recorder.handlers().items():
            setattr(self, name, handler)
        self.recorder = recorder

    def error(self, request, code, text, advanced):
        # Notices may come before the version was stored.
        version = self.client.serverVersion()
        fields = [code, text] + ([advanced] if version >= 166 else [])
        self.recorder.emit("error", request, *fields)

    def priceSizeTick(self, request, kind, price, size):
        self.recorder.emit("tickPrice", request, kind, price, size)

    def tickSize(self, request, kind, size):
        self.recorder.emit("tickSize", request, kind, size)

    def connectionClosed(self):
        pass


def contract(symbol, kind, exchange, currency, number):
    return Contract(
        symbol=symbol, secType=kind, exchange=exchange, currency=currency, conId=number
    )


async def seen(recorder, wanted, seconds):
    for _ in range(int(seconds * 20)):
        if not recorder.missing(wanted):
            return
        await asyncio.sleep(0.05)
    sys.exit(f"not seen within {seconds} s: {recorder.missing(wanted)}")


async def main():
    port, number, start, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    recorder = recorded.Recorder(path, 178)
    wrapper = Wrapper(recorder)
    client = wrapper.client = Client(wrapper)
    await client.connectAsync("127.0.0.1", port, number, 20)
    recorder.version = client.serverVersion()
    await seen(recorder, {"nextValidId": 1, "managedAccounts": 1}, 20)
    recorded.ask(client, contract)
    await asyncio.sleep(1.1)
    recorded.ask_more(client, contract, start, recorder.version)
    await seen(recorder, recorded.wanted(recorder.version), 40)
    await asyncio.sleep(1.1)
    recorded.withdraw(client)
    await seen(recorder, {"currentTime": 2}, 20)
    client.disconnect()
    recorder.close()


asyncio.run(main())
