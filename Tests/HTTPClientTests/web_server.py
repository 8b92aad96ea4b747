"""A server of HTTP/1.1 and HTTP/2, PyPI's hypercorn, and plain sockets beside it that break rules.

web_server.py [CERTIFICATE KEY]: prints {"port": ..., ...}. The path says what happens.
"""

import asyncio
import email.utils
import gzip
import json
import socket
import sys
import time
import zlib

from hypercorn.asyncio import serve
from hypercorn.config import Config

from loopback_proxy import proxy

# The requests to wait, and whether their client has gone.
GONE = []


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    name, _, argument = scope["path"].strip("/").partition("/")

    async def answer(status, body=b"", headers=()):
        fields = [(key.encode(), value.encode()) for key, value in headers]
        fields.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    match name:
        case "echo":
            seen = {
                "version": scope["http_version"],
                "query": scope["query_string"].decode(),
                "connection": scope["client"][1],
                "headers": {key.decode(): value.decode() for key, value in scope["headers"]},
            }
            weight = [("X-MBX-Used-Weight-1M", "17"), ("x-many", "a"), ("X-Many", "b")]
            await answer(200, json.dumps(seen).encode(), weight)
        case "posted":
            body, more = b"", True
            while more:
                part = await receive()
                body += part.get("body", b"")
                more = part.get("more_body", False)
            seen = {
                "method": scope["method"], "bytes": len(body), "sum": sum(body),
                "headers": sorted(key.decode() for key, _ in scope["headers"]),
            }
            await answer(200, json.dumps(seen).encode())
        case "gzip":
            body = gzip.compress(b"squeezed " * 10_000)
            await answer(200, body, [("content-encoding", "gzip")])
        case "bomb":
            # Much after decompression, little before.
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            parts = [packer.compress(bytes(1 << 20)) for _ in range(int(argument))]
            body = b"".join(parts) + packer.flush()
            await answer(200, body, [("content-encoding", "gzip")])
        case "chunked":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(100):
                part = {"type": "http.response.body", "body": b"%02d" % number}
                await send(part | {"more_body": True})
            await send({"type": "http.response.body", "body": b""})
        case "large":
            await answer(200, b"y" * int(argument))
        case "stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(int(argument)):
                part = {"type": "http.response.body", "body": b"z" * 1_000}
                await send(part | {"more_body": True})
            await send({"type": "http.response.body", "body": b""})
        case "status":
            status, _, wait = argument.partition("/")
            headers = []
            if wait.startswith("in"):
                moment = time.time() + int(wait[2:])
                headers = [("retry-after", email.utils.formatdate(moment, usegmt=True))]
            elif wait:
                headers = [("retry-after", wait)]
            await answer(int(status), b"{}", headers)
        case "redirect":
            await answer(302, b"", [("location", "/echo")])
        case "state":
            await answer(200, json.dumps({"gone": GONE}).encode())
        case _:
            await answer(404)


async def raw(reader, writer):
    """Answers that no server should give."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    name = request.split(" ")[1].strip("/").split("?")[0]
    head = b"HTTP/1.1 200 OK\r\n"
    try:
        match name:
            case "truncated":
                writer.write(head + b"Content-Length: 100\r\n\r\nabc")
            case "truncated-chunks":
                writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n10\r\nabc")
            case "bad-gzip":
                body = b"this is no gzip"
                writer.write(head + b"Content-Encoding: gzip\r\nContent-Length: 15\r\n\r\n" + body)
            case "garbage":
                writer.write(b"\xff\x00" * 50 + b"\r\n\r\n")
            case "bad-length":
                writer.write(head + b"Content-Length: 99999999999999999999999\r\n\r\nabc")
            case "huge-length":
                writer.write(head + b"Content-Length: 1000000000000\r\n\r\nabc")
                await asyncio.sleep(3600)
            case "headers":
                writer.write(head)
                for number in range(10_000):
                    writer.write(b"x-%d: %s\r\n" % (number, b"v" * 200))
                    await writer.drain()
            case "interim":
                for _ in range(100_000):
                    writer.write(b"HTTP/1.1 103 Early Hints\r\nx-wanted: early\r\n\r\n")
                    await writer.drain()
            case "early":
                writer.write(b"HTTP/1.1 103 Early Hints\r\nx-wanted: early\r\n\r\n")
                writer.write(head + b"x-wanted: late\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"2\r\nok\r\n0\r\nx-wanted: trailer\r\n\r\n")
            case "odd-text":
                writer.write(head + b"x-wanted: \xff\xfe\x1b[1m\r\nContent-Length: 0\r\n\r\n")
            case "wait":
                GONE.append(False)
                number = len(GONE) - 1
                try:
                    await reader.read()
                finally:
                    GONE[number] = True
            case "silent":
                await asyncio.sleep(3600)
            case "drip":
                writer.write(head + b"Content-Length: 1000000\r\n\r\n")
                for _ in range(1_000):
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.1)
        await writer.drain()
        writer.close()
    except ConnectionError:
        writer.close()


async def silent(reader, writer):
    """Takes a connection and says nothing."""
    await asyncio.sleep(3600)


async def refuse(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 60
    # Otherwise the server closes a connection after 1,000 requests.
    config.keep_alive_max_requests = 1_000_000
    if len(sys.argv) > 2:
        config.certfile, config.keyfile = sys.argv[1], sys.argv[2]
    ports = {"port": listener.getsockname()[1]}
    for name, handler in [
        ("raw", raw), ("silent", silent), ("proxy", proxy), ("refusing_proxy", refuse)
    ]:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        ports[f"{name}_port"] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


asyncio.run(main())
