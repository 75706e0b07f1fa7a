"""Rules about the files themselves: where packages come from, who may import whom, and no trace of a machine."""

import re
import subprocess
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
HOSTS = {"files.pythonhosted.org", "pypi.org"}
# What only exists on the machine where a line was written.
_MACHINE = re.compile(r"(?<![\w.])/(?:work/|tmp/arch|workspace/|home/[a-z]|Users/[A-Z]|root/)|[A-Z]:\\\\Users")


def hosts(lock: str) -> set[str]:
    return set(re.findall(r'https?://([^/"\s]+)', lock))


def test_the_lock_file_names_only_the_public_index():
    lock = (ROOT / "uv.lock").read_text()
    assert hosts(lock) <= HOSTS
    assert hosts(lock)
    assert "git+" not in lock


def test_the_check_above_sees_another_host():
    assert hosts('url = "https://mirror.example/simple/x.whl"') - HOSTS == {"mirror.example"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def machine_paths(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if _MACHINE.search(line)]


def test_no_file_names_a_machines_folder():
    found = {}
    for path in tracked():
        if path.suffix in (".gz", ".png", ".ttf", ".otf", ".pdf", ".ico") or not path.is_file():
            continue
        if path == Path(__file__) or path.resolve() == Path(__file__).resolve():
            continue
        if lines := machine_paths(path.read_text(encoding="utf-8", errors="replace")):
            found[str(path.relative_to(ROOT))] = lines[:3]
    assert found == {}


@pytest.mark.parametrize("text", ["see /home/ani/src", "/home/budi/tksk", "open('/root/keys')", "/Users/Budi/x"])
def test_the_check_above_sees_a_machines_folder(text):
    assert machine_paths(text)


def test_nothing_generated_or_secret_is_tracked():
    names = [str(path.relative_to(ROOT)) for path in tracked()]
    bad = re.compile(r"(^|/)(\.venv|\.tksk|__pycache__|\.env|node_modules)(/|$)|\.pyc$|keys\.json$|\.pem$")
    assert [name for name in names if bad.search(name)] == []


def test_imports_keep_their_contracts(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=False, cache_dir=str(ROOT / ".import_linter_cache")) == 0


def test_every_source_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if not re.match(r'(#!.*\n)?"""\S', path.read_text())
    ]
    assert silent == []
