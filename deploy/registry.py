"""Asks registries of images, over HTTP on this machine and HTTPS elsewhere.

Where a registry asks who one is, it gets the password that `docker login` has stored, or none: public images are
there for everyone.
"""

import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 60
# A list of manifests has some kilobytes.
ANSWER_BYTES_MAX = 4 << 20
OF_THIS_MACHINE = ("127.0.0.1", "localhost")


class Refused(OSError):
    """What a registry does not do, as one line."""


def address(name):
    """Splits an image's name into the registry's address and the name in that registry."""
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        scheme = "http" if first.split(":")[0] in OF_THIS_MACHINE else "https"
        return f"{scheme}://{first}", rest
    return "https://registry-1.docker.io", name if "/" in name else f"library/{name}"


def ask(method, url, data=None, headers=None):
    """Returns the headers and the body of the answer. Throws `Refused` with what the registry says."""
    headers = dict(headers or {})
    try:
        try:
            return send(method, url, data, headers)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            known = authorization(url, error.headers.get("WWW-Authenticate", ""))
            return send(method, url, data, headers | {"Authorization": known})
    except (KeyError, ValueError) as error:
        raise Refused(f"{method} {url}: the login or the token cannot be read ({error!r})") from error
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(500).decode(errors="replace").split())
        raise Refused(f"{method} {url}: {error.code} {said}") from error


def send(method, url, data, headers):
    request = urllib.request.Request(url, data=data, method=method)
    for name, value in headers.items():
        # What a registry redirects to gets no password.
        (request.add_unredirected_header if name == "Authorization" else request.add_header)(name, value)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return answer.headers, answer.read(ANSWER_BYTES_MAX)


def authorization(url, challenge):
    """Returns the header that the registry asks for: the password, or a token that it gives for it."""
    password = stored(urllib.parse.urlsplit(url).netloc)
    if challenge.startswith("Basic ") and password:
        return f"Basic {password}"
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = urllib.parse.urlsplit(parts.pop("realm", ""))
    # A password leaves this machine by HTTPS alone.
    if not challenge.startswith("Bearer ") or realm.scheme != "https" and realm.hostname not in OF_THIS_MACHINE:
        raise Refused(f"{url}: the registry asks for something else than a token ({challenge})")
    headers = {"Authorization": f"Basic {password}"} if password else {}
    _, body = send("GET", f"{realm.geturl()}?{urllib.parse.urlencode(parts)}", None, headers)
    token = json.loads(body)
    return f"Bearer {token.get('token') or token['access_token']}"


def stored(host):
    """Returns the password of a registry as `docker login` has stored it, in base64; None if there is none."""
    folder = pathlib.Path(os.environ.get("DOCKER_CONFIG") or pathlib.Path.home() / ".docker")
    try:
        logins = json.loads((folder / "config.json").read_text()).get("auths", {})
    except FileNotFoundError:
        return None
    return logins.get(host, {}).get("auth")
