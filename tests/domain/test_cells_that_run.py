"""What a spreadsheet would compute, however it divides the file (OWASP, CSV injection)."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import CellError

FORMULA = "=cmd|' /C calc'!A0"
PARTED = [f"Budi;{FORMULA};x", f"Budi\t+{FORMULA}", f"Budi|  @{FORMULA}", f"beras\n{FORMULA}", f'Budi;"{FORMULA}";x']


def divided(line: str, delimiter: str) -> list[str]:
    """As a spreadsheet does it that was told another delimiter: a mark inside a cell is a letter of it."""
    return [part.lstrip(' "') for piece in line.splitlines() for part in piece.split(delimiter)]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"], ids=["semicolon", "tab", "bar"])
@pytest.mark.parametrize("value", PARTED, ids=["semicolon", "tab", "bar", "line", "quoted"])
def test_a_text_runs_under_no_delimiter(value, delimiter):
    for out in (cells.shielded(value), cells.defused(value)):
        made = io.StringIO(newline="")
        csv.writer(made).writerow(["Siti", out, "Jl. Melati"])
        assert not [part for part in divided(made.getvalue(), delimiter) if part[:1] in set("=+-@")]
        assert cells.text(out)[0] == value


def test_a_file_divided_by_semicolons_is_safe_under_commas():
    assert cells.defused("Jl. Melati,=1", ";") == "'Jl. Melati,'=1"
    assert cells.defused("Jl. Melati;=1", ";") == "Jl. Melati;=1"  # in quotation marks there
    assert cells.defused("Jl. Melati,=1") == "Jl. Melati,=1"


@pytest.mark.parametrize("plain", ["Gang Mawar 3; RT 2", "Ma'ruf; 'Aisyah", "'Aisyah", "-5,25", "a - b = c", "-"])
def test_ordinary_texts_stay_as_they_are(plain):
    assert cells.defused(plain) == plain


@settings(max_examples=300, deadline=None)
@given(written=st.text(alphabet="='+-@;,|\t\n\r\" aB1\uff1d", max_size=9), delimiter=st.sampled_from(",;"))
def test_what_goes_out_is_read_as_it_was(written, delimiter):
    """Twice out and in, too: an error file made of an error file."""
    try:
        value, _ = cells.text(written)
    except CellError:
        return
    once = cells.defused(written, delimiter)
    assert cells.text(once)[0] == value
    assert cells.text(cells.defused(once, delimiter))[0] == value
    for is_typed in (False, True):
        if value is not None and value == value.strip():
            assert cells.text(cells.shielded(value, is_typed=is_typed))[0] == value
