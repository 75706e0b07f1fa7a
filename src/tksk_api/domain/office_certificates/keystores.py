"""Opening an office's certificate file where it can do no harm."""

import base64
import json
from datetime import datetime

from cryptography import x509

from tksk_api.domain.attachments.inspectors import Inspectors
from tksk_api.errors import invalid
from tksk_api.security.certificates import Keystore, load_key
from tksk_api.telemetry import log


async def opened_apart(inspectors: Inspectors, content: bytes, password: str, now: datetime) -> Keystore:
    """What `open_keystore` says of the file, from a process of its own that ends after it.

    The library holds every thread of a process while it derives a key, for as long as the file likes. Raises
    invalid_request as `open_keystore`, unavailable when too many uploads wait.
    """
    asked = {"content": base64.b64encode(content).decode(), "password": password, "now": now.isoformat()}
    async with inspectors.turn():
        answer, told = await inspectors.unlock(json.dumps(asked).encode())
    if answer is None:
        log.warning("keystore_ended")
        raise invalid("/file", "certificate_unreadable")
    if "refused" in answer:
        raise invalid(answer["pointer"], answer["refused"], **answer["facts"])
    key, certificate, *chain = (base64.b64decode(part) for part in json.loads(told))
    return Keystore(
        x509.load_der_x509_certificate(certificate),
        load_key(key),
        tuple(x509.load_der_x509_certificate(other) for other in chain),
    )
