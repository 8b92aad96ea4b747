#!/usr/bin/env python3
"""A server of HTTP that reads rows and keeps none, on the last core that it may use.

    discard_rows.py PID

The main thread of the process PID gets the first core, with the threads and processes that it begins later. Prints
{"port": ..., "control_port": ..., "cores": ...}. A POST to /write is answered as by QuestDB, others as by ClickHouse,
whose version a client asks for first. A line to the control port is answered by "SECONDS BYTES": its processor time
and the bytes of bodies so far.
"""
import json
import os
import socketserver
import sys
import threading
import time

PIECE = 1 << 20
VERSION = b"26.2.1.1\tUTC\n"


class Front(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    bytes = 0

    def handle(self):
        self.piece = memoryview(bytearray(PIECE))
        try:
            while line := self.rfile.readline():
                self.answer(line.split()[1], self.body(self.heads()))
        except ConnectionError:
            # The client has ended.
            pass

    def heads(self):
        found = {}
        while (line := self.rfile.readline().strip()):
            name, _, value = line.partition(b":")
            found[name.strip().lower()] = value.strip().lower()
        return found

    def lengths(self, heads):
        """Gives the length of each piece of a body, and reads what stands between them."""
        if heads.get(b"transfer-encoding") != b"chunked":
            yield int(heads.get(b"content-length", 0))
            return
        while length := int(self.rfile.readline().split(b";")[0], 16):
            yield length
            self.rfile.readline()
        self.rfile.readline()

    def body(self, heads):
        """Reads a body. Returns the beginning of a short one."""
        start = b""
        for length in self.lengths(heads):
            Front.bytes += length
            if length <= 64:
                piece = self.rfile.read(length)
                start = start or piece
                continue
            while length:
                count = self.rfile.readinto(self.piece[:min(length, PIECE)])
                if not count:
                    raise ConnectionError("the client has gone")
                length -= count
        return start

    def answer(self, path, asked):
        if path.startswith(b"/write"):
            self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        said = VERSION if asked.startswith(b"SELECT version()") else b""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))


class Control(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(f"{time.process_time()} {Front.bytes}\n".encode())


def main():
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    os.sched_setaffinity(int(sys.argv[1]), {cores[0]})
    servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) for kind in (Front, Control)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = [server.server_address[1] for server in servers]
    print(json.dumps({"port": ports[0], "control_port": ports[1], "cores": len(cores)}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
