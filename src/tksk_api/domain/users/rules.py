"""What signing in must satisfy, as pure functions: lifetimes, delays, names of devices, recovery codes."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network

from tksk_api.security.permissions import ROLE_REGION_LEVEL, Role
from tksk_api.settings import Settings

MOST_FAILURES = 100  # of one account in a row, NIST SP 800-63B-4 §3.2.2
LONGEST_DELAY = timedelta(minutes=15)
_DEVICE_NAME_LENGTH = 60
_PLATFORM = re.compile(r"\(([^()]+)\)")
# Crockford's base 32: no I, L, O or U, so that a code copied from paper is read in one way only.
CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")
_FIELD_LEVELS = ("district", "village")


@dataclass(frozen=True)
class Lifetime:
    """How long a session lives without being refreshed, and at most (OWASP ASVS 5 V7.3)."""

    kind: str
    idle: timedelta
    absolute: timedelta


def lifetime_of(role: str, settings: Settings) -> Lifetime:
    """By kind of user: in the field links are bad and phones are one's own; an office shares its screens."""
    if role == Role.ADMIN:
        hours = timedelta(hours=settings.admin_session_hours)
        return Lifetime("admin", hours, hours)
    if ROLE_REGION_LEVEL[Role(role)] in _FIELD_LEVELS:
        idle, absolute = settings.field_session_idle_days, settings.field_session_days
        return Lifetime("field", timedelta(days=min(idle, absolute)), timedelta(days=absolute))
    hours = timedelta(hours=settings.office_session_hours)
    return Lifetime("office", hours, hours)


def delay_after(failures: int, free: int) -> timedelta:
    """How long the next attempt must wait: nothing before `free` failures, then 1, 2, 4... seconds, 15 minutes at most.

    A delay that grows instead of a lock: whoever wants to shut somebody out cannot do it with a few wrong guesses.
    """
    if failures < free:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - free, 10)), LONGEST_DELAY)


def network_of(host: str | None) -> str:
    """What counts as one address: an IPv4 /24 or an IPv6 /64, since a guesser has more than one of them."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return "-"
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network((int(address), 24 if address.version == 4 else 64), strict=False))


def device_name_of(user_agent: str) -> str:
    """A short name from a User-Agent header: the platform it states, else its first word, else `-`."""
    platform = _PLATFORM.search(user_agent)
    stated = platform[1].split(";") if platform else user_agent.split()[:1]
    words = [re.sub(r"[^ -~]|[<>\"]", "", part).strip() for part in stated]
    return "; ".join(word for word in words if word)[:_DEVICE_NAME_LENGTH].strip() or "-"


def plain_recovery_code(written: str) -> str:
    """A recovery code as it was made, however it was copied: case, blanks and dashes are nothing, O is 0, I is 1."""
    return re.sub(r"[\s-]", "", written).upper().translate(_READ_AS)
