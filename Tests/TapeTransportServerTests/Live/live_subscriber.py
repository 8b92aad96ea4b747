"""A subscriber of the live fan-out in another language, on a bare socket: nothing of ours, and no
library. Prints one line of JSON per message: kind, series, symbol, source of the subject, message.

    live_subscriber.py HOST PORT SUBJECT COUNT
"""

import json
import socket
import sys
from urllib.parse import quote, unquote

host, port, pattern, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
link = socket.create_connection((host, port), timeout=60)
link.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
link.sendall(f"SUB {pattern} 1\r\nPING\r\n".encode())
stream = link.makefile("rb")
seen = 0
while seen < count:
    line = stream.readline().split()
    if line[0] == b"PING":
        link.sendall(b"PONG\r\n")
    elif line[0] == b"PONG":
        print("ready", flush=True)
    elif line[0] == b"MSG":
        subject, payload = line[1].decode(), stream.read(int(line[-1]) + 2)[:-2]
        namespace, live, kind, *series, token, source = subject.split(".")
        symbol = unquote(token)
        if quote(symbol, safe="").replace(".", "%2E") != token:
            sys.exit(f"{subject}: not the token that Python makes of {symbol}")
        found = {"kind": kind, "series": series, "symbol": symbol, "source": source}
        # Decimals are texts, so the reader decides how to represent them.
        found["message"] = json.loads(payload)
        print(json.dumps(found), flush=True)
        seen += 1
    elif line[0] == b"-ERR":
        sys.exit(" ".join(part.decode() for part in line))
