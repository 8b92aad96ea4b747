"""Messages of NATS outside of streams: the text protocol, as far as a follower needs it. The tape itself is read by
the transport."""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import time
import urllib.parse
from typing import Any

from .errors import NotReachable, TapelineError
from .transport import TapeAddress

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
MESSAGE_BYTES = 8 << 20
"""The longest message that is taken."""


class CoreNats:
    """One connection, of one thread. It listens to one subject. What fails closes it; the next call connects again."""

    def __init__(self, address: TapeAddress, subject: str) -> None:
        self._address, self._subject = address, subject
        self._process = os.getpid()
        self._socket: socket.socket | None = None
        self._data = b""
        # The server's permissions keep other users from this prefix.
        self._inbox = f"_INBOX{'_' if address.user else ''}{address.user or ''}.{secrets.token_hex(8)}"
        self._is_asked = False
        self._answer: bytes | None = None
        self.refusal = ""
        """What the server does not let this user do; empty: it has refused nothing."""

    def close(self) -> None:
        """Ends the connection. Twice does nothing."""
        link, self._socket, self._data = self._socket, None, b""
        if link is not None and os.getpid() == self._process:
            link.close()

    def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Sends a message. A server that is away raises OSError."""
        self._send(b"PUB %b %d\r\n%b\r\n" % (" ".join(filter(None, [subject, reply])).encode(), len(payload), payload))

    def asked(self) -> bool:
        """Whether a message has come on the subject since the last call. It waits for none."""
        try:
            if self._socket is not None:
                self._take(0)
        except OSError:
            self.close()
        found, self._is_asked = self._is_asked, False
        return found

    def request(self, subject: str, payload: bytes = b"") -> Any:
        """Returns the answer to a question, which is JSON. Raises NotReachable, or what the server refuses."""
        try:
            self._answer = None
            self.publish(subject, payload, f"{self._inbox}.a")
            until = time.monotonic() + ANSWER_SECONDS
            while self._answer is None and not self.refusal and time.monotonic() < until:
                self._take(until - time.monotonic())
        except OSError as error:
            self.close()
            raise NotReachable(f"NATS at {self._address.url}: {error}") from None
        if self.refusal:
            raise TapelineError(f"NATS at {self._address.url} refuses the user {self._address.user}: {self.refusal}")
        if self._answer is None:
            raise NotReachable(f"NATS at {self._address.url} does not answer: it has no {subject}, or is away")
        return json.loads(self._answer)

    # ---- the protocol

    def _send(self, data: bytes) -> None:
        if os.getpid() != self._process:
            raise TapelineError("this follower is of the process before the fork: begin another one")
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._socket.settimeout(ANSWER_SECONDS)
            self._socket.sendall(data)
        except OSError:
            self.close()
            raise

    def _connected(self) -> socket.socket:
        failure: OSError = OSError("it has no address")
        for url in self._address.url.split(","):
            place = urllib.parse.urlsplit(url)
            try:
                link = socket.create_connection((place.hostname or "", place.port or 4222), CONNECT_SECONDS)
            except OSError as error:
                failure = error
                continue
            try:
                return self._greeted(link, place.hostname or "", place.scheme == "tls")
            except OSError as error:
                link.close()
                failure = error
            except BaseException:
                link.close()
                raise
        raise failure

    def _greeted(self, link: socket.socket, host: str, is_encrypted: bool) -> socket.socket:
        link.settimeout(ANSWER_SECONDS)
        self._data = b""
        greeting = self._line(link)
        if not greeting.startswith(b"INFO "):
            raise OSError("it is no server of NATS")
        address = self._address
        if is_encrypted or address.authority or json.loads(greeting[5:]).get("tls_required"):
            context = ssl.create_default_context(cafile=address.authority)
            if address.certificate:
                context.load_cert_chain(address.certificate, address.key)
            link = context.wrap_socket(link, server_hostname=host)
        told = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1,
                "name": "tapeline-follower", "user": address.user, "pass": address.password}
        lines = [f"CONNECT {json.dumps({name: one for name, one in told.items() if one is not None})}",
                 f"SUB {self._inbox}.> 1", f"SUB {self._subject} 2", "PING", ""]
        link.sendall("\r\n".join(lines).encode())
        while (line := self._line(link)) != b"PONG":
            if line.startswith(b"-ERR"):
                raise TapelineError(
                    f"NATS at {address.url} refuses the user {address.user}: {line[5:].decode(errors='replace')}")
        return link

    def _line(self, link: socket.socket) -> bytes:
        while b"\r\n" not in self._data:
            self._receive(link)
        line, _, self._data = self._data.partition(b"\r\n")
        return line

    def _receive(self, link: socket.socket) -> None:
        piece = link.recv(1 << 16)
        if not piece:
            raise OSError("it has ended the connection")
        self._data += piece
        if len(self._data) > MESSAGE_BYTES:
            raise OSError(f"a message has more than {MESSAGE_BYTES} bytes")

    def _take(self, seconds: float) -> None:
        """Takes what has come. With `seconds` it waits so long for the first piece."""
        link = self._socket
        if link is None:
            raise OSError("the connection was ended")
        link.settimeout(max(0.0, seconds))
        try:
            while True:
                self._receive(link)
                # All that is there, without waiting again.
                link.settimeout(0.0)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            pass
        self._parse(link)

    def _parse(self, link: socket.socket) -> None:
        while b"\r\n" in self._data:
            line, _, rest = self._data.partition(b"\r\n")
            words = line.split()
            if words[:1] == [b"MSG"]:
                count = int(words[-1])
                if len(rest) < count + 2:
                    return
                self._message(words[2], rest[:count])
                rest = rest[count + 2 :]
            elif words == [b"PING"]:
                link.settimeout(ANSWER_SECONDS)
                link.sendall(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                text = line[5:].decode(errors="replace")
                if "Permissions Violation" not in text:
                    # The server ends the connection then.
                    raise OSError(text)
                self.refusal = text
            self._data = rest

    def _message(self, subscription: bytes, payload: bytes) -> None:
        if subscription == b"2":
            self._is_asked = True
        else:
            self._answer = payload
