"""Makes the wheel of the package: a build backend (PEP 517) that needs nothing but Python.

    python3 wheel_builder.py FOLDER     prints the path of the wheel

TAPELINE_DECODER_LIBRARY names the decoder that goes into it, libtapeline_decoder.so; without it the wheel
reads databases only. TAPELINE_TRANSPORT_FOLDER names a folder with libtapeline_transport.so, the libraries
that it brings along, and libtapeline_arrow.so; without it the wheel reads no tape, and databases by pyarrow
and slower. TAPELINE_LICENCES names a folder of the licences of what these libraries contain."""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import platform
import sys
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
LICENCE = HERE.parents[2] / "LICENSE"
DECODER = "libtapeline_decoder.so"
TRANSPORT = ("libtapeline_arrow.so", "libtapeline_transport.so")
DATA = ("py.typed", "demo.tape")
# Two builds of the same files are the same bytes.
TIME = (1980, 1, 1, 0, 0, 0)


def _version() -> str:
    text = (HERE / "tapeline" / "version.py").read_text()
    return text.split('__version__ = "', 1)[1].split('"', 1)[0]


def _project() -> dict:
    return tomllib.loads((HERE / "pyproject.toml").read_text())["project"]


def _metadata(licences: list[str]) -> str:
    project = _project()
    lines = [
        "Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {_version()}",
        f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}",
        f"License-Expression: {project['license']}",
        "Classifier: Typing :: Typed", "Classifier: Operating System :: POSIX :: Linux",
        *(f"License-File: {name}" for name in licences),
    ]
    for extra, packages in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {package}; extra == '{extra}'" for package in packages]
    lines.append("Description-Content-Type: text/markdown")
    return "\n".join(lines) + "\n\n" + (HERE / "README.md").read_text()


def _tag(is_compiled: bool) -> str:
    if not is_compiled:
        return "py3-none-any"
    # A library runs with the C library that it was built with, or a newer one.
    name, version = platform.libc_ver()
    if name != "glibc":
        raise SystemExit(f"wheel_builder.py: the C library is {name or 'not known'}; it must be glibc")
    major, minor = version.split(".")[:2]
    return f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"


def _files(
    library: pathlib.Path | None, transport: pathlib.Path | None, licences: pathlib.Path | None
) -> dict[str, bytes]:
    files = {
        f"tapeline/{path.name}": path.read_bytes()
        for path in sorted((HERE / "tapeline").iterdir())
        if path.suffix == ".py" or path.name in DATA
    }
    if library:
        files[f"tapeline/{DECODER}"] = library.read_bytes()
    if transport:
        found = {f"tapeline/{path.name}": path.read_bytes() for path in sorted(transport.glob("*.so*"))}
        for name in TRANSPORT:
            if f"tapeline/{name}" not in found:
                raise SystemExit(f"wheel_builder.py: {transport} has no {name}")
        files |= found
    if (library or transport) and (not licences or not any(licences.iterdir())):
        raise SystemExit("wheel_builder.py: TAPELINE_LICENCES must name the licences of the libraries")
    return files


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """Writes the wheel into a folder, and returns its name."""
    library, transport, folder = (
        pathlib.Path(os.environ[name]) if os.environ.get(name) else None
        for name in ("TAPELINE_DECODER_LIBRARY", "TAPELINE_TRANSPORT_FOLDER", "TAPELINE_LICENCES")
    )
    texts = {LICENCE.name: LICENCE.read_bytes()}
    texts |= {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder else {}
    files = _files(library, transport, folder)
    is_compiled = bool(library or transport)
    tag = _tag(is_compiled)
    info = f"tapeline-{_version()}.dist-info"
    for name, text in texts.items():
        files[f"{info}/licenses/{name}"] = text
    files[f"{info}/METADATA"] = _metadata(list(texts)).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tapeline\nRoot-Is-Purelib: {str(not is_compiled).lower()}\nTag: {tag}\n"
    ).encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    name = f"tapeline-{_version()}-{tag}.whl"
    target = pathlib.Path(wheel_directory) / name
    with zipfile.ZipFile(f"{target}.new", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if ".so" in path else 0o644) << 16
            wheel.writestr(entry, data)
    os.replace(f"{target}.new", target)
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    """Refuses: the decoder is built from the whole checkout."""
    raise SystemExit("wheel_builder.py: there is no source distribution; 'make wheel' makes the wheel")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: wheel_builder.py FOLDER")
    pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(pathlib.Path(sys.argv[1]) / build_wheel(sys.argv[1]))
