"""A collector of OpenTelemetry: reads requests of OTLP over HTTP with the messages of opentelemetry-proto.

collect_traces.py [--tls CERTIFICATE KEY] STATUS[:SECONDS]...: prints {"port": ...}. The first requests get these
statuses, with SECONDS as Retry-After, later ones 200. GET returns all spans that got 200 as JSON, with the attributes
of their resource, and all statuses so far, with their times.
"""

import http.server
import json
import ssl
import sys
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TLS = sys.argv[2:4] if sys.argv[1:2] == ["--tls"] else []
STATUSES = [word.partition(":")[::2] for word in sys.argv[1 + len(TLS) + bool(TLS):]]
SEEN = {"spans": [], "statuses": [], "times": [], "headers": []}


def plain(attributes):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def read(body):
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "service": plain(resource.resource.attributes), "scope": scope.scope.name,
                    "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "name": span.name, "kind": span.kind, "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano, "attributes": plain(span.attributes),
                    "status": span.status.code,
                }


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        is_otlp = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
        status, after = STATUSES.pop(0) if STATUSES else ("200" if is_otlp else "404", "")
        status = int(status)
        spans = list(read(body))
        SEEN["statuses"].append(status)
        SEEN["times"].append(time.monotonic())
        SEEN["headers"].append({name.lower(): value for name, value in self.headers.items()})
        if status == 200:
            SEEN["spans"] += spans
        self.answer(status, b"", after)

    def do_GET(self):
        self.answer(200, json.dumps(SEEN).encode())

    def answer(self, status, body, after=""):
        self.send_response(status)
        if after:
            self.send_header("retry-after", after)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
