"""Counts over many rows: equal to the lists they name, by region and period, compared, and kept small from some."""

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person, code_of, machine
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.statistics.open_data import DATASETS
from tksk_api.domain.statistics.periods import last_day, months_later
from tksk_api.domain.statistics.subjects import SOURCES
from tksk_api.domain.statistics.suppression import told
from tksk_api.domain.statistics.upkeep import differences, fold
from tksk_api.routers import statistics as routes

URL = "/v1/statistics"
OTHER_VILLAGE, OTHER_DISTRICT = "18.71.04.1003", "18.71.05"
TODAY = local_today("Asia/Jakarta")
THIS_MONTH, LAST_MONTH = months_later(TODAY, 0), months_later(TODAY, -1)


@pytest.fixture(autouse=True)
def nothing_made_before() -> Iterator[None]:
    """Tables of open data are kept for a day; another test's are of other people."""
    routes._made.clear()
    yield
    routes._made.clear()


async def log_work(owner: Any, officer: UUID, region: str, day: date, **over: Any) -> UUID:
    """A piece of work, written by the owner; submitted unless said otherwise."""
    key = uuid4()
    await owner.execute(
        "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, "
        "status) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, 'Kerja', $8)",
        key,
        region,
        officer,
        day,
        over.get("pillar", "social_security"),
        over.get("function", "facilitation"),
        over.get("kind", "sktm_verification"),
        over.get("status", "submitted"),
    )
    return key


async def got(caller: Caller, **query: Any) -> dict[str, Any]:
    wanted = {{"from_": "from"}.get(name, name): str(value) for name, value in query.items()}
    answer = await caller.get(URL, params=wanted)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def listed(caller: Caller, link: str) -> int:
    """How many rows the list behind a number has, over all of its pages."""
    path, rows, cursor = link, 0, None
    while True:
        answer = await caller.get(path + (f"&cursor={cursor}" if cursor else "") + "&limit=200")
        assert answer.status_code == 200, (link, answer.text)
        rows += len(answer.json()["items"])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return rows


def numbers(found: dict[str, Any]) -> dict[tuple[str, ...], int | None]:
    """The cells by their keys, those of nought left out."""
    return {tuple(cell["keys"].values()): cell["count"] for cell in found["cells"] if cell["count"] != 0}


async def a_little_of_everything(as_: Any, owner: Any) -> Caller:
    """Work, people, assessments, visits, applications and referrals of two districts; the officer of one of them."""
    officer = await as_("tksk", PANJANG)
    days = [THIS_MONTH, LAST_MONTH, last_day(LAST_MONTH), months_later(TODAY, -5)]
    for number, (day, region) in enumerate(product(days, (SRENGSEM, OTHER_VILLAGE, PANJANG, OTHER_DISTRICT))):
        status = ("submitted", "accepted", "draft", "submitted", "returned")[number % 5]
        pillar = ("social_security", "rehabilitation", "protection")[number % 3]
        await log_work(owner, officer.user_id, region, day, status=status, pillar=pillar)
    people = [
        await add_person(officer, ppks_categories=categories, birth_date=born, sex=sex, nik=None)
        for categories, born, sex in (
            (["fakir_miskin"], "1950-01-01", "female"),
            (["pemulung", "fakir_miskin"], "1991-03-25", "male"),
            (["anak_terlantar"], "2012-02-29", "female"),
        )
    ]
    keys = [UUID(person["id"]) for person in people]
    await owner.execute(
        "INSERT INTO ppks_assessments (id, version, region_code, category, unit, beneficiary_id, since, assessed_on, "
        "status) VALUES (gen_random_uuid(), 1, $1, 'odha', 'person', $2, $3, $3, 'active')",
        SRENGSEM,
        keys[1],
        LAST_MONTH,
    )
    for number, day in enumerate((THIS_MONTH, LAST_MONTH, LAST_MONTH + timedelta(days=9))):
        status, outcome = (("completed", "met"), ("planned", None), ("completed", "nobody_home"))[number]
        await owner.execute(
            "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status, outcome) "
            "VALUES (gen_random_uuid(), 1, $1, $2, $3, $4, $5, $6)",
            SRENGSEM,
            keys[number],
            officer.user_id,
            day,
            status,
            outcome,
        )
        await owner.execute(
            "INSERT INTO sktm_applications (id, version, region_code, beneficiary_id, purpose, purpose_detail, "
            "addressed_to, status, created_at) VALUES (gen_random_uuid(), 1, $1, $2, $3, 'x', 'x', $4, "
            # One second before, and after, midnight at the place.
            "($5::timestamp - ($6 || ' seconds')::interval) AT TIME ZONE 'Asia/Jakarta')",
            SRENGSEM,
            keys[number],
            ("education", "health", "education")[number],
            ("issued", "draft", "issued")[number],
            day,
            str(number % 2),
        )
        await owner.execute(
            "INSERT INTO referrals (id, version, region_code, beneficiary_id, beneficiary_name, agency_id, program, "
            "reason, consent, status, created_at) SELECT gen_random_uuid(), 1, $1, $2, 'x', a.id, $3, 'x', 'given', "
            "$4, $5::timestamp AT TIME ZONE 'Asia/Jakarta' FROM agencies a ORDER BY a.id LIMIT 1",
            SRENGSEM,
            keys[number],
            ("pip", "pkh", "pip")[number],
            ("approved", "draft", "rejected")[number],
            day,
        )
    return officer


async def test_every_number_is_the_length_of_the_list_it_names(as_, app, owner):
    officer = await a_little_of_everything(as_, owner)
    office, ministry = await as_("regency_office", BANDAR_LAMPUNG), await as_("ministry")
    first, last = months_later(TODAY, -7), last_day(TODAY)
    asked = [(subject, (name,)) for subject, source in SOURCES.items() for name in source.parameters]
    asked += [
        ("activities", ("month", "region", "pillar")),
        ("activities", ("kind", "pillar")),
        ("ppks", ("sex", "age_band")),
        ("sktm", ()),
    ]
    seen = set()
    for caller, folded in ((ministry, False), (office, True), (officer, True)):
        if folded:
            await fold(app.state.house.sessions)
        for subject, by in asked:
            found = await got(caller, of=subject, by=",".join(by), from_=first, to=last)
            assert not found["totals"]["suppressed"]
            assert sum(cell["count"] for cell in found["cells"]) == found["totals"]["count"] or not by
            for figure in (*(cell for cell in found["cells"] if cell["count"]), found["totals"]):
                seen.add((subject, figure["filter"]))
                assert await listed(caller, figure["filter"]) == figure["count"], figure
    assert len(seen) > 60
    assert await differences(owner) == []
    # The officer and the regency see one assessment more: of a sensitive category.
    counted = [
        (await got(caller, of="ppks", from_=first, to=last))["totals"]["count"] for caller in (officer, ministry)
    ]
    assert counted == [5, 4]


async def test_one_drills_down_from_the_nation_to_the_village(as_, owner):
    ministry, officer = await as_("ministry"), await as_("tksk", PANJANG)
    for region, count in ((SRENGSEM, 3), (OTHER_VILLAGE, 2), (PANJANG, 1), (OTHER_DISTRICT, 4)):
        for _ in range(count):
            await log_work(owner, officer.user_id, region, LAST_MONTH)
    span = {"from_": months_later(TODAY, -2), "to": last_day(TODAY)}
    for area, below in (
        (None, {"18": 10}),
        ("18", {BANDAR_LAMPUNG: 10}),
        (BANDAR_LAMPUNG, {PANJANG: 6, OTHER_DISTRICT: 4}),
        (PANJANG, {PANJANG: 1, SRENGSEM: 3, OTHER_VILLAGE: 2}),
        (SRENGSEM, {SRENGSEM: 3}),
    ):
        found = await got(ministry, by="region", **({} if area is None else {"region": area}), **span)
        assert numbers(found) == {(code,): count for code, count in below.items()}
        assert found["totals"]["count"] == sum(below.values())
        assert found["region"] == area
        assert below.keys() <= found["regions"].keys() | {PANJANG}
    by_month = await got(officer, by="month,pillar", **span)
    assert [(c["keys"]["month"], c["count"]) for c in by_month["cells"]] == [
        (f"{months_later(TODAY, -2):%Y-%m}", 0),
        (f"{LAST_MONTH:%Y-%m}", 6),
        (f"{THIS_MONTH:%Y-%m}", 0),
    ]


async def test_a_period_is_compared_with_the_one_before(as_, owner):
    officer = await as_("tksk", PANJANG)
    for day, count in ((LAST_MONTH, 3), (months_later(TODAY, -2), 2), (months_later(TODAY, -3), 1)):
        for number in range(count):
            await log_work(owner, officer.user_id, SRENGSEM, day + timedelta(days=number))
    span = {"from_": LAST_MONTH, "to": last_day(LAST_MONTH)}
    totals = (await got(officer, compare="previous", **span))["totals"]
    assert (totals["count"], totals["previous"], totals["change"], totals["change_percent"]) == (3, 2, 1, 50.0)
    days = {"from_": LAST_MONTH, "to": LAST_MONTH}
    found = await got(officer, compare="previous", by="month", **days)
    assert found["previous"] == {"from": str(LAST_MONTH - timedelta(days=1)), "to": str(LAST_MONTH - timedelta(days=1))}
    assert (found["cells"][0]["count"], found["cells"][0]["previous"], found["totals"]["change_percent"]) == (
        1,
        0,
        None,
    )


async def test_only_what_counts_is_counted_and_every_change_follows(as_, owner):
    officer, office = await as_("tksk", PANJANG), await as_("province_office", "18")
    key = await log_work(owner, officer.user_id, SRENGSEM, LAST_MONTH, status="draft")
    span = {"from_": months_later(TODAY, -2), "to": last_day(TODAY), "by": "region,pillar"}

    async def after(change: str) -> dict[tuple[str, ...], int | None]:
        await owner.execute(f"UPDATE activities SET {change} WHERE id = $1", key)
        assert await differences(owner) == []
        return numbers(await got(office, **span))

    assert await after("title = 'Lain'") == {}
    assert await after("status = 'submitted'") == {(BANDAR_LAMPUNG, "social_security"): 1}
    assert await after("pillar = 'protection'") == {(BANDAR_LAMPUNG, "protection"): 1}
    assert await after("region_code = '18.72.01.1001'") == {("18.72", "protection"): 1}
    assert await after("status = 'returned'") == {}
    assert await after("status = 'accepted', region_code = '52.71.01.1004'") == {}
    assert await after("region_code = '18.71.04.1002'") == {(BANDAR_LAMPUNG, "protection"): 1}
    assert await after("superseded_by = id") == {}
    assert await after("superseded_by = NULL, deleted_at = now()") == {}


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"by": "state"}, "/of", "missing"),
        ({"by": "colour"}, "/by", "not_allowed"),
        ({"by": "pillar", "of": "sktm"}, "/by", "not_allowed"),
        ({"by": "pillar,pillar"}, "/by", "duplicate_entry"),
        ({"from": "2026-03-01", "to": "2026-02-28"}, "/to", "before_start"),
        ({"from": "2001-01-01", "to": "2026-02-28"}, "/to", "too_long_span"),
        ({"region": "18", "from": "2026-01-02", "to": "2026-02-28"}, "/from", "whole_months"),
        ({"region": "18", "from": "2024-02-01", "to": "2024-02-28"}, "/to", "whole_months"),
    ],
    ids=str,
)
async def test_a_question_that_cannot_be_answered_says_why(as_, query, pointer, code):
    office = await as_("province_office", "18")
    answer = await office.get(URL, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert answer.json()["errors"][0]["code"] == code


async def test_figures_are_of_ones_own_area(as_, app, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    for region in ("18", "18.72", "52", "18.71.99"):
        assert code_of(await office.get(URL, params={"region": region})) == "not_found"
    two = await machine(app, owner, ["statistics:figures"], [BANDAR_LAMPUNG, "18.72"])
    assert (await two.get(URL)).json()["errors"][0]["pointer"] == "/region"
    assert (await two.get(URL, params={"region": "18.72"})).status_code == 200


async def test_the_row_policy_alone_shows_no_sums_of_elsewhere(as_, app, owner, settings):
    officer = await as_("tksk", PANJANG)
    for region in (SRENGSEM, "18.72.01.1001", "52.71.01.1004"):
        await log_work(owner, officer.user_id, region, LAST_MONTH)
    seen = {}
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    for folded in (False, True):
        if folded:
            await fold(app.state.house.sessions)
        for regions in ("", BANDAR_LAMPUNG, "18", "ID"):
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.regions', $1, true)", regions)
                rows = await connection.fetch(
                    "SELECT region_code FROM figures UNION SELECT region_code FROM figure_changes"
                )
                seen[folded, regions] = {row["region_code"] for row in rows}
    await connection.close()
    everything = {"ID", "18", BANDAR_LAMPUNG, "18.72", "52", "52.71"}
    assert seen == {
        (False, ""): set(),
        (False, BANDAR_LAMPUNG): {SRENGSEM},
        (False, "18"): {SRENGSEM, "18.72.01.1001"},
        (False, "ID"): {SRENGSEM, "18.72.01.1001", "52.71.01.1004"},
        (True, ""): set(),
        (True, BANDAR_LAMPUNG): {BANDAR_LAMPUNG},
        (True, "18"): {"18", BANDAR_LAMPUNG, "18.72"},
        (True, "ID"): everything,
    }


async def test_who_may_not_see_rows_is_told_no_small_count_and_no_list(as_, app, owner):
    officer, admin = await as_("tksk", PANJANG), await as_("admin")
    client = await machine(app, owner, ["statistics:figures"], ["18"])
    for region, count in ((SRENGSEM, 3), (OTHER_DISTRICT, 2), ("18.72.01.1001", 8), ("52.71.01.1004", 9)):
        for _ in range(count):
            await log_work(owner, officer.user_id, region, LAST_MONTH)
    span = {"from_": LAST_MONTH, "to": last_day(LAST_MONTH)}
    nation = await got(admin, by="region", **span)
    assert (numbers(nation)[("18",)], numbers(nation)[("52",)], nation["totals"]["count"]) == (13, 9, 22)
    assert nation["suppressed_below"] == 5
    province = await got(client, by="region", **span)
    assert (numbers(province)[(BANDAR_LAMPUNG,)], numbers(province)[("18.72",)]) == (5, 8)
    for cell in (*province["cells"], province["totals"]):
        assert cell["filter"] is None
    regency = await got(client, region=BANDAR_LAMPUNG, by="region", **span)
    assert regency["totals"]["count"] == 5
    assert all(cell["count"] is None and cell["suppressed"] for cell in regency["cells"])
    district = await got(client, region=PANJANG, compare="previous", **span)
    assert (district["totals"]["count"], district["totals"]["previous"], district["totals"]["suppressed"]) == (
        None,
        0,
        True,
    )
    for query, code in (
        ({"by": "pillar,function", **span}, "one_dimension"),
        ({"from_": LAST_MONTH, "to": TODAY}, "month_not_over" if last_day(TODAY) == TODAY else "whole_months"),
        ({"from_": LAST_MONTH, "to": last_day(TODAY)}, "month_not_over"),
    ):
        wanted = {{"from_": "from"}.get(name, name): str(value) for name, value in query.items()}
        assert (await client.get(URL, params=wanted)).json()["errors"][0]["code"] == code
    # A coordinator sees the officers' work row by row, and nobody's file.
    coordinator = await as_("coordinator", BANDAR_LAMPUNG)
    assert (await got(coordinator, by="region", **span))["suppressed_below"] is None
    assert (await got(coordinator, of="sktm", **span))["suppressed_below"] == 5


async def test_who_may_not_see_rows_asks_by_one_key_of_a_subject_alone(as_, owner):
    """By sex 3 women and 7 without a sex are withheld; by age the 7 groups would be told, which have neither."""
    admin, officer = await as_("admin"), await as_("tksk", PANJANG)
    person = (await add_person(officer, nik=None, sex="female", birth_date="1991-03-25", ppks_categories=[]))["id"]
    for number in range(10):
        await owner.execute(
            "INSERT INTO ppks_assessments (id, version, region_code, category, unit, beneficiary_id, group_name, "
            "since, assessed_on, status) VALUES (gen_random_uuid(), 1, $1, $2, $3, $4, $5, $6, $6, 'active')",
            SRENGSEM,
            ("fakir_miskin", "pemulung", "pengemis")[number] if number < 3 else "korban_bencana_alam",
            "person" if number < 3 else "group",
            UUID(person) if number < 3 else None,
            None if number < 3 else "Kelompok",
            LAST_MONTH,
        )
    span = {"from": str(LAST_MONTH), "to": str(last_day(LAST_MONTH))}
    for subject, source in SOURCES.items():
        for key in source.parameters:
            for more in ("", "month,", "region,"):
                answer = await admin.get(URL, params={**span, "of": subject, "by": f"{more}{key}"})
                if key == source.open_key:
                    assert answer.status_code == 200, answer.text
                else:
                    assert answer.json()["errors"][0]["code"] == "one_dimension", (subject, key)
                    assert source.open_key in answer.json()["errors"][0]["detail"]
    assert {table.key for table in DATASETS.values()} == {SOURCES[table.of].open_key for table in DATASETS.values()}
    # Their page is by the same keys: a coordinator sees work, and no application.
    coordinator = await as_("coordinator", BANDAR_LAMPUNG)
    page = (await coordinator.get(f"/dashboard/{PANJANG}", headers={"Accept-Language": "en"})).text
    assert "SKTM applications by purpose" in page
    assert "Activities by pillar" in page


async def test_what_is_asked_without_seeing_rows_is_bounded_before_it_is_counted(
    as_, client, owner, limited, monkeypatch
):
    limited(open_data_publisher="Dinas Sosial Contoh")
    admin = await as_("admin")

    async def counted(*_: Any) -> Any:
        pytest.fail("counted before the size was known")

    monkeypatch.setattr("tksk_api.domain.statistics.service._ask", counted)
    long, wide = ({"from": str(months_later(TODAY, -n)), "to": str(last_day(LAST_MONTH))} for n in (25, 24))
    monkeypatch.setattr("tksk_api.domain.statistics.service.MOST_CELLS", 2_000)
    for query, code in ((long, "too_long_span"), (wide, "too_many_cells")):
        public = await client.get(f"{URL}/open-data/ppks-by-category", params=query)
        known = await admin.get(URL, params={**query, "of": "ppks", "by": "region,month,ppks_category"})
        assert [answer.json()["errors"][0]["code"] for answer in (public, known)] == [code, code]


async def test_open_data_are_made_beside_the_requests_and_once_a_day(client, as_, owner, limited, monkeypatch):
    limited(open_data_publisher="Dinas Sosial Contoh")
    officer, at = await as_("tksk", PANJANG), []

    def heard(*given: Any) -> Any:
        at.append(threading.current_thread())
        return told(*given)

    monkeypatch.setattr("tksk_api.domain.statistics.service.told", heard)
    for _ in range(6):
        await log_work(owner, officer.user_id, SRENGSEM, LAST_MONTH, pillar="protection")
    query = {"from": str(LAST_MONTH), "to": str(last_day(LAST_MONTH)), "format": "csv"}
    first = await client.get(f"{URL}/open-data/activities-by-pillar", params=query)
    assert at
    assert threading.main_thread() not in at
    at.clear()
    assert (await client.get(f"{URL}/open-data/activities-by-pillar", params=query)).content == first.content
    assert at == []


async def test_a_round_of_folding_has_an_end(as_, app, owner, monkeypatch):
    monkeypatch.setattr("tksk_api.domain.statistics.upkeep.BATCH", 2)
    monkeypatch.setattr("tksk_api.domain.statistics.upkeep.BATCHES", 3)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    for _ in range(7):
        await log_work(owner, office.user_id, SRENGSEM, LAST_MONTH)
    for folded in (6, 1, 0):
        assert await fold(app.state.house.sessions) == folded
        assert (await got(office))["totals"]["count"] == 7


async def test_sensitive_categories_are_for_few_in_figures_too(as_, owner):
    officer, province = await as_("tksk", PANJANG), await as_("province_office", "18")
    office = await as_("regency_office", BANDAR_LAMPUNG)
    person = UUID((await add_person(officer))["id"])
    body = {"category": "odha", "beneficiary_id": str(person)}
    answer = await officer.post("/v1/ppks-assessments", json=body)
    assert answer.status_code == 201, answer.text
    for caller, count in ((officer, 2), (office, 2), (province, 1)):
        found = await got(caller, by="ppks_category")
        assert (found["totals"]["count"], "odha" in str(found)) == (count, count == 2)


async def test_a_correction_of_the_person_moves_their_assessments(as_, owner):
    officer, province = await as_("tksk", PANJANG), await as_("province_office", "18")
    person = await add_person(officer, nik=None, sex="female", birth_date="1991-03-25")
    span = {"from_": THIS_MONTH, "to": last_day(TODAY), "by": "sex,age_band"}
    assert numbers(await got(province, **span)) == {("female", "18-59"): 1}
    answer = await officer.patch(
        f"/v1/beneficiaries/{person['id']}",
        json={"sex": "male", "birth_date": "1950-01-01", "ppks_categories": ["pemulung"]},
        headers={"If-Match": f'"v{person["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    assert numbers(await got(province, **span)) == {("male", "60+"): 2}
    assert await differences(owner) == []


async def test_coverage_names_the_places_it_counts(as_, owner):
    officer, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    person = UUID((await add_person(officer))["id"])
    for day, status, village in (
        (TODAY - timedelta(days=3), "completed", SRENGSEM),
        (TODAY - timedelta(days=100), "completed", OTHER_VILLAGE),
        (TODAY, "planned", "18.71.04.1001"),
    ):
        await owner.execute(
            "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status, outcome) "
            "VALUES (gen_random_uuid(), 1, $1, $2, $3, $4, $5, 'met')",
            village,
            person,
            officer.user_id,
            day,
            status,
        )
    for caller, query in ((office, {}), (office, {"region": PANJANG}), (officer, {}), (officer, {"days": "200"})):
        answer = await caller.get(f"{URL}/coverage", params=query)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        visited = 2 if "days" in query else 1
        assert found["totals"]["villages"] - found["totals"]["villages_without_visit"] == visited
        assert await listed(caller, found["totals"]["filter"]) == found["totals"]["villages_without_visit"]
        if caller is office:
            link = found["totals"]["vacancies"]
            assert (
                await listed(office, link + ("" if "?" in link else "?x="))
                == (found["totals"]["districts_without_officer"])
            )
        assert sum(row["villages"] for row in found["rows"]) == found["totals"]["villages"]
    last = (await office.get(f"{URL}/unvisited-villages", params={"region": OTHER_VILLAGE})).json()["items"]
    assert [(row["region_code"], row["last_visited_on"]) for row in last] == [
        (OTHER_VILLAGE, str(TODAY - timedelta(days=100)))
    ]
    assert code_of(await office.get(f"{URL}/coverage", params={"region": "18"})) == "not_found"
    # Who may not see visits is not told the day of one, nor finds it by asking for one day more.
    coordinator = await as_("coordinator", BANDAR_LAMPUNG)
    for path in ("coverage", "unvisited-villages"):
        assert (await coordinator.get(f"{URL}/{path}", params={"days": 99})).json()["errors"][0][
            "code"
        ] == "not_allowed"
        assert (await coordinator.get(f"{URL}/{path}")).status_code == 200
        assert (await office.get(f"{URL}/{path}", params={"days": 99})).status_code == 200
    undated = await coordinator.get(f"{URL}/unvisited-villages", params={"region": OTHER_VILLAGE})
    assert [(row["region_code"], row["last_visited_on"]) for row in undated.json()["items"]] == [(OTHER_VILLAGE, None)]


async def test_open_data_is_there_once_somebody_answers_for_it(client, as_, owner, limited):
    limited(open_data_publisher=None)
    for path in ("", "/activities-by-pillar", "/activities-by-pillar/metadata"):
        assert code_of(await client.get(f"{URL}/open-data{path}")) == "not_found"
    limited(open_data_publisher="Dinas Sosial Contoh")
    officer = await as_("tksk", PANJANG)
    for region, count in ((SRENGSEM, 6), (OTHER_DISTRICT, 2), ("52.71.01.1004", 9)):
        for _ in range(count):
            await log_work(owner, officer.user_id, region, LAST_MONTH)
    catalogue = (await client.get(f"{URL}/open-data")).json()["items"]
    assert {table["publisher"] for table in catalogue} == {"Dinas Sosial Contoh"}
    for table in catalogue:
        assert (await client.get(f"{URL}/open-data/{table['id']}/metadata")).json()["columns"] == table["columns"]
    answer = await client.get(f"{URL}/open-data/activities-by-pillar", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert lines[0] == ",".join(column["name"] for column in catalogue[0]["columns"])
    month = f"{LAST_MONTH:%Y-%m}"
    assert f"18,Lampung,{month},social_security,Jaminan sosial,8,false" in lines
    below = (await client.get(f"{URL}/open-data/activities-by-pillar", params={"region": BANDAR_LAMPUNG})).json()
    of_month = [row for row in below["rows"] if row["month"] == month]
    assert of_month
    assert all(row["count"] is None and row["suppressed"] for row in of_month)
    assert code_of(await client.get(f"{URL}/open-data/people")) == "not_found"
    assert (
        code_of(await client.get(f"{URL}/open-data/activities-by-pillar", params={"region": SRENGSEM})) == "not_found"
    )
    late = await client.get(f"{URL}/open-data/activities-by-pillar", params={"to": str(last_day(TODAY))})
    assert late.json()["errors"][0]["code"] == "month_not_over"
