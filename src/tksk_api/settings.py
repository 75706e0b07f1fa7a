"""Everything that can be configured: one frozen object, read from TKSK_* once, never at import."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, PostgresDsn, SecretStr, UrlConstraints
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _no_trailing_slash(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("an absolute http(s) address without query is expected")
    return value.rstrip("/")


def _parts(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(value)) for value in values)
    except ValueError as error:
        raise ValueError("addresses or networks like 10.0.0.5, 10.1.0.0/16, fd00::/8 are expected") from error


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = urlsplit(value)
        exact = parts.scheme in ("http", "https") and parts.hostname and value == f"{parts.scheme}://{parts.netloc}"
        if not exact or "@" in value or "*" in value or value != value.lower():
            raise ValueError("exact origins like https://app.example.go.id are expected, no * and no path")
    return values


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https://[!-~]+", value):
        raise ValueError("https://... is expected")
    return value


def _protected_address(value: str) -> str:
    parts = urlsplit(_no_trailing_slash(value))
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("https://... is expected, or http:// on this machine: passphrases travel there")
    return value.rstrip("/")


def _mail_server(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("smtp://host:587 or smtps://host:465 is expected, with user:password@ where it is needed")
    return value


def _mailbox(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", value):
        raise ValueError("an address like tksk@dinsos.example is expected")
    return value


def _contact(value: str) -> str:
    if not re.fullmatch(r"(mailto:[!-~]+@|https://)[!-~]+", value):
        raise ValueError("mailto:... or https://... is expected")
    return value


IMPORT_BYTES = 256 * 1024**2
List = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
DatabaseUrl = Annotated[PostgresDsn, UrlConstraints(allowed_schemes=["postgresql"])]


class Settings(BaseSettings):
    """Read from the environment (prefix `TKSK_`). Durations say their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix="TKSK_", frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: SecretStr = Field(
        description="postgresql://tksk_app:...@host/database: the app role, which owns nothing"
    )
    database_owner_url: SecretStr | None = Field(default=None, description="the owner, for `tksk migrate` only")
    read_database_url: SecretStr | None = Field(default=None, description="a replica for compiled reads")
    key_file: Path = Field(description="master key and token signing keys, mode 0600 (`tksk keys init`)")
    public_url: Annotated[str, AfterValidator(_no_trailing_slash)] = Field(
        default="http://127.0.0.1:8000", description="address printed in QR codes and problem types"
    )
    trusted_proxies: Annotated[List, AfterValidator(_networks)] = Field(
        default=(), description="addresses and networks, by comma, whose X-Forwarded-For and -Proto are believed"
    )
    cors_origins: Annotated[List, AfterValidator(_origins)] = Field(
        default=(), description="origins, by comma, whose pages may call the API from a browser"
    )
    security_contact: Annotated[str, AfterValidator(_contact)] | None = Field(
        default=None, description="mailto: or https: address for security.txt (RFC 9116)"
    )
    security_policy: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="https: address of the page that says how reports are dealt with"
    )
    docs_enabled: bool = Field(default=True, description="serve /docs and the OpenAPI documents")
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
    field_session_days: int = Field(default=60, ge=1, description="a session of village or district users, at most")
    field_session_idle_days: int = Field(default=14, ge=1, description="the same, without being refreshed")
    office_session_hours: int = Field(default=12, ge=1, description="a session of offices, agencies and auditors")
    admin_session_hours: int = Field(default=8, ge=1, description="a session of administrators")
    refresh_grace_seconds: int = Field(default=30, ge=0)
    otp_required: bool = Field(
        default=True, description="administrators, signatories and auditors must enrol a one-time code"
    )
    step_up_minutes: int = Field(default=15, ge=1, description="sensitive steps need a proof this fresh")
    exists_per_hour: int = Field(default=60, ge=1, description="questions whether a NIK is registered, per user")
    access_grants_per_day: int = Field(default=10, ge=1, description="times a user may break the glass")
    acting_cover_days: int = Field(default=180, ge=1, description="longest time one officer covers another district")
    setup_secret_hours: int = Field(default=72, ge=1)
    client_secret_overlap_days: int = Field(
        default=7, ge=0, description="how long a machine client's secret works beside its successor"
    )
    requests_per_minute: int = Field(default=600, ge=1, description="signed-in requests, per user or machine client")
    public_requests_per_minute: int = Field(default=300, ge=1, description="requests without a token, per address")
    sign_in_per_minute: int = Field(default=60, ge=1, description="sign-ins, step-ups, password changes, per address")
    verification_per_minute: int = Field(default=60, ge=1, description="letters verified, per address")
    reveals_per_hour: int = Field(
        default=60, ge=1, description="full identity numbers disclosed, by reveal, statement or picture, per user"
    )
    letters_per_hour: int = Field(default=300, ge=1, description="letters downloaded, per user")
    attachment_folder: Path | None = Field(default=None, description="sealed files; default: beside the key file")
    attachment_url: str | None = Field(
        default=None, description="s3://bucket/prefix instead of a folder; AWS_* name endpoint and credentials"
    )
    attachment_workers: int = Field(default=2, ge=1, le=64, description="processes that look into uploads")
    attachment_queue: int = Field(default=400, ge=1, description="uploads that may wait for one of them")
    attachment_quota_bytes: int = Field(default=50 * 1024**3, ge=0, description="per regency")
    import_bytes: int = Field(default=IMPORT_BYTES, ge=1024, le=IMPORT_BYTES, description="the largest file to import")
    import_all_rows: int = Field(
        default=20_000, ge=1, description="rows of a file that is imported as a whole or not at all, at most"
    )
    import_elsewhere_per_day: int = Field(
        default=1000, ge=1, description="rows that may tell of a NIK that it is registered elsewhere, per user"
    )
    export_hours: int = Field(default=24, ge=1, le=168, description="how long the file of an export is there")
    exports_per_hour: int = Field(default=30, ge=1, description="exports asked for, per user")
    export_numbers_per_day: int = Field(
        default=10_000, ge=1, description="people whose full numbers leave in exports, per user"
    )
    seal_seconds: int = Field(default=60, ge=0, description="how often the access log is sealed; 0: not by this server")
    job_seconds: float = Field(default=1.0, ge=0, description="how often this server looks for jobs; 0: never")
    message_seconds: float = Field(
        default=5.0, ge=0, description="how often this server sends messages that are due; 0: never"
    )
    message_folder: Path | None = Field(
        default=None, description="messages without a gateway are put here as files; default: they are not sent"
    )
    messages_per_day: int = Field(default=20, ge=1, description="messages to one recipient, by all gateways")
    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = Field(
        default=None, description="smtp://user:password@host:587 (with STARTTLS) or smtps://...:465, for e-mail"
    )
    message_sender: Annotated[str, AfterValidator(_mailbox)] | None = Field(
        default=None, description="the address that e-mail comes from"
    )
    gateway_url: Annotated[str, AfterValidator(_protected_address)] | None = Field(
        default=None, description="https: address of the gateway for WhatsApp and SMS"
    )
    gateway_secret: SecretStr | None = Field(default=None, description="signs what it is sent (Standard Webhooks)")
    open_data_publisher: str | None = Field(
        default=None, description="who answers for the open data (walidata); without it none are published"
    )
    open_data_licence: Annotated[str, AfterValidator(_web_address)] = Field(
        default="https://creativecommons.org/licenses/by/4.0/", description="https: address of their licence"
    )
    metrics_token: SecretStr | None = None
    sealer: Literal["office_certificate", "bsre"] = Field(
        default="office_certificate", description="what seals letters where the policy says `sealed`"
    )
    bsre_url: Annotated[str, AfterValidator(_protected_address)] | None = Field(
        default=None, description="https: address of the office's BSrE e-sign client service"
    )
    bsre_user: str | None = Field(default=None, description="what the service knows this system by")
    bsre_password: SecretStr | None = None
    bsre_timeout_seconds: float = Field(
        default=10.0, gt=0, le=25, description="others of the village wait for their number meanwhile"
    )
    bsre_issuers: FilePath | None = Field(
        default=None,
        description="PEM file with the certificates that BSrE issues from; without it no seal counts as certified",
    )
