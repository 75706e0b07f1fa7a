"""Reference rows that live in tables: the programmes, and the national agencies they lead to."""

import asyncpg

from tksk_api.domain.references.lists import LISTS


async def load_seeds(owner_url: str) -> None:
    """Insert or refresh the programmes from the packaged list. Idempotent."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.executemany(
            "INSERT INTO programs (code, name_id, name_en, agency_kinds, required_documents, legal_base, note_id, note_en, "
            "valid_from, valid_until, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1) ON CONFLICT (code) DO NOTHING",
            [
                (
                    item.code,
                    item.label_id,
                    item.label_en,
                    [item.attributes.get("agency_kind"), *item.attributes.get("also_agency_kinds", ())],  # type: ignore[misc]
                    list(item.attributes.get("required_documents", ())),  # type: ignore[call-overload]
                    item.source,
                    item.note_id,
                    item.note_en,
                    item.valid_from,
                    item.valid_until,
                )
                for item in LISTS["programs"].items
            ],
        )
    finally:
        await connection.close()
