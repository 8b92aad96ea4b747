"""Faults of alert_table.py that are tried on a process beside those of the stack, which are not touched: a gateway with
a source of its own, or a second cockpit. Its functions are as those of alert_faults.py, which has the rest."""

import contextlib
import socket
import subprocess
import threading
import time
import urllib.parse

from alert_faults import AlertStack, Undo
from stack import NAMESPACE, PARTITIONS, eventually, free_port

GUEST = "guest"


class Relay:
    """Passes what one port gets on to another one, until it is cut."""

    def __init__(self, port: int) -> None:
        self.target, self.ends = port, list[socket.socket]()
        self.lock, self.is_cut = threading.Lock(), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.target))
                with self.lock:
                    self.ends += [near, far]
                    if self.is_cut:
                        return self.close()
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.copy, args=ends, daemon=True).start()

    @staticmethod
    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        with self.lock:
            self.is_cut = True
            self.close()

    def close(self) -> None:
        for end in (self.listener, *self.ends):
            # Who waits for a socket that is only closed waits on.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def gone(stack: AlertStack) -> None:
    """Ends the process beside the stack, and has Prometheus forget it."""
    stack.scrape_beside([])
    if GUEST in stack.own:
        stack.end(GUEST)


def retired(stack: AlertStack) -> None:
    """Retires the source, as a person does with one that is not to come back. Its gateway has to be forgotten first."""
    eventually("the source of the fault is retired", lambda: stack.tool(
        "source", "retire", GUEST, check=False).returncode == 0, 60, 1)


def start(stack: AlertStack, undo: Undo, unit: str, program: str, **more: str) -> None:
    port = free_port()
    undo.callback(gone, stack)
    stack.beside(unit, GUEST, program, MDS_PLACE="", OPS_PORT=str(port), **more)
    stack.scrape_beside([{"targets": [f"127.0.0.1:{port}"], "labels": {"job": program, "instance": GUEST}}])


def gateway(stack: AlertStack, undo: Undo, **more: str) -> None:
    """Starts a gateway with a source of its own, and waits until Prometheus knows the source."""
    undo.callback(retired, stack)
    start(stack, undo, "provider-gateway-made", "provider-gateway", GATEWAY_SOURCE=GUEST, GATEWAY_DEAD_LETTERS="",
          GATEWAY_SPOOL=str(stack.home / "guest-spool"), **more)
    known = f'source:mds_gateway_watermark_timestamp_seconds:max{{source="{GUEST}"}} > 0'
    eventually("Prometheus knows the source", lambda: stack.ask("query", query=known)["result"], 60)


def lose_source(stack: AlertStack, target: str, undo: Undo) -> float:
    gateway(stack, undo)
    gone(stack)
    return time.monotonic()


def exceed_ceiling(stack: AlertStack, target: str, undo: Undo) -> float:
    began = time.monotonic()
    gateway(stack, undo, GATEWAY_TICKS_PER_SECOND="1", GATEWAY_POLICY_TRADES="drop", GATEWAY_POLICY_QUOTES="drop")
    return began


def purge_source(stack: AlertStack, target: str, undo: Undo) -> float:
    # So slow that everybody has read what goes.
    gateway(stack, undo, SYNTHETIC_RATE="3")
    began = time.monotonic()
    for partition in range(PARTITIONS):
        stack.purge(f"{NAMESPACE.upper()}_TICKS_{partition % 4}", {"filter": f"{NAMESPACE}.ticks.{partition}.{GUEST}"})
    return began


def fill_spool(stack: AlertStack, target: str, undo: Undo) -> float:
    relay = Relay(stack.ports["nats"])
    undo.callback(relay.cut)
    url = urllib.parse.urlsplit(stack.environment_of("provider-gateway-made")["NATS_URL"])
    through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{relay.port}").geturl()
    gateway(stack, undo, NATS_URL=through, SYNTHETIC_RATE="5000", GATEWAY_SPOOL_BYTES="1MiB")
    began = time.monotonic()
    relay.cut()
    return began


def end_certificate(stack: AlertStack, target: str, undo: Undo) -> float:
    key, certificate = stack.home / "guest.key", stack.home / "guest.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    start(stack, undo, "cockpit", "cockpit", COCKPIT_PORT="0", COCKPIT_TLS_CERTIFICATE=str(certificate),
          COCKPIT_TLS_KEY=str(key))
    return time.monotonic()
