#!/usr/bin/env python3
"""Measures how fast ib_async decodes recorded bytes of a server, on one core.

    decode_ib_async.py STREAM READ_BYTES

STREAM: messages as they come from the socket, handed over READ_BYTES at a time. Every handler is an
empty function. Prints the number of messages and the processor time in nanoseconds.
"""
import logging
import sys
import time

from ib_async.client import Client

VERSION = 178


class Complaints(logging.Handler):
    """Counts log messages, because the decoder logs what it does not understand and continues."""

    count = 0

    def emit(self, record):
        self.count += 1


class Wrapper:
    """Has a handler for each message of the stream. A message without a handler would not be
    decoded."""

    def __init__(self):
        def nothing(*_):
            pass

        self.priceSizeTick = self.tickSize = self.tickString = self.tickGeneric = nothing
        self.updateMktDepth = self.updateMktDepthL2 = self.realtimeBar = nothing
        self.tickByTickAllLast = self.tickByTickBidAsk = self.tickOptionComputation = nothing


def main(path, read_bytes):
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    with open(path, "rb") as file:
        stream = file.read()
    client = Client(Wrapper())
    # Behind the handshake.
    client._serverVersion = client.decoder.serverVersion = VERSION
    client._apiReady = True
    start = time.process_time_ns()
    for place in range(0, len(stream), read_bytes):
        client._onSocketHasData(stream[place : place + read_bytes])
    taken = time.process_time_ns() - start
    if complaints.count:
        sys.exit(f"ib_async did not understand {complaints.count} messages")
    print(client._numMsgRecv, taken)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
