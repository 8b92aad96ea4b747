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
import re
import subprocess
import sys
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
LICENCE = HERE.parents[2] / "LICENSE"
DECODER = "libtapeline_decoder.so"
TRANSPORT = ("libtapeline_arrow.so", "libtapeline_transport.so")
DATA = ("py.typed", "demo.tape")
# The C library that compiled parts need at most, as their wheels' tags say.
LIBC = (2, 35)
# Of an undefined symbol in what objdump says: "(GLIBC_2.35) hypotf".
NEEDED = re.compile(r"\*UND\*.*\bGLIBC_(\d+)\.(\d+)\)?\s+(\S+)")
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
        lines += [f"Requires-Dist: {_pinned(package)}; extra == '{extra}'" for package in packages]
    lines.append("Description-Content-Type: text/markdown")
    return "\n".join(lines) + "\n\n" + (HERE / "README.md").read_text()


def _pinned(package: str) -> str:
    """Returns a package as a requirement: our own one of the same version."""
    return f"{package}=={_version()}" if package.startswith("tapeline-") else package


def tag(compiled: list[pathlib.Path]) -> str:
    """Returns the tag of a wheel with these programs and libraries, which need no newer C library than it says."""
    if not compiled:
        return "py3-none-any"
    for path in compiled:
        told = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=False)
        if told.returncode != 0:
            raise SystemExit(f"wheel_builder.py: objdump -T {path}: {told.stderr.strip()}")
        for major, minor, symbol in NEEDED.findall(told.stdout):
            if (int(major), int(minor)) > LIBC:
                raise SystemExit(
                    f"wheel_builder.py: {path.name} needs {symbol} of GLIBC_{major}.{minor}, and the wheel is for"
                    f" {LIBC[0]}.{LIBC[1]}: build it on an older system, or raise LIBC")
    return f"py3-none-manylinux_{LIBC[0]}_{LIBC[1]}_{platform.machine()}"


def _files(
    library: pathlib.Path | None, transport: pathlib.Path | None, licences: pathlib.Path | None
) -> dict[str, bytes]:
    files = {
        f"tapeline/{path.name}": path.read_bytes()
        for path in sorted((HERE / "tapeline").iterdir())
        if path.suffix == ".py" or path.name in DATA
    }
    files["tapeline_launcher.py"] = (HERE / "tapeline_launcher.py").read_bytes()
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


def _compiled(library: pathlib.Path | None, transport: pathlib.Path | None) -> list[pathlib.Path]:
    return [*([library] if library else []), *(sorted(transport.glob("*.so*")) if transport else [])]


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """Writes the wheel into a folder, and returns its name."""
    library, transport, folder = (
        pathlib.Path(os.environ[name]) if os.environ.get(name) else None
        for name in ("TAPELINE_DECODER_LIBRARY", "TAPELINE_TRANSPORT_FOLDER", "TAPELINE_LICENCES")
    )
    texts = {LICENCE.name: LICENCE.read_bytes()}
    texts |= {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder else {}
    files = _files(library, transport, folder)
    scripts = "".join(f"{name} = {place}\n" for name, place in _project()["scripts"].items())
    return write(
        pathlib.Path(wheel_directory), "tapeline", _version(), tag(_compiled(library, transport)),
        _metadata(list(texts)), files, texts, f"[console_scripts]\n{scripts}")


def write(
    folder: pathlib.Path, name: str, version: str, tag: str, metadata: str, files: dict[str, bytes],
    texts: dict[str, bytes], entry_points: str = "",
) -> str:
    """Writes a wheel of these files and licences into a folder, and returns its name. What begins as programs,
    libraries and scripts do can be run."""
    info = f"{name}-{version}.dist-info"
    files = files | {f"{info}/licenses/{path}": text for path, text in texts.items()}
    files[f"{info}/METADATA"] = metadata.encode()
    if entry_points:
        files[f"{info}/entry_points.txt"] = entry_points.encode()
    is_pure = str(tag.endswith("-any")).lower()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: tapeline\nRoot-Is-Purelib: {is_pure}\nTag: {tag}\n"
    ).encode()
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    target = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(f"{target}.new", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # pip makes executable what is a regular file here.
            entry.external_attr = (0o100755 if data.startswith((b"\x7fELF", b"#!")) else 0o100644) << 16
            wheel.writestr(entry, data, compresslevel=9)
    os.replace(f"{target}.new", target)
    return target.name


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
