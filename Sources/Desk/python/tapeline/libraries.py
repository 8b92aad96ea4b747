"""The shared libraries beside this package, by ctypes."""

from __future__ import annotations

import ctypes
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from .errors import NotReachable

Signatures = Mapping[str, tuple[Any, list[Any]]]
"""What functions return and take, by their names."""


def path_of(name: str) -> str:
    """Returns the path of a library. TAPELINE_DECODER names another file for the decoder, and so on."""
    beside = pathlib.Path(__file__).with_name(f"libtapeline_{name}.so")
    return os.environ.get(f"TAPELINE_{name.upper()}") or str(beside)


def load(name: str, interface: tuple[str, int], signatures: Signatures, what: str, needs: str = "") -> ctypes.CDLL:
    """Loads a library. `interface`: the function that tells its number, and the least one. `what` it is, and what it
    `needs`, are for people."""
    path = path_of(name)
    try:
        found = ctypes.CDLL(path)
    except OSError as error:
        raise NotReachable(f"{what} cannot be loaded ({error}): install the wheel of 'make wheel'{needs}") from None
    teller, least = interface
    number = getattr(found, teller)
    number.restype = ctypes.c_uint32
    if number() < least:
        raise NotReachable(f"{path} has the interface {number()}, and {least} is needed: make the wheel again")
    for name, (result, arguments) in signatures.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found
