"""`tksk statistics`: whether the figures are what the rows say, and counting them anew."""

import asyncio
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from tksk_api.cli.console import console
from tksk_api.cli.database import owner_url
from tksk_api.domain.statistics import upkeep
from tksk_api.domain.statistics.upkeep import Difference

_SHOWN = 50


async def _differences(region: str | None) -> list[Difference]:
    connection = await asyncpg.connect(owner_url())
    try:
        return await upkeep.differences(connection, region)
    finally:
        await connection.close()


async def _rebuilt() -> int:
    connection = await asyncpg.connect(owner_url())
    try:
        return await upkeep.rebuild(connection)
    finally:
        await connection.close()


def verify(
    region: Annotated[
        str | None, typer.Option("--region", help="Code of a province or regency: it, and what lies inside")
    ] = None,
) -> None:
    """Recount from the rows. Exit code 1 and a list where a figure differs; then rebuild, and report it."""
    found = asyncio.run(_differences(region))
    if not found:
        console.print("Every figure is what its rows say.")
        return
    table = Table("figures", "region", "month", "keys", "kept", "counted")
    for item in found[:_SHOWN]:
        keys = ", ".join(item.keys)
        table.add_row(item.cube, item.region_code, f"{item.month:%Y-%m}", keys, str(item.kept), str(item.counted))
    console.print(table)
    console.print(f"{len(found)} figures differ. `tksk statistics rebuild` counts them anew.")
    raise typer.Exit(1)


def rebuild() -> None:
    """Count every figure anew from the rows. Nobody waits for it, and what is written meanwhile is not lost."""
    console.print(f"{asyncio.run(_rebuilt())} figures counted anew.")
