"""Reference rows that live in tables: the programmes, and offices they lead to."""

from uuid import UUID, uuid5

import asyncpg

from tksk_api.domain.references.lists import LISTS

_NAMESPACE = UUID("6f0d8f0e-3a52-5d0b-9c7e-18710452710a")

# "region:kind" -> office; "ID" serves the nation. Offices only: no person, no address, no telephone number.
AGENCIES = {
    "ID:ministry": "Kementerian Sosial Republik Indonesia",
    "18:social_service_office": "Dinas Sosial Provinsi Lampung",
    "18:education_office": "Dinas Pendidikan dan Kebudayaan Provinsi Lampung",
    "18:health_office": "Dinas Kesehatan Provinsi Lampung",
    "18:hospital": "RSUD Dr. H. Abdul Moeloek Provinsi Lampung",
    "18:electricity_company": "PLN Unit Induk Distribusi Lampung",
    "18:court": "Pengadilan Tinggi Tanjungkarang",
    "18.71:social_service_office": "Dinas Sosial Kota Bandar Lampung",
    "18.71:bpjs_office": "BPJS Kesehatan Kantor Cabang Bandar Lampung",
    "18.71:education_office": "Dinas Pendidikan dan Kebudayaan Kota Bandar Lampung",
    "18.71:health_office": "Dinas Kesehatan Kota Bandar Lampung",
    "18.71:hospital": "RSUD dr. A. Dadi Tjokrodipo Kota Bandar Lampung",
    "18.71:electricity_company": "PLN UP3 Tanjung Karang",
    "18.71:court": "Pengadilan Negeri Tanjungkarang",
    "52.71:social_service_office": "Dinas Sosial Kota Mataram",
    "52.71:bpjs_office": "BPJS Kesehatan Kantor Cabang Mataram",
    "52.71:education_office": "Dinas Pendidikan Kota Mataram",
    "52.71:health_office": "Dinas Kesehatan Kota Mataram",
    "52.71:hospital": "RSUD Kota Mataram",
    "52.71:electricity_company": "PLN UP3 Mataram",
    "52.71:court": "Pengadilan Negeri Mataram",
}


def agency_id(key: str) -> UUID:
    """The id of a seeded office, the same in every installation; KeyError for a key that is not in `AGENCIES`."""
    if key not in AGENCIES:
        raise KeyError(key)
    return uuid5(_NAMESPACE, key)


async def load_seeds(owner_url: str) -> None:
    """Insert the programmes of the packaged list and the offices; what is there already stays. Idempotent."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.executemany(
            "INSERT INTO programs (code, name_id, name_en, agency_kinds, required_documents, legal_base, note_id, "
            "note_en, valid_from, valid_until, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1) "
            "ON CONFLICT (code) DO NOTHING",
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
        await connection.executemany(
            "INSERT INTO agencies (id, version, name, kind, region_code, is_active) VALUES ($1, 1, $2, $3, $4, true) "
            "ON CONFLICT (id) DO NOTHING",
            [(agency_id(key), name, *_kind_and_region(key)) for key, name in AGENCIES.items()],
        )
    finally:
        await connection.close()


def _kind_and_region(key: str) -> tuple[str, str | None]:
    region, kind = key.split(":")
    return kind, None if region == "ID" else region
