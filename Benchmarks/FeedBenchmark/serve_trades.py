#!/usr/bin/env python3
"""A server of the exchange's streams that sends as fast as its clients read: WebSockets with TLS on loopback.

    serve_trades.py MESSAGES CERTIFICATE KEY

MESSAGES: one message a line. Prints its port as JSON. A client that names its streams in the path gets the messages at
once, another one after its first request, which is answered. Each gets all of them, once.
"""
import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading

CHUNK = 1 << 18


def frame(payload):
    size = len(payload)
    head = struct.pack("!BB", 0x81, size) if size < 126 else struct.pack("!BBH", 0x81, 126, size)
    return head + payload


def read_until(link, end):
    received = b""
    while end not in received:
        piece = link.recv(4096)
        if not piece:
            raise ConnectionError("the client has gone")
        received += piece
    return received


def request(link):
    """Reads one text of a client, which is masked, and returns its id."""
    data = b""
    while len(data) < 14:
        data += link.recv(65536)
    size, place = data[1] & 0x7F, 2
    if size == 126:
        size, place = struct.unpack("!H", data[2:4])[0], 4
    while len(data) < place + 4 + size:
        data += link.recv(65536)
    mask = data[place:place + 4]
    text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data[place + 4:place + 4 + size]))
    return json.loads(text)["id"]


def serve(link, frames):
    try:
        head = read_until(link, b"\r\n\r\n").decode()
        key = re.search(r"(?i)sec-websocket-key: *(\S+)", head)[1]
        accept = base64.b64encode(
            hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        link.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        if "streams=" not in head.split("\r\n", 1)[0]:
            link.sendall(frame(json.dumps({"result": None, "id": request(link)}).encode()))
        for start in range(0, len(frames), CHUNK):
            link.sendall(frames[start:start + CHUNK])
        while link.recv(65536):
            pass
    except OSError:
        # The client has read enough.
        pass
    finally:
        link.close()


def main(path, certificate, key):
    with open(path, "rb") as file:
        frames = memoryview(b"".join(frame(line) for line in file.read().splitlines()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": server.getsockname()[1]}), flush=True)
    while True:
        plain, _ = server.accept()
        try:
            link = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            continue
        threading.Thread(target=serve, args=(link, frames), daemon=True).start()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
