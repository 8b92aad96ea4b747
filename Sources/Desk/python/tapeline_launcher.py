"""The command `tapeline` of an environment of Python: runs the tool of the package tapeline-programs.

It stands beside the package `tapeline`, so that it starts without it."""

from __future__ import annotations

import importlib.util
import os
import sys

AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep the certificates that they trust. The programs bring OpenSSL along, which knows one place."""


def main() -> None:
    """Becomes the tool."""
    found = importlib.util.find_spec("tapeline_programs")
    if found is None or not found.submodule_search_locations:
        sys.exit("tapeline: the programs are not in this environment: run pip install 'tapeline[stack]'"
                 " (Linux on x86-64)")
    program = os.path.join(found.submodule_search_locations[0], "bin", "tapeline")
    if not os.environ.get("SSL_CERT_FILE"):
        os.environ["SSL_CERT_FILE"] = next(filter(os.path.isfile, AUTHORITIES), None) or _certifi()
    try:
        os.execv(program, ["tapeline", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"tapeline: {program} cannot be run: {error.strerror}")


def _certifi() -> str:
    import certifi  # Installed with the programs.

    return certifi.where()
