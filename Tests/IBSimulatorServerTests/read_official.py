"""The vendor's client: python3 read_official.py PORT CLIENT_ID START FILE"""

import sys
import threading
import time

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

import recorded


class App(EWrapper, EClient):
    def __init__(self):
        EClient.__init__(self, self)
        self.pending = None

    def error(self, request, moment, code, text, advanced=""):
        # The client's own error codes are not messages.
        if code in (502, 504, 509):
            return
        fields = [code, text] + ([advanced or ""] if self.recorder.version >= 166 else [])
        self.recorder.emit("error", request, *fields)

    def tickPrice(self, request, kind, price, attributes):
        mask = attributes.canAutoExecute + 2 * attributes.pastLimit + 4 * attributes.preOpen
        if kind in recorded.DERIVED_SIZES:
            # The client reports the price's size in a separate call, which comes next.
            self.pending = (request, kind, price, mask)
        else:
            self.recorder.emit("tickPrice", request, kind, price, "0", mask)

    def tickSize(self, request, kind, size):
        if self.pending:
            same, price_kind, price, mask = self.pending
            assert same == request
            self.pending = None
            self.recorder.emit("tickPrice", request, price_kind, price, size, mask)
        else:
            self.recorder.emit("tickSize", request, kind, size)


def contract(symbol, kind, exchange, currency, number):
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, kind, exchange, currency
    made.conId = number
    return made


def main():
    port, client, start, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    app = App()
    recorder = recorded.Recorder(path, 0)
    app.recorder = recorder
    for name, handler in recorder.handlers().items():
        setattr(app, name, handler)
    app.connect("127.0.0.1", port, client)
    recorder.version = app.serverVersion()
    threading.Thread(target=app.run, daemon=True).start()
    recorder.wait({"nextValidId": 1, "managedAccounts": 1}, 20)
    recorded.ask(app, contract)
    time.sleep(1.1)
    recorded.ask_more(app, contract, start, recorder.version)
    recorder.wait(recorded.wanted(recorder.version), 40)
    time.sleep(1.1)
    recorded.withdraw(app)
    recorder.wait({"currentTime": 2}, 20)
    app.disconnect()
    recorder.close()


main()
