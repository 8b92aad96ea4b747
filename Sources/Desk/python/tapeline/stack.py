"""Where a database and a tape are: of a local stack (`tapeline up`), or as the environment says."""

from __future__ import annotations

import configparser
import json
import os
import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import NotReachable, TapelineError
from .transport import TapeAddress
from .valkey import ValkeyAddress

_STEPS_MAX = 32
_PARTITIONS = 8


@dataclass(frozen=True)
class LocalStack:
    """A stack that is up: its checkout, if it is one of a checkout; its name, and the program that keeps it up."""

    home: str | None
    name: str
    program: str | None


@dataclass(frozen=True)
class Address:
    """libpq's parameters, the namespace whose schema is read, and the local stack, if it is one."""

    parameters: dict[str, str]
    namespace: str
    stack: LocalStack | None = None


@dataclass(frozen=True)
class TapePlace:
    """NATS, and the namespace whose tape is read."""

    address: TapeAddress
    namespace: str
    partitions: int


def find(
    url: str | None, stack: str | None, home: str | os.PathLike[str] | None, namespace: str | None,
    environment: Mapping[str, str],
) -> Address:
    """Returns the database that is meant: the URL; the stack of this name; TAPELINE_URL; POSTGRES_HOST and
    the other settings of the services; libpq's own variables; the local stack that is up."""
    named = namespace or environment.get("MDS_NAMESPACE")
    url = url or (None if stack or home else environment.get("TAPELINE_URL"))
    if url:
        _check(url)
        return Address({"conninfo": url}, named or _namespace(urllib.parse.unquote(url)) or "md")
    if not stack and not home:
        if "POSTGRES_HOST" in environment:
            return Address(_of_services(environment), named or "md")
        if "PGSERVICE" in environment or "PGHOST" in environment:
            return Address({}, named or _namespace(environment.get("PGOPTIONS", "")) or "md")
    return _of_stack(stack, home or environment.get("TAPELINE_HOME"), named)


def _check(url: str) -> None:
    """Raises if a part of the password would be read as another part, which errors show. Its own texts
    show nothing of the URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise TapelineError(
            "the text (or TAPELINE_URL) is no URL of a database: it begins with postgresql://, and that of a tape"
            " with nats://"
        )
    authority, _, path = url.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise TapelineError(
            "the URL of the database has an @ that does not end the password: write %40 for an @ and %2F"
            " for a / in it"
        )


def find_tape(
    url: str | None, stack: str | None, home: str | os.PathLike[str] | None, namespace: str | None,
    environment: Mapping[str, str], *, is_local: bool = True, group: str | None = None,
) -> TapePlace:
    """Returns the tape that is meant: the URL; the stack of this name; TAPELINE_NATS; NATS_URL and the other
    settings of the services; the local stack that is up, unless the database is another one. Of a stack the user is
    `consumer`, or that of a group that follows the tape."""
    named = namespace or environment.get("MDS_NAMESPACE")
    is_stack = bool(stack or home)
    url = url or (None if is_stack else environment.get("TAPELINE_NATS") or environment.get("NATS_URL"))
    text = environment.get("MDS_PARTITIONS", str(_PARTITIONS))
    if not text.isdecimal() or not 1 <= int(text) <= 4_096:
        raise TapelineError(f"MDS_PARTITIONS={text!r}: it is a number from 1 to 4096")
    if url:
        return TapePlace(_of_url(url, environment), named or "md", int(text))
    if not is_local:
        raise TapelineError(
            "nothing names the NATS of this database: give connect(nats='nats://...'), or set TAPELINE_NATS"
        )
    folder = _stack(stack, home or environment.get("TAPELINE_HOME"))
    user = f"consumer-{group}" if group else "consumer"
    place = folder / "secrets" / f"nats-{user}"
    if group and not place.exists():
        raise NotReachable(
            f"{folder.name} has no user {user} of NATS: 'tapeline groups register {group} --needed no' makes it")
    try:
        port = int(json.loads((folder / "ports.json").read_bytes())["nats"])
        password = place.read_text().strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReachable(f"cannot read where NATS of {folder} is: {error}") from None
    address = TapeAddress(f"nats://127.0.0.1:{port}", user, password)
    return TapePlace(address, named or _of_service_file(folder, None).namespace, int(text))


def find_valkey(
    url: str | None, stack: str | None, home: str | os.PathLike[str] | None, environment: Mapping[str, str],
    *, is_local: bool = True,
) -> ValkeyAddress:
    """Returns the Valkey that is meant: the URL; the stack of this name; TAPELINE_VALKEY; VALKEY_HOST and the other
    settings of the services; the local stack that is up, unless the database is another one."""
    url = url or (None if stack or home else environment.get("TAPELINE_VALKEY"))
    if url:
        return _valkey_of_url(url)
    if not stack and not home and environment.get("VALKEY_HOST"):
        port = environment.get("VALKEY_PORT") or "6379"
        if not port.isdecimal():
            raise TapelineError(f"VALKEY_PORT={port!r}: it is a number")
        return ValkeyAddress(
            environment["VALKEY_HOST"], int(port), environment.get("VALKEY_USER") or None,
            _secret(environment, "VALKEY_PASSWORD") or None)
    if not is_local:
        raise TapelineError(
            "nothing names the Valkey of this deployment: give connect(valkey='valkey://...'), or set"
            " TAPELINE_VALKEY")
    folder = _stack(stack, home or environment.get("TAPELINE_HOME"))
    try:
        port_number = int(json.loads((folder / "ports.json").read_bytes())["valkey"])
        password = (folder / "secrets" / "valkey-reader").read_text().strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReachable(f"cannot read where Valkey of {folder} is: {error}") from None
    return ValkeyAddress("127.0.0.1", port_number, "reader", password)


def _valkey_of_url(url: str) -> ValkeyAddress:
    scheme, _, rest = url.partition("://")
    account, _, place = rest.rpartition("@")
    found = re.fullmatch(r"(?:\[([^]]+)]|([^:/@\[\]]+))(?::(\d+))?/?", place)
    if scheme not in ("valkey", "redis") or not found:
        raise TapelineError(
            "the URL of Valkey (or TAPELINE_VALKEY) is malformed: write valkey://user:password@host:port, with %40"
            " for an @ and %2F for a / in the password")
    user, _, password = (urllib.parse.unquote(one) for one in account.partition(":"))
    return ValkeyAddress(found[1] or found[2], int(found[3] or 6379), user or None, password or None)


def _of_url(urls: str, environment: Mapping[str, str]) -> TapeAddress:
    """Takes user and password out of a URL, so that no text shows them."""
    users, places = set(), []
    for url in urls.split(","):
        scheme, _, rest = url.strip().partition("://")
        account, _, host = rest.rpartition("@")
        if scheme not in ("nats", "tls") or not host or any(sign in host for sign in "/?# "):
            raise TapelineError(
                "the URL of NATS (or TAPELINE_NATS, NATS_URL) is malformed: write"
                " nats://user:password@host:port, with %40 for an @ and %2F for a / in the password"
            )
        users.add(account)
        places.append(f"{scheme}://{host}")
    if len(users) > 1:
        raise TapelineError("the URLs of NATS name different users: a cluster has one")
    user, _, password = users.pop().partition(":")
    known = urllib.parse.unquote(password) or _secret(environment, "NATS_PASSWORD")
    return TapeAddress(
        ",".join(places), urllib.parse.unquote(user) or environment.get("NATS_USER"), known or None,
        *(environment.get(f"NATS_TLS_{name}") or None for name in ("CA", "CERTIFICATE", "KEY")),
    )


def _secret(environment: Mapping[str, str], name: str) -> str:
    file = environment.get(f"{name}_FILE")
    if environment.get(name) or not file:
        return environment.get(name, "")
    try:
        return pathlib.Path(file).read_text().rstrip("\r\n")
    except OSError as error:
        raise TapelineError(f"cannot read {name}_FILE {file}: {error.strerror}") from None


def _of_services(environment: Mapping[str, str]) -> dict[str, str]:
    names = {"host": "HOST", "port": "PORT", "dbname": "DB", "user": "USER", "password": "PASSWORD",
             "sslmode": "SSLMODE", "sslrootcert": "SSLROOTCERT"}
    found = {ours: environment.get(f"POSTGRES_{theirs}", "") for ours, theirs in names.items()}
    found["dbname"] = found["dbname"] or "market_data"
    found.update(_hosts(found["host"], found["port"]))
    found["password"] = _secret(environment, "POSTGRES_PASSWORD")
    return {name: value for name, value in found.items() if value}


def _hosts(hosts: str, port: str) -> dict[str, str]:
    """Returns libpq's names of a list of hosts, of which each may have a port of its own."""
    if not re.search("[,:]", hosts) or hosts.startswith("/"):
        return {}
    found = [re.fullmatch(r"\[([^]]+)](?::(\d+))?|([^:]+):(\d+)|(.+)", word.strip()) for word in hosts.split(",")]
    names = [match and (match[1] or match[3] or match[5]) or "" for match in found]
    ports = [match and (match[2] or match[4]) or port or "5432" for match in found]
    several = {"target_session_attrs": "primary"} if len(names) > 1 else {}
    return {"host": ",".join(names), "port": ",".join(ports), **several}


def _of_stack(stack: str | None, home: str | os.PathLike[str] | None, namespace: str | None) -> Address:
    return _of_service_file(_stack(stack, home), namespace)


def _stack(stack: str | None, home: str | os.PathLike[str] | None) -> pathlib.Path:
    """Returns the folder of the local stack that is meant: without a name the only one that is up, as in the tool
    (`Stack.up`)."""
    folders = _stacks(home)
    found = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_dir()]
    if stack:
        found = [path for path in found if path.name == stack]
    if stack and not found:
        where = " and ".join(map(str, folders)) or f"{pathlib.Path.cwd()} or a folder around it"
        raise NotReachable(
            f"there is no stack {stack!r} in {where}: give home=, the checkout in which it was started, or set"
            " TAPELINE_HOME"
        )
    up = [path for path in found if _is_up(path)]
    # A checkout around the working folder comes first.
    up = [path for path in up if path.parent == up[0].parent]
    if stack and not up:
        raise NotReachable(f"the stack {stack!r} is not up: start it with 'tapeline up --name {stack}'")
    if not up:
        raise NotReachable(
            "no local stack is up, and no setting names a database or a tape: run 'tapeline up' ('make up' in a"
            " checkout), or give a URL (tapeline.connect('postgresql://...') or TAPELINE_URL)"
        )
    if len(up) > 1:
        names = [path.name for path in up]
        raise TapelineError(
            f"several stacks are up ({', '.join(names)}): name one, as in connect(stack={names[0]!r})")
    return up[0]


def _of_service_file(folder: pathlib.Path, namespace: str | None) -> Address:
    path = folder / "secrets" / "pg_service.conf"
    service = configparser.ConfigParser(interpolation=None)
    try:
        with path.open() as file:
            service.read_file(file)
    except OSError as error:
        raise NotReachable(f"cannot read {path}: {error.strerror}") from None
    except configparser.Error as error:
        raise NotReachable(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    if len(service.sections()) != 1:
        raise NotReachable(f"{path} has {len(service.sections())} services, not one")
    parameters = dict(service.items(service.sections()[0]))
    checkout = None if folder.parent == _own_stacks() else str(folder.parents[2])
    local = LocalStack(checkout, folder.name, _supervisor(folder))
    return Address(parameters, namespace or _namespace(parameters.get("options", "")) or "md", local)


def _namespace(options: str) -> str | None:
    """Returns the namespace whose views are on the search path."""
    found = re.search(r"search_path=(\w+)_market\b", options)
    return found.group(1) if found else None


def _own_stacks() -> pathlib.Path:
    """The folder of the stacks that the person's `tapeline up` of tapeline-programs has started."""
    return pathlib.Path(os.path.expanduser("~/.tapeline"))


def _stacks(home: str | os.PathLike[str] | None) -> list[pathlib.Path]:
    """The folders of stacks: of this checkout alone, or of the one around the working folder and the person's."""
    folder = pathlib.Path(home).resolve() if home else pathlib.Path.cwd()
    around = [folder, *([] if home else list(folder.parents)[:_STEPS_MAX])]
    found = [place / ".local" / "stack" for place in around if (place / ".local" / "stack").is_dir()][:1]
    if home and not found:
        raise NotReachable(f"{home} has no local stack: name the folder in which 'make up' ran")
    return found + [place for place in [_own_stacks()] if not home and place.is_dir()]


def _supervisor(path: pathlib.Path) -> str | None:
    """Returns the program of the supervisor: the tool of the stack's own build."""
    try:
        number = int(json.loads((path / "state.json").read_bytes())["supervisor"]["id"])
        program = os.readlink(f"/proc/{number}/exe")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return program if os.path.basename(program) == "tapeline" else None


def _is_up(path: pathlib.Path) -> bool:
    """Whether its supervisor or one of its processes runs."""
    try:
        state = json.loads((path / "state.json").read_bytes())
        processes = [state["supervisor"], *(unit.get("process") for unit in state.get("units", []))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return any(_is_alive(process) for process in processes if process)


def _is_alive(process: Mapping[str, Any]) -> bool:
    """Whether a process runs. The kernel confirms its start time, because numbers come again."""
    try:
        stat = pathlib.Path(f"/proc/{int(process['id'])}/stat").read_text()
        # The name in parentheses may have spaces. After it, the 20th field is the start time.
        fields = stat[stat.rindex(")") + 2 :].split()
        return fields[0] not in "ZX" and int(fields[19]) == int(process["startTime"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False
