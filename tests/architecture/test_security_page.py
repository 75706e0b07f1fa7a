"""docs/security.md cannot rot: every row names a control and a test that exist, and every risk has its rows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
_PATH = re.compile(r"`((?:src|migrations|tests|docs|benchmarks)/[\w./*-]+)(?:::(\w+))?`")
API_TOP_10 = {f"API{number}" for number in range(1, 11)}
# The ASVS 5.0 chapters at level 2 that concern an API without a front end (V3) and without WebRTC (V17).
CHAPTERS = {"V1", "V2", "V4", "V5", "V6", "V7", "V8", "V9", "V10", "V11", "V12", "V13", "V14", "V15", "V16"}


def rows(text: str) -> list[tuple[str, str, str, str]]:
    """Requirement id, requirement, control, proof: the rows of every table of four columns."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and not set(line) <= set("|-: ") and cells[0] != "id":
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


def names_in(path: Path) -> set[str]:
    """Functions, classes and constants a module defines, methods included."""
    tree = ast.parse(path.read_text())
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def wrong_with(row: tuple[str, str, str, str]) -> list[str]:
    """What the row names and does not exist, or does not name at all."""
    key, _, control, proof = row
    complaints = []
    for what, cell in (("control", control), ("proof", proof)):
        links = _PATH.findall(cell)
        if not links:
            complaints.append(f"{key}: no {what}")
        for path, name in links:
            if not list(ROOT.glob(path)):
                complaints.append(f"{key}: {path} does not exist")
            elif name and name not in names_in(ROOT / path):
                complaints.append(f"{key}: {path} has no {name}")
    if not any(path.startswith("tests/") and name.startswith("test_") for path, name in _PATH.findall(proof)):
        complaints.append(f"{key}: the proof names no test")
    return complaints


def test_every_row_names_a_control_and_a_test_that_exist():
    assert [complaint for row in rows(PAGE.read_text()) for complaint in wrong_with(row)] == []


def test_every_risk_and_chapter_has_a_row():
    keys = {key for key, *_ in rows(PAGE.read_text())}
    assert {key for key in keys if key.startswith("API")} == API_TOP_10
    assert {key.split(".")[0] for key in keys if key.startswith("V")} == CHAPTERS
    assert any(key.startswith("Pasal ") for key in keys)


@pytest.mark.parametrize(
    ("control", "proof", "complaint"),
    [
        ("", "`tests/security/test_tokens.py::test_x`", "no control"),
        ("`src/tksk_api/security/tokens.py::Tokens`", "see the tests", "no proof"),
        ("`src/tksk_api/nowhere.py`", "`tests/security/test_tokens.py`", "does not exist"),
        ("`src/tksk_api/security/tokens.py::Nobody`", "`tests/security/test_tokens.py`", "has no Nobody"),
        ("`src/tksk_api/security/tokens.py`", "`tests/security/test_tokens.py`", "names no test"),
    ],
)
def test_the_check_above_sees_a_row_that_rotted(control, proof, complaint):
    assert complaint in " ".join(wrong_with(("V9.9", "a requirement", control, proof)))
