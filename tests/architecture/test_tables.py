"""Every table is scoped by a forced row policy or stands on a list that says why not; the app role can do little."""

import asyncpg
import pytest
from sqlalchemy.orm import configure_mappers

from tksk_api.database.roles import APP_ROLE, UnsafeRoleError, refuse_unsafe_role
from tksk_api.database.tables import RegionScoped, Table, scoped_tables, table_of
from tksk_api.services import import_models

# Rows visible with the record they belong to.
WITH_THEIR_RECORD = {
    "changes",
    "transitions",
    "sktm_signatures",
    "letter_look_ups",
    "client_secrets",
    "client_assertions",
    "import_rows",
}
# Rows of users, visible to themselves, to those who see the user, and to the system that signs them in.
WITH_THEIR_USER = {"user_sessions", "inbox", "notifications", "notification_settings"}
# Counts, written by triggers alone and read by statements of their own.
COUNTS = {"figures", "figure_changes"}
# Everybody adds to it, auditors read it.
AUDITORS_ONLY = {"access_log"}
# Nobody who signs in, only what sends them.
SYSTEM_ONLY = {"messages", "export_parts"}
# Have a region, hold nobody's data, and are open to everybody signed in.
OPEN_BY_DECISION = {
    "agencies",
    "partners",
    "program_versions",
    "sktm_policies",
    "report_calendars",
    "activity_kinds",
    "activity_templates",
}
# No person's row in them, or reachable only by a secret the caller holds.
UNSCOPED = {
    "regions": "public reference data",
    "programs": "public reference data",
    "alembic_version": "the schema's own version",
    "working_days": "days on which offices work",
    "sktm_counters": "numbers of letters per issuer and year",
    "refresh_tokens": "found by the digest of a secret",
    "idempotency_keys": "keyed by user, content encrypted",
    "access_seals": "digests of access rows",
    "recovery_codes": "keyed digests of secrets",
    "sign_in_throttles": "keyed digests of accounts and addresses",
    "rate_limits": "keyed digests of callers",
    "subject_keys": "keys, wrapped by the master key",
    "attachment_usage": "bytes per regency",
    "sktm_logos": "coats of arms of offices",
    "erasures": "ids of people of whom nothing is left",
    "notification_rules": "what is told to which roles",
    "notification_templates": "its words",
}
POLICIES = """
SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       (SELECT array_agg(p.policyname::text ORDER BY p.policyname) FROM pg_policies p
         WHERE p.schemaname = 'public' AND p.tablename = c.relname) AS policies,
       (SELECT bool_and(p.with_check IS NOT NULL) FROM pg_policies p
         WHERE p.schemaname = 'public' AND p.tablename = c.relname) AS checked,
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'region_code') AS has_region
  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""


async def unprotected(connection: asyncpg.Connection) -> dict[str, str]:
    """Table -> what is wrong with its protection."""
    wrong = {}
    for table in await connection.fetch(POLICIES):
        name = table["name"]
        if name in UNSCOPED or name in OPEN_BY_DECISION:
            continue
        if not (table["has_region"] or name in WITH_THEIR_RECORD | WITH_THEIR_USER | AUDITORS_ONLY | SYSTEM_ONLY):
            wrong[name] = "has neither a region nor a line in UNSCOPED"
        elif not (table["enabled"] and table["forced"]):
            wrong[name] = "row level security is not enabled and forced"
        elif table["policies"] != ["owner", "region_scope"] or not table["checked"]:
            wrong[name] = f"policies are {table['policies']}"
    return wrong


async def test_every_table_is_protected_or_on_a_list(owner):
    assert await unprotected(owner) == {}


@pytest.mark.parametrize(
    ("violation", "complaint"),
    [
        ("CREATE TABLE notes (id int)", "UNSCOPED"),
        ("CREATE TABLE notes (region_code text)", "not enabled and forced"),
        ("ALTER TABLE beneficiaries NO FORCE ROW LEVEL SECURITY", "not enabled and forced"),
        ("DROP POLICY region_scope ON visits", "policies are"),
        ("CREATE POLICY all_of_it ON visits USING (true)", "policies are"),
    ],
)
async def test_the_check_above_sees_a_table_left_open(owner, violation, complaint):
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(violation)
        wrong = await unprotected(owner)
        assert len(wrong) == 1
        assert complaint in next(iter(wrong.values()))
    finally:
        await transaction.rollback()


async def test_every_table_about_a_person_logs_its_writes(owner):
    """`app.record_access` stands on each, told the column that names the person."""
    import_models()
    triggers = {
        row["name"]: row["arguments"].split(b"\x00")[0].decode()
        for row in await owner.fetch(
            "SELECT tgrelid::regclass::text AS name, tgargs AS arguments FROM pg_trigger WHERE tgname = 'record_access'"
        )
    }
    wanted = {
        table.name: column
        for table in Table.metadata.tables.values()
        for column in ("beneficiary_id", "beneficiary_ids")
        if column in table.c
    }
    assert triggers == wanted | {"beneficiaries": "id"}


async def test_the_lists_name_only_existing_tables(owner):
    existing = {row["name"] for row in await owner.fetch(POLICIES)}
    named = UNSCOPED.keys() | OPEN_BY_DECISION | WITH_THEIR_RECORD | WITH_THEIR_USER | AUDITORS_ONLY | SYSTEM_ONLY
    assert existing >= named


def test_every_mapped_table_with_a_region_is_scoped_by_the_session_too():
    import_models()
    configure_mappers()
    scoped = {table_of(model).name for model in scoped_tables()}
    with_region = {table.name for table in Table.metadata.tables.values() if "region_code" in table.c}
    assert with_region - scoped == OPEN_BY_DECISION | COUNTS
    assert all(issubclass(model, RegionScoped) for model in scoped_tables())


async def test_the_regions_above_a_row_are_generated_by_the_database(owner):
    rows = await owner.fetch(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attgenerated = 's'"
    )
    generated = {(row["relname"], row["attname"]) for row in rows}
    wanted = {
        (table_of(model).name, column)
        for model in scoped_tables()
        for column in ("province_code", "regency_code", "district_code")
    }
    assert wanted <= generated


async def test_the_app_role_owns_nothing_and_is_bound_by_policies(owner):
    role = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", APP_ROLE)
    assert not role["rolsuper"]
    assert not role["rolbypassrls"]
    assert not role["rolcreaterole"]
    assert not role["rolcreatedb"]
    owned = "SELECT count(*) FROM pg_class WHERE relowner = $1::text::regrole"
    assert await owner.fetchval(owned, APP_ROLE) == 0
    assert await owner.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = $1::text::regrole", APP_ROLE) == 0
    memberships = "SELECT count(*) FROM pg_auth_members WHERE member = $1::text::regrole"
    assert await owner.fetchval(memberships, APP_ROLE) == 0


ALLOWED = {
    "access_log": {"SELECT", "INSERT"},
    "access_seals": {"SELECT", "INSERT"},
    "access_grants": {"SELECT", "UPDATE"},
    "merges": {"SELECT"},
    "duplicate_candidates": {"SELECT", "UPDATE"},
    "client_assertions": {"SELECT", "INSERT", "DELETE"},
    "recovery_codes": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "sign_in_throttles": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "rate_limits": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "erasures": {"SELECT"},
    "changes": {"SELECT"},
    "decile_snapshots": {"SELECT", "INSERT"},
    "transitions": {"SELECT", "INSERT"},
    "sktm_signatures": {"SELECT", "INSERT"},
    "presentations": {"SELECT", "INSERT"},
    "sktm_voided_numbers": {"SELECT", "INSERT"},
    "sktm_logos": {"SELECT", "INSERT"},
    "sktm_policies": {"SELECT", "INSERT", "UPDATE", "DELETE"},  # of a day to come, by the service
    "letter_look_ups": {"SELECT"},
    "import_rows": {"SELECT", "INSERT", "UPDATE", "DELETE"},  # by the system alone: after a month
    "import_mappings": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "import_uploads": {"SELECT", "INSERT", "UPDATE", "DELETE"},  # until they are imported
    "export_parts": {"SELECT", "INSERT", "DELETE"},  # until the file is made of them
    "notification_rules": {"SELECT"},
    "notification_templates": {"SELECT"},
    "notifications": {"SELECT"},
    "inbox": {"SELECT"},  # and a user says that they have read it
    "messages": {"SELECT"},  # and the system what became of it
    "regions": {"SELECT"},
    "programs": {"SELECT"},
    "program_versions": {"SELECT", "INSERT"},
    "enrolments": {"SELECT"},
    "working_days": {"SELECT"},
    "figures": {"SELECT"},
    "figure_changes": {"SELECT"},
    "alembic_version": {"SELECT"},
    "idempotency_keys": {"SELECT", "INSERT", "UPDATE", "DELETE"},
}


async def test_the_app_role_may_do_what_is_written_here_and_no_more(owner):
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    for row in await owner.fetch(POLICIES):
        held = {
            kind
            for kind in kinds
            if await owner.fetchval("SELECT has_table_privilege($1, $2, $3)", APP_ROLE, row["name"], kind)
        }
        assert held == ALLOWED.get(row["name"], {"SELECT", "INSERT", "UPDATE"}), row["name"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_log SET role = 'x'",
        "DELETE FROM access_log",
        "UPDATE changes SET fields = '{}'",
        "DELETE FROM changes",
        "INSERT INTO changes (entity, entity_id, action) VALUES ('users', gen_random_uuid(), 'create')",
        "UPDATE transitions SET note = 'x'",
        "DELETE FROM transitions",
        "DELETE FROM beneficiaries",
        "TRUNCATE beneficiaries",
        "ALTER TABLE beneficiaries DISABLE ROW LEVEL SECURITY",
        "DROP POLICY region_scope ON beneficiaries",
        "CREATE TABLE public.mine (id int)",
        "SET ROLE postgres",
        "SET session_replication_role = replica",
    ],
)
async def test_the_app_role_is_refused(settings, statement):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_functions_of_the_owner_are_closed_to_others_and_name_their_schema(owner):
    """SECURITY DEFINER with an open search_path lets a caller slip in tables of their own (CVE-2018-1058)."""
    functions = await owner.fetch(
        "SELECT p.oid::regprocedure::text AS name, has_function_privilege('public', p.oid, 'EXECUTE') AS open, "
        "p.prosrc AS source, p.proconfig AS config "
        "FROM pg_proc p WHERE pronamespace = 'app'::regnamespace AND prosecdef"
    )
    assert len(functions) >= 4
    for function in functions:
        assert not function["open"], f"{function['name']} may be called by PUBLIC"


async def test_a_caller_cannot_shadow_what_the_owners_functions_use(settings):
    """A temporary table is searched first; app.enter must not read the caller's own `users`."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        async with connection.transaction():
            await connection.execute("CREATE TEMP TABLE users AS SELECT gen_random_uuid() AS id, 'admin' AS role")
            await connection.execute(
                "CREATE TEMP TABLE user_sessions AS "
                "SELECT gen_random_uuid() AS id, u.id AS user_id FROM pg_temp.users u"
            )
            session = await connection.fetchval("SELECT id FROM pg_temp.user_sessions")
            entered = "SELECT * FROM app.enter($1, NULL, NULL, NULL, 'x', true, false, '{}', NULL)"
            row = await connection.fetchrow(entered, session)
            assert row is None
            await connection.execute("DROP TABLE user_sessions, users")
    finally:
        await connection.close()


async def test_start_up_refuses_a_role_that_policies_do_not_bind(owner):
    with pytest.raises(UnsafeRoleError):
        await refuse_unsafe_role(owner)
