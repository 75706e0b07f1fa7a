"""What else could tell of a row elsewhere: ids inside bodies, ids chosen by clients, keys of retries.

Rows named in addresses are the matter of tests/authorization. The operations come from the published document: one
whose body names a row fails here until it says how to ask it.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from architecture.specification import Operation, operations
from architecture.world import AWAY, BODIES, HOME, World, activity, assignment, build_world, decile, family, sign_in
from helpers import AMPENAN, AMPENAN_VILLAGE, Caller, person
from tksk_api.domain.seeds import agency_id

# Ids in bodies: member -> the collection whose row it names.
NAMED_IN_BODIES = {
    "beneficiary_id": "beneficiaries",
    "beneficiary_ids": "beneficiaries",
    "dependants": "beneficiaries",
    "visit_id": "visits",
    "visit_ids": "visits",
    "sktm_application_ids": "sktm-applications",
    "referral_ids": "referrals",
    "activity_id": "activities",
    "follows_up_id": "activities",
    "attachment_ids": "attachments",
    "sktm_application_id": "sktm-applications",
    "replaces_id": "sktm-applications",
    "user_id": "users",
    "officer_id": "users",
    "family_id": "families",
    "successor_id": "beneficiaries",
    "into_id": "beneficiaries",
}
# Members that name rows everybody may see, or nothing that exists yet.
NOT_SCOPED_IN_BODIES = {"id", "agency_id", "agency_ids", "partner_ids", "attachment_id", "device_id", "label_id"}


@pytest.fixture(scope="module")
async def world(app, module_owner) -> AsyncIterator[World]:
    async with build_world(app, module_owner) as built:
        yield built


def alike(answer: httpx.Response) -> dict[str, Any]:
    return {**answer.json(), "instance": None}


def naming(app: Any) -> list[tuple[Operation, str]]:
    """Every member of a body that names a row of somebody's region, with its operation."""
    found = []
    for operation in operations(app):
        for name in sorted(operation.body_properties):
            if name in NAMED_IN_BODIES:
                found.append((operation, name))
            elif name.endswith(("_id", "_ids")):
                assert name in NOT_SCOPED_IN_BODIES, f"{operation.name}: say in NAMED_IN_BODIES what {name} names"
    return found


class Away:
    """What the officer of another district has: requests that are right but for the id they name."""

    def __init__(self, world: World) -> None:
        self.officer = world.away["tksk"]
        self.clerk = world.away["village_clerk"]
        self.office = world.away["regency_office"]
        self.agency = world.ids["agencies"]
        self.requests: dict[str, tuple[str, dict[str, Any]]] = {}

    async def settle(self) -> None:
        someone = await self._made("/v1/beneficiaries", person(village_code=AMPENAN_VILLAGE))
        bodies = {
            "visit": {"beneficiary_id": someone, "visited_on": "2026-11-02"},
            "sktm_application": {
                "beneficiary_id": someone,
                "purpose": "education",
                "purpose_detail": "Beasiswa",
                "addressed_to": "Universitas Mataram",
            },
            "referral": {
                "beneficiary_id": someone,
                "program": "pbi_jk",
                "agency_id": self.agency,
                "reason": "Tidak mampu membayar iuran",
                "consent": "given",
            },
            "activity": activity(someone, AWAY["village"]),
            "privacy_request": {
                "beneficiary_id": someone,
                "kind": "access",
                "reason": "Permintaan di loket",
                "requested_by": "self",
                "received_on": "2026-11-02",
            },
        }
        for noun, body in bodies.items():
            url = "/v1/activities" if noun == "activity" else f"/v1/{noun.replace('_', '-')}s"
            self.requests[f"create_{noun}"] = (url, body)
            if noun not in ("visit", "privacy_request"):
                self.requests[f"update_{noun}"] = (f"{url}/{await self._made(url, body)}", {})
        self.requests["create_quick_activity"] = ("/v1/activities/quick", {"kind": "aftercare"})
        in_place = {**bodies["activity"], "officer_id": str(uuid4())}
        self.requests["create_activity_in_place"] = ("/v1/activities/in-place-of", in_place)
        meeting = {"title": "Rapat", "kind": "coordination_meeting", "pillar": "protection"}
        template = await self._made("/v1/activity-templates", meeting)
        self.requests["use_activity_template"] = (f"/v1/activity-templates/{template}/use", {})
        visit = await self._made("/v1/visits", bodies["visit"])
        found = {"outcome": "met", "finding": "eligible", "evidence": {}}
        self.requests["complete_visit"] = (f"/v1/visits/{visit}/complete", found)
        seen = await self._made("/v1/visits", bodies["visit"])
        assert (await self.officer.act(f"/v1/visits/{seen}/complete", found)).status_code == 200
        (hinted,) = (await self.officer.get("/v1/activities?is_suggested=true")).json()["items"]
        self.requests["link_activity"] = (f"/v1/activities/{hinted['id']}/link", {})
        self.requests["merge_beneficiary"] = (f"/v1/beneficiaries/{someone}/merge", {"reason": "Orang yang sama"})
        self.requests["create_ppks_assessment"] = ("/v1/ppks-assessments", {"category": "pemulung"})
        of_family = {"category": "keluarga_bermasalah_psikologis"}
        self.requests["create_ppks_assessment/family_id"] = ("/v1/ppks-assessments", of_family)
        self.requests["advise_eligibility"] = ("/v1/programs/pip/eligibility", {})
        papers = [{"kind": kind, "attachment_id": None, "shown_physically": True} for kind in ("ktp", "family_card")]
        sent = await self._made("/v1/referrals", {**bodies["referral"], "documents": papers})
        assert (await self.officer.act(f"/v1/referrals/{sent}/submit")).status_code == 200
        moved = {"agency_id": str(agency_id("52.71:social_service_office")), "reason": "Ditangani dinas sosial"}
        self.requests["transfer_referral"] = (f"/v1/referrals/{sent}/transfer", moved)
        await self._settle_family(someone)
        self.requests["create_assignment"] = ("/v1/assignments", assignment(self.officer.user_id, AMPENAN))
        checked = await self._checked({**bodies["sktm_application"], "purpose": "social_aid"})
        self.requests["verify_sktm_application"] = (f"{checked}/verify", {"recommendation": "Layak dibantu."})

    async def _settle_family(self, head: str) -> None:
        child = await self._made("/v1/beneficiaries", person(village_code=AMPENAN_VILLAGE))
        body = family(head, AMPENAN_VILLAGE)
        body["members"].append({"beneficiary_id": child, "relationship": "child"})
        url = f"/v1/families/{await self._made('/v1/families', body)}"
        change = {"former_head_relationship": "other", "reason": "agreed"}
        self.requests |= {
            "add_family_member": (f"{url}/members", {"relationship": "other"}),
            "change_family_head": (f"{url}/change-head", change),
            "split_family": (f"{url}/split", {"members": body["members"][:1], "reason": "agreed"}),
            "create_decile_snapshot": ("/v1/decile_snapshots", decile(url.rsplit("/", 1)[1])),
        }

    async def _checked(self, body: dict[str, Any]) -> str:
        url = f"/v1/sktm-applications/{await self._made('/v1/sktm-applications', body)}"
        kinds = ("cover_letter", "ktp", "family_card")
        for action, step in (("submit", None), ("check", {"documents": [{"kind": k, "status": "ok"} for k in kinds]})):
            answer = await self.clerk.act(f"{url}/{action}", step)
            assert answer.status_code == 200, answer.text
        return url

    async def _made(self, url: str, body: dict[str, Any]) -> str:
        answer = await self.officer.post(url, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def ask(self, operation: Operation, name: str, key: str) -> httpx.Response:
        url, body = self.requests.get(f"{operation.name}/{name}") or self.requests[operation.name]
        headers = {"If-Match": f'"v{await self._version(url)}"'} if operation.needs_version else {}
        value = key if name.endswith("_id") else [key]
        caller = self.officer if "tksk" in operation.roles else self.office
        return await caller.request(operation.method, url, json={**body, name: value}, headers=headers)

    async def _version(self, url: str) -> int:
        record = "/".join(url.split("/")[:4])  # /v1/visits/{id}, whatever is done to it
        return int((await self.officer.get(record)).json()["version"])


async def test_a_row_named_in_a_body_answers_the_others_like_a_missing_one(world):
    """A visit, an application or a referral for a person elsewhere: refused as for a person who does not exist."""
    away = Away(world)
    await away.settle()
    named = naming(world.app)
    missing = {operation.name for operation, _ in named} - away.requests.keys()
    assert not missing, f"say in Away.settle how the officer elsewhere asks {missing}"
    for operation, name in named:
        keys = (world.ids[NAMED_IN_BODIES[name]], str(uuid4()))
        answers = [await away.ask(operation, name, key) for key in keys]
        assert [a.status_code for a in answers] == [422, 422], (operation.name, name, answers[0].text)
        assert alike(answers[0]) == alike(answers[1]), (operation.name, name)
        assert [error["code"] for error in answers[0].json()["errors"]] == ["unknown_reference"]
        assert "18.71" not in answers[0].text
    assert len(named) >= 8


async def test_an_id_taken_elsewhere_is_refused_without_a_word_about_it(world):
    """The client may choose ids, so a taken one must be refused; the answer names neither place nor person."""
    body = person(id=world.ids["beneficiaries"], village_code=AMPENAN_VILLAGE)
    answer = await world.away["tksk"].post("/v1/beneficiaries", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "id_in_use"
    assert "18.71" not in answer.text
    assert "Siti" not in answer.text


async def test_a_nik_taken_elsewhere_is_refused_without_a_word_about_it(world):
    """Else registering somebody would tell where they are known; asking that is its own, recorded operation."""
    body = person(nik=world.nik, village_code=AMPENAN_VILLAGE, full_name="Orang Lain")
    answer = await world.away["tksk"].post("/v1/beneficiaries", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "nik_taken"
    assert not any(word in answer.text for word in ("18.71", "Siti", world.ids["beneficiaries"]))


async def test_another_users_idempotency_key_is_not_seen(world):
    key = {"Idempotency-Key": "shared"}
    first = await world.home["tksk"].post("/v1/beneficiaries", json=person(), headers=key)
    other = await world.away["tksk"].post("/v1/beneficiaries", json=person(village_code=AMPENAN_VILLAGE), headers=key)
    assert (first.status_code, other.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in other.headers


async def test_a_colleagues_idempotency_key_is_not_seen_either(world):
    """Same role, same region, same body: still another person's request."""
    key, body = {"Idempotency-Key": "shared-again"}, person()
    colleague: Caller = await sign_in(world, "tksk", HOME["district"])
    first = await world.home["tksk"].post("/v1/beneficiaries", json=body, headers=key)
    other = await colleague.post("/v1/beneficiaries", json=body, headers=key)
    assert (first.status_code, other.status_code) == (201, 409)
    assert other.json()["code"] == "nik_taken"


def test_a_path_parameter_without_a_row_says_what_to_do(world):
    unknown = Operation("GET", "/v1/grievances/{id}", "get_grievance", "beneficiary:read", {}, {})
    with pytest.raises(KeyError, match="Make one in _fill"):
        world.path(unknown)


def test_the_bodies_table_names_existing_operations(app):
    assert BODIES.keys() <= {operation.name for operation in operations(app)}
