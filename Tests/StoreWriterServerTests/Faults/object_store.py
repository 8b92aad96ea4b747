"""An object store that speaks S3, PyPI's moto, with TLS.

object_store.py CERTIFICATE KEY BUCKET: makes the bucket, prints its ports, and serves. A line on the control port is
answered with what the bucket has: objects, their bytes, and how many of them are not encrypted.
"""

import asyncio
import json
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.middleware import AsyncioWSGIMiddleware
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import create_backend_app

# The largest object of a test.
BYTES_MAX = 1 << 30


def contents(bucket):
    values = [key.value for key in bucket.keys.values()]
    # How pgBackRest begins its lists, and zstd a file.
    clear = sum(value.startswith((b"[", b"\x28\xb5\x2f\xfd")) for value in values)
    return {"objects": len(values), "bytes": sum(map(len, values)), "clear": clear}


async def main(certificate, key, name):
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(name, "us-east-1")

    async def tell(reader, writer):
        await reader.readline()
        writer.write(json.dumps(contents(bucket)).encode() + b"\n")
        writer.close()

    control = await asyncio.start_server(tell, "127.0.0.1", 0)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.certfile, config.keyfile = certificate, key
    ports = {"port": listener.getsockname()[1], "control_port": control.sockets[0].getsockname()[1]}
    print(json.dumps(ports), flush=True)
    store = create_backend_app("s3")

    def answer(environment, start):
        # hypercorn sends nothing at all where a body has no part.
        return list(store(environment, start)) or [b""]

    application = AsyncioWSGIMiddleware(answer, max_body_size=BYTES_MAX)
    await serve(application, config, shutdown_trigger=asyncio.Event().wait)


asyncio.run(main(*sys.argv[1:]))
