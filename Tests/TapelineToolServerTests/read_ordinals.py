#!/usr/bin/env python3
"""Prints the ordinals of each packet that a stream of the tape holds, by nats-py and docs/wire-format.md alone.

    read_ordinals.py STREAM          with the server's URL in JUDGE_NATS
"""
import asyncio
import os
import struct
import sys

import nats
from nats.js.errors import NotFoundError

# In a packet: the message header, then the block of PacketHeader.
TICK_COUNT, FIRST_ORDINAL = 8 + 12, 8 + 24


async def main(stream):
    client = await nats.connect(os.environ["JUDGE_NATS"])
    tape = client.jetstream()
    state = (await tape.stream_info(stream)).state
    for sequence in range(state.first_seq, state.last_seq + 1):
        try:
            message = await tape.get_msg(stream, seq=sequence)
        except NotFoundError:
            continue
        (count,) = struct.unpack_from("<I", message.data, TICK_COUNT)
        (first,) = struct.unpack_from("<Q", message.data, FIRST_ORDINAL)
        if count:
            print(f"{message.subject} {first}-{first + count - 1}")
    await client.close()


asyncio.run(main(*sys.argv[1:]))
