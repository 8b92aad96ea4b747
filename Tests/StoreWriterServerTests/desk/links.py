"""Connections of the tape's transport: closing beside complaints of the server, and the lanes of a block."""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time

HEADER = struct.Struct("<2xH12xI4xQQq8xHBB4x24s")
"""Of a packet (docs/wire-format.md): version, byteCount, epoch, firstOrdinal, watermark, partition, kind, flags,
source."""
ROOT = pathlib.Path(__file__).resolve().parents[3]
INFO = b'INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}\r\n'
CLOSES = """
#include "tapeline_transport.h"
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words) {
    tapeline_tape_options options = {.url = words[count - 1]};
    for (int round = 0; round < 400; round++) {
        tapeline_tape_error error;
        tapeline_tape *tape = tapeline_tape_open(&options, &error);
        if (!tape) return puts(error.text), 1;
        usleep(round % 40 * 10);
        tapeline_tape_close(tape);
    }
    return 0;
}
"""
"""Its pauses are as long as the first complaint is on its way."""
SHARES = """
#include "tapeline_transport.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int begun;

static void *reads(void *tape) {
    tapeline_tape_error error = {0};
    begun++;
    while (!tapeline_tape_fetch(tape, 60000, &error));
    return error.code == TAPELINE_TAPE_INVALID || error.code == TAPELINE_TAPE_CLOSED ? NULL : tape;
}

static void *asks(void *tape) {
    const tapeline_tape_message *block;
    tapeline_range_state state;
    begun++;
    while (!tapeline_tape_range(tape, 0, &state))
        tapeline_tape_is_connected(tape), tapeline_tape_block(tape, &block);
    return NULL;
}

int main(int count, char **words) {
    tapeline_tape_options options = {.url = words[count - 1]};
    for (int round = 0; round < 14; round++) {
        tapeline_tape_error error;
        tapeline_tape *tape = tapeline_tape_open(&options, &error);
        if (!tape) return puts(error.text), 1;
        pthread_t threads[6];
        begun = 0;
        for (int place = 0; place < 6; place++)
            pthread_create(&threads[place], NULL, place % 2 ? reads : asks, tape);
        while (begun < round % 7) sched_yield();
        tapeline_tape_close(tape);
        tapeline_tape_close(tape);
        for (int place = 0; place < 6; place++) {
            void *failed;
            pthread_join(threads[place], &failed);
            if (failed) return puts("a fetch beside the close did not fail as it should"), 1;
        }
    }
    return 0;
}
"""
"""Closes while other threads wait in calls and make new ones; the second close is of a tape that is gone."""


def links():
    closed()
    shared()
    lanes()
    spoken_to()
    forked()


def refuse(connection):
    """Answers as nats-server does to a user who may not subscribe, some times."""
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(INFO)
        for line in connection.makefile("rb"):
            if line.startswith(b"PING"):
                connection.sendall(b"PONG\r\n")
            elif line.startswith(b"SUB"):
                told = b"-ERR 'Permissions Violation for Subscription to \"%s\"'\r\n" % line.split()[1]
                connection.sendall(20 * told)


def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=refuse, args=(connection,), daemon=True).start()


def run(name, text, url):
    """Runs a C program with the transport, and expects that it ends well and touches no freed memory."""
    from desk.checks import equal

    source, program = ROOT / "Sources/Desk/transport", pathlib.Path(os.environ["DESK_SITE"]) / name
    program.with_suffix(".c").write_text(text)
    subprocess.run(
        ["clang", "-std=gnu17", "-g", "-fsanitize=address", "-w", f"-I{source}", "-o", program,
         program.with_suffix(".c"), source / "tapeline_transport.c", "-lnats", "-lpthread"],
        check=True, capture_output=True)
    done = subprocess.run(
        [program, url], capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    equal(done.returncode, 0, done.stdout, done.stderr[:2_000])


def closed():
    """Nothing of libnats writes into a connection that was closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    run("closes", CLOSES, f"nats://127.0.0.1:{listener.getsockname()[1]}")


def shared():
    """A close ends the calls of other threads, and none of them meets memory that is gone."""
    run("shares", SHARES, os.environ["NATS_URL"])


class Server:
    """A client of NATS for what the package does not do: streams, and messages to them."""

    def __init__(self, url):
        host, port = url.rpartition("//")[2].rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self._socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB _R.links 1\r\n')

    def ask(self, subject, body):
        """Returns the answer to a message."""
        self._socket.sendall(b"PUB %s _R.links %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        while not (line := self._lines.readline()).startswith(b"MSG"):
            assert line and not line.startswith(b"-ERR"), line
            if line.startswith(b"PING"):
                self._socket.sendall(b"PONG\r\n")
        return self._lines.read(int(line.split()[-1]) + 2)

    def watch_pulls(self):
        """Gets a copy of each request for messages from now on."""
        self._socket.sendall(b"SUB $JS.API.CONSUMER.MSG.NEXT.> 2\r\nPING\r\n")
        while not self._lines.readline().startswith(b"PONG"):
            pass

    def answer_pull(self, consumer, headers):
        """Sends a message without a body to the inbox of a pull of this consumer, by its number."""
        inbox = b""
        while b".p.0.%d." % consumer not in inbox:
            line = self._lines.readline()
            assert line and not line.startswith(b"-ERR"), line
            if line.startswith(b"PING"):
                self._socket.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                inbox = line.split()[3]
                self._lines.read(int(line.split()[-1]) + 2)
        size = len(headers)
        told = b"HPUB %s %d %d\r\n" % (inbox, size, size) if headers else b"PUB %s 0\r\n" % inbox
        self._socket.sendall(told + headers + b"\r\n")


def lanes():
    """A source that was retired and goes on within one block is not retired."""
    from desk.checks import check, equal
    from tapeline import transport, watermarks

    server = Server(os.environ["NATS_URL"])
    answer = server.ask("$JS.API.STREAM.CREATE.LANES", b'{"name":"LANES","subjects":["lanes.>"],"storage":"memory"}')
    check(b'"error"' not in answer, answer)
    # Epoch, flags and watermark of packets without a tick.
    for epoch, flags, watermark in ((5, 1, 100), (6, 3, 2**63 - 1), (7, 1, 110)):
        head = HEADER.pack(1, 88, epoch, 1, watermark, 0, 3, flags, b"ib")
        answer = server.ask("lanes.wm.0.ib", head)
        check(b'"seq"' in answer, answer)
    link = transport.Link(transport.TapeAddress(os.environ["NATS_URL"]))
    try:
        for _ in range(50):
            link.begin(0, "LANES", ["lanes.>"])
            # One block has what is there already.
            time.sleep(0.1)
            link.fetch(1_000)
            lanes = link.lanes()
            if len(link.messages()) == 3:
                break
    finally:
        link.close()
    equal([(lane.source, lane.epoch, lane.flags, lane.packets) for lane in lanes],
          [("ib", 5, 1, 1), ("ib", 6, 3, 1), ("ib", 7, 1, 1)])
    found = watermarks.Watermarks([0], None)
    for lane in lanes:
        found.note(lane)
    equal((found.retired, found.present(())), ({}, 110))
    # Another stream tells of the retirement later.
    found.note(lanes[1])
    equal(found.retired, {})


def spoken_to():
    """Messages on a pull's inbox that are no packet and tell nothing end the consumer, not the process."""
    from desk.checks import check, equal
    from tapeline import transport

    server = Server(os.environ["NATS_URL"])
    server.watch_pulls()
    link = transport.Link(transport.TapeAddress(os.environ["NATS_URL"]))
    try:
        messages = ((b"", ""), (b"NATS/1.0\r\nOther: x\r\n\r\n", ""), (b"NATS/1.0 409\r\n\r\n", "409"))
        for consumer, (headers, told) in enumerate(messages, 1):
            link.begin(0, "LANES", ["lanes.none"])
            server.answer_pull(consumer, headers)
            for _ in range(50):
                link.fetch(100)
                if link.state(0).state == 2:
                    break
            equal(link.state(0).state, 2)
            check(f"the server answered {told}".rstrip() in link.state(0).reason.decode(), link.state(0).reason)
    finally:
        link.close()


def forked():
    """A child of a fork, in which libnats has no threads, does not wait for a call of them."""
    from desk.checks import equal
    from tapeline import transport

    address = transport.TapeAddress(os.environ["NATS_URL"])
    transport.Link(address).close()
    child = os.fork()
    if child == 0:
        begin = time.monotonic()
        for _ in range(3):
            transport.Link(address).close()
        os._exit(0 if time.monotonic() - begin < 10 else 1)
    equal(os.waitpid(child, 0)[1], 0)
