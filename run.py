#!/usr/bin/env python3
"""Every command on a fresh machine: `python3 run.py demo`, `python3 run.py test`, `python3 run.py check`."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time

NEEDED = (3, 11)
if sys.version_info < NEEDED:
    sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")

ROOT = os.path.dirname(os.path.abspath(__file__))
HOME = f"{ROOT}/.tksk/uv"
TESTS = "pytest --numprocesses auto --maxprocesses 4 --dist loadfile"
COMMANDS = {"demo": ["tksk", "demo"], "test": TESTS.split(), "check": []}
CHECKS = ("ruff format --check .", "ruff check .", "mypy", "lint-imports", "tksk openapi --check", TESTS)


def works(uv: str) -> bool:
    """Whether this uv runs and is new enough."""
    try:
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.match(r"uv (\d+)\.(\d+)", answer)
    return version is not None and (int(version[1]), int(version[2])) >= (0, 5)


def install_uv() -> str:
    """A pinned uv in .tksk/uv, made anew unless another run has just made it."""
    print("Installing uv into .tksk/uv ...", flush=True)
    os.makedirs(HOME, exist_ok=True)
    with open(f"{ROOT}/.tksk/uv-lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if works(f"{HOME}/bin/uv"):
            return f"{HOME}/bin/uv"
        shutil.rmtree(HOME, ignore_errors=True)
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv==0.13.9"]
        if importlib.util.find_spec("ensurepip"):
            steps = [[sys.executable, "-m", "venv", HOME], [f"{HOME}/bin/python", *pip]]
        elif importlib.util.find_spec("pip"):
            steps = [[sys.executable, *pip, "--target", HOME]]
        else:
            sys.exit("This Python has neither venv nor pip: `apt install python3-venv`, or install uv.")
        # The steps inherit the lock: one that outlives a killed run must end before the next run starts.
        if any(subprocess.run(step, pass_fds=[lock.fileno()]).returncode for step in steps):
            sys.exit("uv could not be installed: see above. A uv on the PATH would be used instead.")
    return f"{HOME}/bin/uv"


def check(run: list[str], arguments: list[str]) -> int:
    """What CI runs, up to the first failure, whose exit code it returns; the arguments are for pytest."""
    for step in CHECKS:
        print(f"\n== {step}", flush=True)
        began = time.monotonic()
        code = subprocess.run([*run, *step.split(), *(arguments if step == TESTS else [])]).returncode
        print(f"== {'failed' if code else 'passed'} in {time.monotonic() - began:.1f} s", flush=True)
        if code:
            return code if code > 0 else 128 - code
    return 0


if __name__ == "__main__":
    name, rest = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in COMMANDS:
        sys.exit("usage: python3 run.py demo|test|check [arguments]")
    os.chdir(ROOT)
    os.environ.pop("VIRTUAL_ENV", None)
    if not os.path.exists(".venv"):
        os.environ.setdefault("UV_PYTHON", sys.executable)
    found = [uv for uv in (shutil.which("uv"), f"{HOME}/bin/uv") if uv and works(uv)]
    run = [found[0] if found else install_uv(), "run", "--frozen"]
    sys.exit(check(run, rest)) if name == "check" else os.execv(run[0], [*run, *COMMANDS[name], *rest])
