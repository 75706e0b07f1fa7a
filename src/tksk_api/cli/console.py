"""What the commands share: one console, settings with all their problems at once, a way to stop."""

from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError
from rich.console import Console

from tksk_api.settings import Settings

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def stop(message: str, code: int = 1) -> NoReturn:
    """Say why on stderr and leave."""
    errors.print(f"[bold red]tksk:[/] {message}")
    raise SystemExit(code)


def load_settings() -> Settings:
    """The settings of the environment; lists every problem at once and exits with 2 when there are any."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "TKSK_" + "_".join(str(part) for part in problem["loc"]).upper()
            errors.print(f"  {name}: {problem['msg']}")
        stop("The configuration is incomplete; set the variables above (see .env.example).", 2)


def repository() -> Path:
    """The folder whose `.tksk/` holds what the embedded server and the demo make."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "alembic.ini").exists() else Path.cwd()
