"""FRED, CoinGecko and Alternative.me on loopback: answers as their documentation has them, faults on
command. It needs no package.

polled_services.py KEY: requests to FRED need this key. Prints {"port": ..., "control_port": ...}. A
line to the control port is a command, and has one line as its answer:

fred DATE VALUE    sets the value of DGS10 for a date
coin PRICE SECOND  sets the price of bitcoin, and its time
index VALUE LABEL  sets the index of today
fault NAME         answers all requests so, until "fault none": a status, echo (sends back the request
                   with its key, status 400), garbage, or cut
requests           how many requests came
keys               how many of them had the key
"""

import json
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Services:
    def __init__(self, key: str) -> None:
        self.key = key
        self.lock = threading.Lock()
        self.fred = {"2026-11-17": "4.13", "2026-11-18": "4.11"}
        self.coin = (84210.12, 1763622000)
        self.index = ("23", "Extreme Fear")
        self.fault = "none"
        self.requests = 0
        self.keys = 0

    def command(self, line: str) -> str:
        word, *rest = line.split()
        with self.lock:
            match word:
                case "fred":
                    self.fred[rest[0]] = rest[1]
                case "coin":
                    self.coin = (float(rest[0]), int(rest[1]))
                case "index":
                    self.index = (rest[0], " ".join(rest[1:]))
                case "fault":
                    self.fault = rest[0]
                case "requests":
                    return str(self.requests)
                case "keys":
                    return str(self.keys)
                case _:
                    return f"no such command: {word}"
        return "ok"

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, object]:
        match path:
            case "/fred/series" | "/fred/series/observations":
                if query.get("api_key") != self.key:
                    return 400, problem("The value for variable api_key is not registered.")
                if query.get("file_type") != "json":
                    return 400, problem("Bad value for variable file_type.")
                if query["series_id"] != "DGS10":
                    return 400, problem("Bad Request. The series does not exist.")
                if path == "/fred/series":
                    return 200, {
                        "seriess": [
                            {"id": "DGS10", "frequency_short": "D", "units_short": "%"}
                        ]
                    }
                return 200, self.observations(int(query["limit"]))
            case "/api/v3/simple/price":
                price, second = self.coin
                coins = {"bitcoin": {"usd": price, "last_updated_at": second}}
                wanted = query["ids"].split(",")
                return 200, {name: coins[name] for name in wanted if name in coins}
            case "/fng/":
                value, label = self.index
                day = {
                    "value": value,
                    "value_classification": label,
                    "timestamp": "1780358400",
                }
                return 200, {"data": [day], "metadata": {"error": None}}
        return 404, {"error": "not found"}

    def observations(self, limit: int) -> object:
        today = {"realtime_start": "2026-11-19", "realtime_end": "2026-11-19"}
        newest = sorted(self.fred.items(), reverse=True)[:limit]
        return {
            "observations": [today | {"date": date, "value": value} for date, value in newest]
        }


def problem(text: str) -> object:
    return {"error_code": 400, "error_message": text}


def site(services: Services) -> type[BaseHTTPRequestHandler]:
    class Site(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            header = self.headers.get("x-cg-demo-api-key", "")
            with services.lock:
                services.requests += 1
                services.keys += services.key in (query.get("api_key"), header)
                fault = services.fault
                status, said = services.answer(parts.path, query)
            if fault == "cut":
                self.close_connection = True
                return
            if fault == "echo":
                status, said = 400, problem(f"Bad Request. {self.path} {header}")
            elif fault.isdigit():
                status, said = int(fault), problem("no")
            body = b"{garbage" if fault == "garbage" else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            if fault == "429":
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Site


def control(services: Services) -> type[socketserver.StreamRequestHandler]:
    class Control(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write((services.command(line.decode()) + "\n").encode())

    return Control


def main() -> None:
    services = Services(sys.argv[1])
    web = ThreadingHTTPServer(("127.0.0.1", 0), site(services))
    commands = socketserver.ThreadingTCPServer(("127.0.0.1", 0), control(services))
    commands.daemon_threads = True
    threading.Thread(target=commands.serve_forever, daemon=True).start()
    ports = {"port": web.server_address[1], "control_port": commands.server_address[1]}
    print(json.dumps(ports), flush=True)
    web.serve_forever()


main()
