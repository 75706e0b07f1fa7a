"""Walking an SKTM application over HTTP up to a wanted state."""

from typing import Any
from uuid import UUID, uuid4

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person

URL = "/v1/sktm-applications"
BASE_DOCUMENTS = ("cover_letter", "ktp", "family_card", "school_letter")


async def add_visit(owner: Any, person_id: str, officer_id: UUID, finding: str = "eligible", **over: Any) -> str:
    """A completed visit, written by the owner."""
    visit_id = uuid4()
    await owner.execute(
        "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status, outcome, "
        "finding) VALUES ($1, 1, $2, $3, $4, current_date, $5, $6, $7)",
        visit_id,
        SRENGSEM,
        UUID(person_id),
        officer_id,
        over.get("status", "completed"),
        over.get("outcome", "met"),
        finding,
    )
    return str(visit_id)


class Offices:
    """The people one letter needs."""

    def __init__(self, **callers: Caller) -> None:
        self.tksk = callers["tksk"]
        self.clerk = callers["clerk"]
        self.head = callers["head"]
        self.camat = callers["camat"]
        self.dinsos = callers["dinsos"]


async def offices(as_: Any) -> Offices:
    return Offices(
        tksk=await as_("tksk", PANJANG, full_name="Rina Wulandari"),
        clerk=await as_("village_clerk", SRENGSEM, full_name="Agus Pratama"),
        head=await as_(
            "village_head", SRENGSEM, full_name="Hendra Saputra, S.Sos.", employee_number="198001012005011003"
        ),
        camat=await as_("district_head", PANJANG, full_name="Yuni Astuti, M.Si."),
        dinsos=await as_("regency_office", BANDAR_LAMPUNG),
    )


def application(person_id: str, **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/sktm-applications."""
    return {
        "beneficiary_id": person_id,
        "purpose": "education",
        "purpose_detail": "Beasiswa KIP Kuliah",
        "addressed_to": "Universitas Lampung",
        "documents": [{"kind": "ktp", "shown_physically": True}],
        **over,
    }


async def draft(team: Offices, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    person = person or await add_person(team.clerk)
    answer = await team.clerk.post(URL, json=application(person["id"], **over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def submitted(team: Offices, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    row = await draft(team, person, **over)
    return ok(await team.clerk.act(f"{URL}/{row['id']}/submit"))


async def checked(team: Offices, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    row = await submitted(team, person, **over)
    documents = [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]
    return ok(await team.clerk.act(f"{URL}/{row['id']}/check", {"documents": documents}))


async def verified(owner: Any, team: Offices, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    row = await checked(team, person, **over)
    visit = await add_visit(owner, row["beneficiary_id"], team.tksk.user_id)
    body = {"visit_id": visit, "recommendation": "Layak: rumah papan, penghasilan tidak tetap."}
    return ok(await team.tksk.act(f"{URL}/{row['id']}/verify", body))


async def issued(owner: Any, team: Offices, person: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    row = await verified(owner, team, person, **over)
    return ok(await team.head.act(f"{URL}/{row['id']}/sign"))


def ok(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
