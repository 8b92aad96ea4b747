"""Makes the wheel and installs it into DESK_PACKAGE with pip, without the network and without other packages."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGE = pathlib.Path(os.environ["DESK_PACKAGE"])

made = subprocess.run(
    [sys.executable, ROOT / "Sources/Desk/python/wheel_builder.py", PACKAGE / "wheels"],
    check=True, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).stdout.strip()
subprocess.run(
    [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
     "--disable-pip-version-check", "--root-user-action", "ignore", "--target", PACKAGE, made], check=True)
