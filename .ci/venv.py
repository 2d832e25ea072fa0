"""Make the project's virtual environment in .venv from the lock file with hashes. Standard library only.

Done again only when the lock file, the project file or the interpreter changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / ".ci" / "requirements.lock"
HELP = "vanthu: cannot make a virtual environment: this Python has neither ensurepip nor pip. On Debian or Ubuntu install python3-venv."


def stamp() -> str:
    digest = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    digest.update(f"{sys.version} {ROOT}".encode())
    return digest.hexdigest()


def run(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT).returncode == 0


def make() -> None:
    """An empty environment with pip in it, by whatever this machine has."""
    shutil.rmtree(VENV, ignore_errors=True)
    quiet = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True)
    if quiet.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    for tool in ("virtualenv", "uv"):
        if shutil.which(tool):
            command = [tool, str(VENV), "-p", sys.executable] if tool == "virtualenv" else ["uv", "venv", "--seed", "-p", sys.executable, str(VENV)]
            if run(*command):
                return
    if not run(sys.executable, "-m", "venv", "--without-pip", str(VENV)):
        sys.exit(HELP)


def install() -> None:
    """Exactly what the lock file names, nothing resolved, every hash checked."""
    has_pip = subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True).returncode == 0
    pip = [str(PYTHON), "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    options = ["--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-q", "-r", str(LOCK)]
    if not run(*pip, "install", *options):
        sys.exit(1 if has_pip else HELP)


def link() -> None:
    """The project itself: a path file and the launcher; nothing to build."""
    folder = subprocess.run(
        [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(folder) / "vanthu.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin" / "vanthu"
    # Verification workers load the launcher as a module: they must neither run the command nor import the hub.
    launcher.write_text(f'#!{PYTHON}\nif __name__ == "__main__":\n    from exchange.cli import main\n\n    main()\n')
    launcher.chmod(0o755)


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"vanthu: Python 3.11 or newer is wanted, this is {sys.version.split()[0]}.")
    mark = VENV / "stamp"
    if mark.exists() and mark.read_text() == stamp() and PYTHON.exists():
        return
    print(f"vanthu: making {VENV.name} with Python {sysconfig.get_python_version()} (once; a minute or so) …", flush=True)
    os.environ.pop("PYTHONHOME", None)
    make()
    install()
    link()
    mark.write_text(stamp())
    print("vanthu: ready", flush=True)


main()
