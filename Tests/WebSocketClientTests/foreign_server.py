"""A WebSocket server of PyPI's websockets, and plain sockets beside it, for the client under test.

foreign_server.py [CERTIFICATE KEY]: prints {"port": ..., ...}. The path says what happens.
"""

import asyncio
import json
import pathlib
import ssl
import sys

from websockets.asyncio.server import serve

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "HTTPClientTests"))
from loopback_proxy import proxy  # noqa: E402


CODES = []
# The codes with which the paths /noted/NAME were left, by NAME.
NOTED = {}


async def client(connection):
    try:
        await answer(connection)
    finally:
        # The other ways to end leave no code.
        if connection.close_code is not None:
            CODES.append(connection.close_code)
            if connection.request.path.startswith("/noted/"):
                NOTED[connection.request.path.split("/")[2]] = connection.close_code


async def answer(connection):
    path = connection.request.path
    match path.split("/")[1]:
        case "echo" | "noted":
            async for message in connection:
                await connection.send(message)
        case "count":
            count = int(path.split("/")[2])
            for number in range(count):
                await connection.send(json.dumps({"number": number, "filler": "x" * 100}))
            await connection.wait_closed()
        case "fragments":
            await connection.send(["ab", "", "cd", "é" * 50_000, "ef"])
            await connection.wait_closed()
        case "large":
            await connection.send("y" * int(path.split("/")[2]))
            await connection.wait_closed()
        case "binary":
            await connection.send(b"\x00\x01\xff")
            await connection.wait_closed()
        case "close":
            await connection.send("last")
            await connection.close(int(path.split("/")[2]), "enough for today")
        case "cut":
            await connection.send("last")
            connection.transport.abort()
        case "garbage":
            connection.transport.write(b"\xff" * 64)
            await connection.wait_closed()
        case "broken-text":
            # A frame of text that is no UTF-8.
            connection.transport.write(b"\x81\x02\xc3\x28")
            await connection.wait_closed()
        case "broken-end":
            # A long text whose last letter is cut off.
            connection.transport.write(b"\x81\x7f" + (200_000).to_bytes(8, "big"))
            connection.transport.write(b"x" * 199_999 + b"\xc3")
            await connection.wait_closed()
        case "flood":
            # A message above the limit of which the first piece is no UTF-8, and much more behind
            # it, also after the client's close.
            piece = b"\xff" * 65_536 if path.endswith("broken") else b"x" * 65_536
            connection.transport.write(b"\x81\x7f" + (1 << 30).to_bytes(8, "big"))
            for _ in range(400):
                connection.transport.write(piece)
                await asyncio.sleep(0)
        case "extensions":
            extensions = [extension.name for extension in connection.protocol.extensions]
            await connection.send(json.dumps(extensions))
            await connection.wait_closed()
        case "agent":
            await connection.send(connection.request.headers.get("User-Agent", "none"))
            await connection.wait_closed()
        case "codes":
            while True:
                await connection.send(json.dumps(CODES))
                await asyncio.sleep(0.02)
        case "left":
            while path.split("/")[2] not in NOTED:
                await asyncio.sleep(0.02)
            await connection.send(str(NOTED[path.split("/")[2]]))
            await connection.wait_closed()
        case "half-open":
            # Nothing is read or answered any more, pings neither; the connection stays.
            connection.transport.pause_reading()
            await asyncio.sleep(3600)


async def raw(reader, writer):
    """Takes a connection and says nothing."""
    await asyncio.sleep(3600)


async def no_upgrade(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


def redirect(port):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{port}/binary\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    return answer


async def main():
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    silent = await asyncio.start_server(raw, "127.0.0.1", 0)
    refusing = await asyncio.start_server(no_upgrade, "127.0.0.1", 0)
    connecting = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with serve(
        client, "127.0.0.1", 0, ssl=context, max_size=None, ping_interval=None
    ) as server:
        port = server.sockets[0].getsockname()[1]
        redirecting = await asyncio.start_server(redirect(port), "127.0.0.1", 0)
        ports = {
            "port": port,
            "redirecting_port": redirecting.sockets[0].getsockname()[1],
            "silent_port": silent.sockets[0].getsockname()[1],
            "refusing_port": refusing.sockets[0].getsockname()[1],
            "proxy_port": connecting.sockets[0].getsockname()[1],
        }
        print(json.dumps(ports), flush=True)
        await asyncio.sleep(3600)


asyncio.run(main())
