"""Every table of the first release, with its row policy, history trigger and grants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


# Rows about an entity are visible with the entity itself.
_ENTITIES = ("beneficiaries", "visits", "sktm_applications", "sktm_letters", "referrals", "activities", "users")
_VISIBLE_WITH_ITS_ENTITY = (
    "CASE entity "
    + " ".join(f"WHEN '{name}' THEN EXISTS (SELECT 1 FROM {name} e WHERE e.id = entity_id)" for name in _ENTITIES)
    + " ELSE entity IN ('agencies', 'sktm_policies') END"
)
# Table -> columns whose values the history does not keep.
_AUDITED = {
    "users": ("password_hash",),
    "agencies": (),
    "beneficiaries": ("nik_cipher", "nik_index", "nik_last4", "family_card_cipher", "family_card_index", "family_card_last4"),
    "visits": (),
    "sktm_policies": (),
    "sktm_applications": (),
    "sktm_letters": ("content_cipher", "pdf_cipher", "token"),
    "referrals": ("beneficiary_nik_last4",),
    "activities": (),
}


def upgrade() -> None:
    op.create_table('access_log',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=True),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('request_id', sa.UUID(), nullable=True),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('subject_ids', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('fields', sa.ARRAY(sa.Text()), nullable=True),
    sa.Column('purpose', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_log'))
    )
    op.create_table('agencies',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('programs', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('address', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_agencies'))
    )
    op.create_index(op.f('ix_agencies_region_code'), 'agencies', ['region_code'], unique=False)
    op.create_table('beneficiaries',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('nik_cipher', sa.LargeBinary(), nullable=True),
    sa.Column('nik_index', sa.LargeBinary(), nullable=True),
    sa.Column('nik_last4', sa.Text(), nullable=True),
    sa.Column('nik_status', sa.Text(), nullable=False),
    sa.Column('full_name', sa.Text(), nullable=False),
    sa.Column('search_name', sa.Text(), sa.Computed('app.search_name(full_name)', persisted=True), nullable=True),
    sa.Column('birth_place', sa.Text(), nullable=True),
    sa.Column('birth_date', sa.Date(), nullable=False),
    sa.Column('sex', sa.Text(), nullable=False),
    sa.Column('street', sa.Text(), nullable=False),
    sa.Column('rt', sa.Text(), nullable=True),
    sa.Column('rw', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('family_card_cipher', sa.LargeBinary(), nullable=True),
    sa.Column('family_card_index', sa.LargeBinary(), nullable=True),
    sa.Column('family_card_last4', sa.Text(), nullable=True),
    sa.Column('relationship', sa.Text(), nullable=True),
    sa.Column('ppks_categories', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('notes', sa.Text(), nullable=True),
    sa.Column('warnings', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
    sa.Column('deceased_on', sa.Date(), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('moved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('moved_by', sa.UUID(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_beneficiaries'))
    )
    op.create_index('ix_beneficiaries_birth_date', 'beneficiaries', ['birth_date'], unique=False)
    op.create_index('ix_beneficiaries_family_card_index', 'beneficiaries', ['family_card_index'], unique=False)
    op.create_index('uq_beneficiaries_nik_index', 'beneficiaries', ['nik_index'], unique=True, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_table('changes',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('entity_id', sa.UUID(), nullable=False),
    sa.Column('entity_version', sa.Integer(), nullable=True),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('actor_id', sa.UUID(), nullable=True),
    sa.Column('actor_role', sa.Text(), nullable=True),
    sa.Column('session_id', sa.UUID(), nullable=True),
    sa.Column('request_id', sa.UUID(), nullable=True),
    sa.Column('operation', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_changes'))
    )
    op.create_index('ix_changes_entity_id', 'changes', ['entity_id', 'id'], unique=False)
    op.create_table('idempotency_keys',
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('user_id', 'operation', 'key', name=op.f('pk_idempotency_keys'))
    )
    op.create_index(op.f('ix_idempotency_keys_created_at'), 'idempotency_keys', ['created_at'], unique=False)
    op.create_table('programs',
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name_id', sa.Text(), nullable=False),
    sa.Column('name_en', sa.Text(), nullable=False),
    sa.Column('agency_kinds', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('required_documents', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('legal_base', sa.Text(), nullable=True),
    sa.Column('note_id', sa.Text(), nullable=True),
    sa.Column('note_en', sa.Text(), nullable=True),
    sa.Column('valid_from', sa.Date(), nullable=True),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_programs'))
    )
    op.create_table('regions',
    sa.Column('code', sa.Text(collation='C'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('level', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('parent_code', sa.Text(collation='C'), nullable=True),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('latitude', sa.Float(), nullable=True),
    sa.Column('longitude', sa.Float(), nullable=True),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('search_name', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_regions'))
    )
    op.create_index('ix_regions_level', 'regions', ['level', 'code'], unique=False)
    op.create_index('ix_regions_parent_code', 'regions', ['parent_code', 'code'], unique=False)
    op.create_index('ix_regions_search_name', 'regions', ['search_name'], unique=False, postgresql_using='gin', postgresql_ops={'search_name': 'gin_trgm_ops'})
    op.create_table('sktm_counters',
    sa.Column('issuer_code', sa.Text(collation='C'), nullable=False),
    sa.Column('year', sa.Integer(), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('issuer_code', 'year', name=op.f('pk_sktm_counters'))
    )
    op.create_table('sktm_policies',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('region_code', sa.Text(collation='C'), nullable=False),
    sa.Column('classification', sa.Text(), nullable=True),
    sa.Column('unit_code', sa.Text(), nullable=True),
    sa.Column('number_pattern', sa.Text(), nullable=True),
    sa.Column('validity_months', sa.Integer(), nullable=True),
    sa.Column('signatories', sa.ARRAY(sa.Text()), nullable=True),
    sa.Column('visit_required', sa.Boolean(), nullable=True),
    sa.Column('documents', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('office_address', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sktm_policies'))
    )
    op.create_index('uq_sktm_policies_region_code', 'sktm_policies', ['region_code'], unique=True)
    op.create_table('transitions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('entity_id', sa.UUID(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('from_state', sa.Text(), nullable=True),
    sa.Column('to_state', sa.Text(), nullable=False),
    sa.Column('actor_id', sa.UUID(), nullable=True),
    sa.Column('actor_name', sa.Text(), nullable=True),
    sa.Column('actor_role', sa.Text(), nullable=True),
    sa.Column('reason_code', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('details', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('request_id', sa.UUID(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_transitions'))
    )
    op.create_index('ix_transitions_entity_id', 'transitions', ['entity_id', 'at', 'id'], unique=False)
    op.create_table('users',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('username', sa.Text(), nullable=False),
    sa.Column('full_name', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('agency_id', sa.UUID(), nullable=True),
    sa.Column('position_title', sa.Text(), nullable=True),
    sa.Column('employee_number', sa.Text(), nullable=True),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('setup_expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('must_change_password', sa.Boolean(), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(role = 'agency') = (agency_id IS NOT NULL)", name=op.f('ck_users_agency')),
    sa.CheckConstraint("region_code IS NOT NULL OR role IN ('admin', 'ministry', 'auditor', 'agency')", name=op.f('ck_users_region')),
    sa.ForeignKeyConstraint(['agency_id'], ['agencies.id'], name=op.f('fk_users_agency_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users'))
    )
    op.create_index('uq_users_username', 'users', [sa.literal_column('lower(username)')], unique=True)
    op.create_table('activities',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('officer_id', sa.UUID(), nullable=False),
    sa.Column('occurred_on', sa.Date(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('pillar', sa.Text(), nullable=False),
    sa.Column('function', sa.Text(), nullable=False),
    sa.Column('roles', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('latitude', sa.Numeric(precision=9, scale=6), nullable=True),
    sa.Column('longitude', sa.Numeric(precision=9, scale=6), nullable=True),
    sa.Column('beneficiary_ids', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('partner_ids', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('agency_ids', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('attachment_ids', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('headcount', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('assigned_by', sa.Text(), nullable=True),
    sa.Column('result', sa.Text(), nullable=True),
    sa.Column('obstacle', sa.Text(), nullable=True),
    sa.Column('follow_up', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['officer_id'], ['users.id'], name=op.f('fk_activities_officer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_activities'))
    )
    op.create_index('ix_activities_officer_id', 'activities', ['officer_id', 'occurred_on'], unique=False)
    op.create_table('user_sessions',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('device_name', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('last_refreshed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_reason', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_sessions_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_sessions'))
    )
    op.create_index(op.f('ix_user_sessions_user_id'), 'user_sessions', ['user_id'], unique=False)
    op.create_table('visits',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('beneficiary_id', sa.UUID(), nullable=False),
    sa.Column('officer_id', sa.UUID(), nullable=False),
    sa.Column('visited_on', sa.Date(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('latitude', sa.Numeric(precision=9, scale=6), nullable=True),
    sa.Column('longitude', sa.Numeric(precision=9, scale=6), nullable=True),
    sa.Column('accuracy', sa.Numeric(precision=8, scale=1), nullable=True),
    sa.Column('notes', sa.Text(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('finding', sa.Text(), nullable=True),
    sa.Column('evidence', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('reasons', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('completed_by', sa.UUID(), nullable=True),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiaries.id'], name=op.f('fk_visits_beneficiary_id')),
    sa.ForeignKeyConstraint(['officer_id'], ['users.id'], name=op.f('fk_visits_officer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_visits'))
    )
    op.create_index('ix_visits_beneficiary_id', 'visits', ['beneficiary_id', 'visited_on'], unique=False)
    op.create_table('refresh_tokens',
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('session_id', sa.UUID(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('replaced_by', sa.LargeBinary(), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['session_id'], ['user_sessions.id'], name=op.f('fk_refresh_tokens_session_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_refresh_tokens'))
    )
    op.create_index(op.f('ix_refresh_tokens_session_id'), 'refresh_tokens', ['session_id'], unique=False)
    op.create_table('sktm_applications',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('beneficiary_id', sa.UUID(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('purpose_detail', sa.Text(), nullable=False),
    sa.Column('addressed_to', sa.Text(), nullable=False),
    sa.Column('dependants', sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    sa.Column('documents', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('policy', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('visit_id', sa.UUID(), nullable=True),
    sa.Column('recommendation', sa.Text(), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('facts_digest', sa.LargeBinary(), nullable=True),
    sa.Column('checked_by', sa.UUID(), nullable=True),
    sa.Column('verified_by', sa.UUID(), nullable=True),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiaries.id'], name=op.f('fk_sktm_applications_beneficiary_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['visits.id'], name=op.f('fk_sktm_applications_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sktm_applications'))
    )
    op.create_index('ix_sktm_applications_beneficiary_id', 'sktm_applications', ['beneficiary_id'], unique=False)
    op.execute(
        "CREATE UNIQUE INDEX uq_sktm_applications_running ON sktm_applications "
        "(beneficiary_id, purpose, app.same_words(purpose_detail)) "
        "WHERE status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')"
    )
    op.create_table('referrals',
    sa.Column('agency_id', sa.UUID(), nullable=False),
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('beneficiary_id', sa.UUID(), nullable=False),
    sa.Column('beneficiary_name', sa.Text(), nullable=False),
    sa.Column('beneficiary_nik_last4', sa.Text(), nullable=True),
    sa.Column('program', sa.Text(), nullable=False),
    sa.Column('sktm_application_id', sa.UUID(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('consent', sa.Text(), nullable=False),
    sa.Column('documents', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('requested_documents', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
    sa.Column('reference_number', sa.Text(), nullable=True),
    sa.Column('decided_on', sa.Date(), nullable=True),
    sa.Column('reason_code', sa.Text(), nullable=True),
    sa.Column('active_from', sa.Date(), nullable=True),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.ForeignKeyConstraint(['agency_id'], ['agencies.id'], name=op.f('fk_referrals_agency_id')),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiaries.id'], name=op.f('fk_referrals_beneficiary_id')),
    sa.ForeignKeyConstraint(['program'], ['programs.code'], name=op.f('fk_referrals_program')),
    sa.ForeignKeyConstraint(['sktm_application_id'], ['sktm_applications.id'], name=op.f('fk_referrals_sktm_application_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_referrals')),
    info={'addressed_to_agency': True}
    )
    op.create_index('ix_referrals_agency_id', 'referrals', ['agency_id', 'created_at', 'id'], unique=False)
    op.create_index('ix_referrals_beneficiary_id', 'referrals', ['beneficiary_id'], unique=False)
    op.create_table('sktm_letters',
    sa.Column('region_code', sa.Text(collation='C'), nullable=True),
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('created_by', sa.UUID(), nullable=True),
    sa.Column('create_digest', sa.LargeBinary(), nullable=True),
    sa.Column('application_id', sa.UUID(), nullable=False),
    sa.Column('issuer_code', sa.Text(collation='C'), nullable=False),
    sa.Column('year', sa.Integer(), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('verification_url', sa.Text(), nullable=False),
    sa.Column('issued_on', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('masked_name', sa.Text(), nullable=False),
    sa.Column('issuer_name', sa.Text(), nullable=False),
    sa.Column('content_cipher', sa.LargeBinary(), nullable=False),
    sa.Column('pdf_cipher', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.LargeBinary(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_reason', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['application_id'], ['sktm_applications.id'], name=op.f('fk_sktm_letters_application_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sktm_letters'))
    )
    op.create_index('uq_sktm_letters_application_id', 'sktm_letters', ['application_id'], unique=True)
    op.create_index('uq_sktm_letters_sequence', 'sktm_letters', ['issuer_code', 'year', 'sequence'], unique=True)
    op.create_index('uq_sktm_letters_token', 'sktm_letters', ['token'], unique=True)
    op.create_table('sktm_signatures',
    sa.Column('application_id', sa.UUID(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('user_id', sa.UUID(), nullable=False),
    sa.Column('full_name', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('employee_number', sa.Text(), nullable=True),
    sa.Column('signed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['application_id'], ['sktm_applications.id'], name=op.f('fk_sktm_signatures_application_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sktm_signatures_user_id')),
    sa.PrimaryKeyConstraint('application_id', 'position', name=op.f('pk_sktm_signatures'))
    )
    # One's own row too: an agency's user has no region.
    ops.enable_region_scope("users", or_visible="id = (SELECT nullif(current_setting('app.user', true), '')::uuid)")
    ops.enable_region_scope('beneficiaries')
    ops.enable_region_scope('visits')
    ops.enable_region_scope('sktm_applications')
    ops.enable_region_scope('sktm_letters')
    ops.enable_region_scope('referrals', addressed_to_agency=True)
    ops.enable_region_scope('activities')
    op.create_index('ix_beneficiaries_name', 'beneficiaries', ['regency_code', 'search_name'], unique=False, postgresql_using='gin', postgresql_ops={'search_name': 'gin_trgm_ops'})
    op.create_index('ix_activities_district_occurred', 'activities', ['district_code', 'occurred_on', 'id'], unique=False)
    ops.force_policy("sktm_signatures", "EXISTS (SELECT 1 FROM sktm_applications a WHERE a.id = application_id)")
    for table in ("changes", "transitions"):
        ops.force_policy(table, _VISIBLE_WITH_ITS_ENTITY)
    for table, hidden in _AUDITED.items():
        ops.audit(table, *hidden)
    for table in (*_AUDITED, "user_sessions", "refresh_tokens", "sktm_counters"):
        ops.grant(table, "SELECT", "INSERT", "UPDATE")
    for table in ("regions", "programs", "changes"):
        ops.grant(table, "SELECT")
    for table in ("transitions", "sktm_signatures"):
        ops.grant(table, "SELECT", "INSERT")
    ops.grant("access_log", "INSERT")
    ops.grant("idempotency_keys", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    for table in (
        "sktm_signatures",
        "sktm_letters",
        "referrals",
        "sktm_applications",
        "refresh_tokens",
        "visits",
        "user_sessions",
        "activities",
        "users",
        "transitions",
        "sktm_policies",
        "sktm_counters",
        "regions",
        "programs",
        "idempotency_keys",
        "changes",
        "beneficiaries",
        "agencies",
        "access_log",
    ):
        op.execute(f"DROP TABLE {table} CASCADE")
