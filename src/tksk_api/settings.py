"""Everything that can be configured: one frozen object, read from TKSK_* once, never at import."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PostgresDsn, SecretStr, UrlConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict


def _no_trailing_slash(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("an absolute http(s) address without query is expected")
    return value.rstrip("/")


DatabaseUrl = Annotated[PostgresDsn, UrlConstraints(allowed_schemes=["postgresql"])]


class Settings(BaseSettings):
    """Read from the environment (prefix `TKSK_`). Durations say their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="TKSK_", frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        description="postgresql://tksk_app:...@host/database: the app role, which owns nothing"
    )
    database_owner_url: SecretStr | None = Field(default=None, description="the owner, for `tksk migrate` only")
    read_database_url: SecretStr | None = Field(default=None, description="a replica for compiled reads")
    key_file: Path = Field(description="master key and token signing keys, mode 0600 (`tksk keys init`)")
    public_url: Annotated[str, AfterValidator(_no_trailing_slash)] = Field(
        default="http://127.0.0.1:8000", description="address printed in QR codes and problem types"
    )
    docs_enabled: bool = True
    log_level: str = "INFO"
    body_limit_bytes: int = Field(default=1_048_576, ge=1024)
    pool_size: int = Field(default=10, ge=1, le=200)
    read_pool_size: int = Field(default=10, ge=1, le=200)
    pool_timeout_seconds: float = Field(default=3.0, gt=0)
    statement_timeout_milliseconds: int = Field(default=10_000, ge=100)
    lock_timeout_milliseconds: int = Field(default=3_000, ge=100)
    statement_cache_size: int = Field(default=256, ge=0, description="0 behind a transaction pooler")
    password_workers: int = Field(default=2, ge=1)
    password_queue: int = Field(default=16, ge=1)
    access_token_minutes: int = Field(default=15, ge=1, le=60)
    refresh_idle_days: int = Field(default=14, ge=1)
    refresh_absolute_days: int = Field(default=60, ge=1)
    refresh_grace_seconds: int = Field(default=30, ge=0)
    otp_required: bool = Field(
        default=True, description="administrators, signatories and auditors must enrol a one-time code"
    )
    step_up_minutes: int = Field(default=15, ge=1, description="reveal and sign need a proof this fresh")
    exists_per_hour: int = Field(default=60, ge=1, description="questions whether a NIK is registered, per user")
    access_grants_per_day: int = Field(default=10, ge=1, description="times a user may break the glass")
    acting_cover_days: int = Field(default=180, ge=1, description="longest time one officer covers another district")
    setup_secret_hours: int = Field(default=72, ge=1)
    requests_per_minute: int = Field(default=600, ge=1, description="signed-in requests, per user or machine client")
    public_requests_per_minute: int = Field(default=300, ge=1, description="requests without a token, per address")
    sign_in_per_minute: int = Field(default=60, ge=1, description="sign-ins, refreshes and step-ups, per address")
    verification_per_minute: int = Field(default=60, ge=1, description="letters verified, per address")
    reveals_per_hour: int = Field(default=60, ge=1, description="identity numbers revealed, per user")
    attachment_folder: Path | None = Field(default=None, description="sealed files; default: beside the key file")
    attachment_url: str | None = Field(
        default=None, description="s3://bucket/prefix instead of a folder; AWS_* name endpoint and credentials"
    )
    attachment_workers: int = Field(default=2, ge=1, le=64, description="processes that look into uploads")
    attachment_queue: int = Field(default=400, ge=1, description="uploads that may wait for one of them")
    attachment_quota_bytes: int = Field(default=50 * 1024**3, ge=0, description="per regency")
    metrics_token: SecretStr | None = None
