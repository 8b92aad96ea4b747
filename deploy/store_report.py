"""What the judges of a real server (clickhouse/try.py, questdb/try.py, kubernetes/try.py) have in common."""

import http.client
import pathlib
import sys
import urllib.parse


def connections(url, ports, timeout):
    """Returns what makes a connection to a server. `ports`: its usual ones, by scheme."""
    place = urllib.parse.urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if place.scheme not in kinds or not place.hostname:
        sys.exit(f"{url} is not http://host:port or https://host:port")
    return lambda: kinds[place.scheme](place.hostname, place.port or ports[place.scheme], timeout=timeout)


def send_cut(connection, path, headers, body):
    """Sends a body that ends before its length."""
    connection.putrequest("POST", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:-1])
    connection.close()


class Report:
    def __init__(self):
        self.lines = []
        self.is_well = True

    def add(self, is_right, sentence, detail=""):
        self.is_well = self.is_well and is_right
        mark = "ok  " if is_right else "FAIL"
        self.lines.append(f"{mark}  {sentence}" + (f": {detail}" if detail else ""))
        print(self.lines[-1], flush=True)

    def end(self, url, path):
        """Writes the report, and ends the program with 1 where something is not as it has to be."""
        pathlib.Path(path).write_text(f"{url}\n" + "\n".join(self.lines) + "\n")
        print(f"written to {path}")
        sys.exit(0 if self.is_well else 1)
