"""Structured logs without personal data: only names, codes, ids of requests and durations are ever passed in."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram


def configure_logging(level: str) -> None:
    """JSON lines on stderr. Idempotent. CR and LF in values are escaped by the JSON renderer."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # SQLAlchemy and asyncpg may print statements; parameters are hidden by the engine, the rest is not wanted either.
    for noisy in ("sqlalchemy", "asyncpg", "uvicorn.access", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)  # noqa: TID251 - to quieten them


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Metrics:
    """Request counts and durations by operation and status; no label ever holds an id or a path."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("tksk_requests", "Requests answered", ["operation", "status"], registry=self.registry)
        self.seconds = Histogram(
            "tksk_request_seconds", "Time until the last byte", ["operation"], registry=self.registry
        )
        self.messages = Counter(
            "tksk_messages", "Attempts to send a message", ["channel", "outcome"], registry=self.registry
        )
