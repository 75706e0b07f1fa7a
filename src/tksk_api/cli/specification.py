"""`tksk openapi`: the committed documents, one per service and the whole, and the pages of the problem codes."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from tksk_api.cli.console import console, errors, repository, stop
from tksk_api.domain.activities import workflow as activities
from tksk_api.domain.imports import workflow as imports
from tksk_api.domain.ppks_assessments import workflow as ppks_assessments
from tksk_api.domain.privacy_requests import workflow as privacy_requests
from tksk_api.domain.proposals import workflow as proposals
from tksk_api.domain.referrals import workflow as referrals
from tksk_api.domain.reports import workflow as reports
from tksk_api.domain.sktm_applications import workflow as sktm_applications
from tksk_api.domain.visits import workflow as visits
from tksk_api.errors import PROBLEMS
from tksk_api.main import create_app
from tksk_api.openapi import service_document, whole_document
from tksk_api.security.crypto import create_key_file
from tksk_api.services import SERVICES
from tksk_api.settings import Settings

WORKFLOWS = (
    visits.WORKFLOW,
    proposals.WORKFLOW,
    sktm_applications.WORKFLOW,
    referrals.WORKFLOW,
    activities.WORKFLOW,
    reports.WORKFLOW,
    privacy_requests.WORKFLOW,
    ppks_assessments.WORKFLOW,
    imports.WORKFLOW,
)
_WORKFLOWS = (
    "# Workflows\n\nMade from the tables in `src/tksk_api/domain/*/workflow.py` by `tksk openapi`. A step from another "
    "state answers 409 `transition_refused` with the state and the actions it allows.\n\n"
)
PUBLIC_URL = "https://tksk.example.go.id"


def documents() -> dict[str, dict[str, Any]]:
    """File name -> OpenAPI document, as committed under openapi/."""
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "keys.json"
        create_key_file(key_file)
        app = create_app(Settings(database_url=SecretStr("postgresql://nobody@localhost/none"), key_file=key_file))
    made = {f"{name}.json": service_document(app, name, PUBLIC_URL) for name in SERVICES}
    return made | {"tksk.json": whole_document(app, SERVICES, PUBLIC_URL)}


def files() -> dict[Path, str]:
    """Everything this command writes, by path below the repository."""
    specs = {
        Path("openapi") / name: json.dumps(document, indent=2, ensure_ascii=False, sort_keys=False) + "\n"
        for name, document in documents().items()
    }
    pages = {Path("docs/problems") / f"{code}.md": text.page(code) for code, text in PROBLEMS.items()}
    return specs | pages | {Path("docs/workflows.md"): _WORKFLOWS + "\n".join(flow.diagram() for flow in WORKFLOWS)}


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 when a file is stale")] = False,
) -> None:
    """Write openapi/*.json and docs/problems/*.md from the code."""
    root, made = repository(), files()
    existing = {
        path.relative_to(root) for folder in ("openapi", "docs/problems") for path in (root / folder).glob("*.*")
    }
    stale = sorted(
        str(path)
        for path, content in made.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != content
    )
    left_over = sorted(str(path) for path in existing - set(made))
    if check:
        for name in (*stale, *left_over):
            errors.print(f"  {name} is stale")
        if stale or left_over:
            stop("Run `tksk openapi` and commit what it writes.")
        console.print(f"{len(made)} generated files are up to date.")
        return
    for path, content in made.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    for name in left_over:
        (root / name).unlink()
    console.print(f"{len(stale)} of {len(made)} files written, {len(left_over)} removed.")
