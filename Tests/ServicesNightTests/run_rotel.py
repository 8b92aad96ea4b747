"""Runs rotel, a collector of OpenTelemetry: run_rotel.py URL: prints {"port": ...}, on which it takes OTLP over HTTP.

It forwards spans to the collector at URL.
"""

import importlib.util
import json
import os
import pathlib
import socket
import sys

folder = pathlib.Path(importlib.util.find_spec("rotel").submodule_search_locations[0])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
print(json.dumps({"port": port}), flush=True)
agent = str(folder / "rotel-agent")
os.execv(agent, [
    agent, "start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", "127.0.0.1:0",
    "--exporter", "otlp", "--otlp-exporter-endpoint", sys.argv[1], "--otlp-exporter-protocol", "http",
    # Its gzip is not that of others.
    "--otlp-exporter-compression", "none",
])
