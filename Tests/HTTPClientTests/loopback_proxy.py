"""A proxy that finds each host on loopback, for the servers of tests."""

import asyncio


async def proxy(reader, writer):
    """A proxy that finds each host on loopback."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, target, _ = request.split("\r\n")[0].split(" ")
    if method != "CONNECT":
        writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
        writer.close()
        return
    there, back = await asyncio.open_connection("127.0.0.1", int(target.rsplit(":", 1)[1]))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(pump(reader, back), pump(there, writer))


async def pump(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()
