"""What stands before a store in tests: a port of HTTP, and one whose lines plan faults of it."""

import http.server
import json
import os
import socketserver
import threading


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.planned = []
        self.held = 0
        self.done = 0
        self.released = threading.Event()
        # What rows have to come with. Empty: all passwords are taken.
        self.password = ""
        self.refused = 0

    def takes(self, password):
        with self.lock:
            is_right = self.password in ("", password)
            self.refused += not is_right
        return is_right

    def command(self, line):
        """Answers a line to the control port."""
        words = line.split()
        with self.lock:
            match words:
                case ["held"]:
                    return str(self.held)
                case ["done"]:
                    return str(self.done)
                case ["refused"]:
                    return str(self.refused)
                case ["password", password]:
                    self.password = password
                case ["release"]:
                    self.released.set()
                case [name, count]:
                    self.released.clear()
                    self.planned += [name] * int(count)
        return "ok"

    def next(self):
        with self.lock:
            return self.planned.pop(0) if self.planned else ""

    def wait(self, fault, stream):
        """Waits before rows are stored. Returns whether they are."""
        if fault in ("before", "late"):
            self.hold(stream)
        if fault == "slow":
            with self.lock:
                self.held += 1
        if fault in ("late", "slow"):
            self.released.wait()
        return fault != "before"

    def wait_after(self, fault, stream):
        """Waits after they were stored. Returns whether that is answered."""
        if fault == "after":
            self.hold(stream)
        if fault in ("late", "slow"):
            with self.lock:
                self.done += 1
        return fault not in ("lose", "after", "late")

    def hold(self, stream):
        """Waits until the client has gone."""
        with self.lock:
            self.held += 1
        try:
            stream.read(1)
        except OSError:
            pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults = None

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end(self):
        """Ends the connection without an answer."""
        self.close_connection = True

    def log_message(self, format, *arguments):
        pass


class Control(socketserver.StreamRequestHandler):
    faults = None

    def handle(self):
        line = self.rfile.readline().decode().strip()
        self.wfile.write((self.faults.command(line) + "\n").encode())


def serve(handler, faults):
    """Prints {"port": ..., "control_port": ...}, and serves until the process is ended."""
    handler.faults = Control.faults = faults
    front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    control = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Control)
    front.daemon_threads = control.daemon_threads = True
    threading.Thread(target=control.serve_forever, daemon=True).start()
    ports = {"port": front.server_address[1], "control_port": control.server_address[1]}
    print(json.dumps(ports), flush=True)
    try:
        front.serve_forever()
    finally:
        os._exit(0)
