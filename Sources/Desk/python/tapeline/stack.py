"""Where a database is: of a local stack (`tapeline up`), or as the environment says."""

from __future__ import annotations

import configparser
import json
import os
import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import NotReachable, TapelineError

_STEPS_MAX = 32


@dataclass(frozen=True)
class LocalStack:
    """A stack that is up: its checkout, its name, and the program that keeps it up."""

    home: str
    name: str
    program: str | None


@dataclass(frozen=True)
class Address:
    """libpq's parameters, the namespace whose schema is read, and the local stack, if it is one."""

    parameters: dict[str, str]
    namespace: str
    stack: LocalStack | None = None


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
        raise TapelineError("the text (or TAPELINE_URL) is no URL of a database: it begins with postgresql://")
    authority, _, path = url.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise TapelineError(
            "the URL of the database has an @ that does not end the password: write %40 for an @ and %2F"
            " for a / in it"
        )


def _of_services(environment: Mapping[str, str]) -> dict[str, str]:
    names = {"host": "HOST", "port": "PORT", "dbname": "DB", "user": "USER", "password": "PASSWORD",
             "sslmode": "SSLMODE", "sslrootcert": "SSLROOTCERT"}
    found = {ours: environment.get(f"POSTGRES_{theirs}", "") for ours, theirs in names.items()}
    found["dbname"] = found["dbname"] or "market_data"
    file = environment.get("POSTGRES_PASSWORD_FILE")
    if file and not found["password"]:
        try:
            found["password"] = pathlib.Path(file).read_text().rstrip("\r\n")
        except OSError as error:
            raise TapelineError(f"cannot read POSTGRES_PASSWORD_FILE {file}: {error.strerror}") from None
    return {name: value for name, value in found.items() if value}


def _of_stack(stack: str | None, home: str | os.PathLike[str] | None, namespace: str | None) -> Address:
    folder = _stacks(home)
    up = sorted(path.name for path in folder.iterdir() if _is_up(path)) if folder else []
    names = [stack] if stack else up
    if stack and stack not in up:
        raise NotReachable(f"the stack {stack!r} is not up: start it with 'tapeline up --name {stack}'")
    if not folder or not names:
        raise NotReachable(
            "no local stack is up, and no setting names a database: run 'make up', or give a URL"
            " (tapeline.connect('postgresql://...') or TAPELINE_URL)"
        )
    if len(names) > 1:
        raise TapelineError(f"the stacks {' and '.join(names)} are up: name one, as in connect(stack={names[0]!r})")
    path = folder / names[0] / "secrets" / "pg_service.conf"
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
    local = LocalStack(str(folder.parent.parent), names[0], _supervisor(folder / names[0]))
    return Address(parameters, namespace or _namespace(parameters.get("options", "")) or "md", local)


def _namespace(options: str) -> str | None:
    """Returns the namespace whose views are on the search path."""
    found = re.search(r"search_path=(\w+)_market\b", options)
    return found.group(1) if found else None


def _stacks(home: str | os.PathLike[str] | None) -> pathlib.Path | None:
    """The folder of the stacks: of this checkout, or of the one around the working folder."""
    folder = pathlib.Path(home).resolve() if home else pathlib.Path.cwd()
    for _ in range(1 if home else _STEPS_MAX):
        stacks = folder / ".local" / "stack"
        if stacks.is_dir():
            return stacks
        folder = folder.parent
    if home:
        raise NotReachable(f"{home} has no local stack: name the folder in which 'make up' ran")
    return None


def _supervisor(path: pathlib.Path) -> str | None:
    """Returns the program of the supervisor: the tool of the stack's own build."""
    try:
        number = int(json.loads((path / "state.json").read_bytes())["supervisor"]["id"])
        program = os.readlink(f"/proc/{number}/exe")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return program if os.path.basename(program) == "tapeline" else None


def _is_up(path: pathlib.Path) -> bool:
    """Whether the supervisor lives. The kernel confirms its start time, because numbers come again."""
    try:
        state = json.loads((path / "state.json").read_bytes())
        supervisor = state["supervisor"]
        stat = pathlib.Path(f"/proc/{int(supervisor['id'])}/stat").read_text()
        # The name in parentheses may have spaces. After it, the 20th field is the start time.
        fields = stat[stat.rindex(")") + 2 :].split()
        return fields[0] not in "ZX" and int(fields[19]) == int(supervisor["startTime"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False
