"""GitHub's signature over a delivery: HMAC-SHA256 of the raw bytes.

Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

import hashlib
import hmac
import re

HEADER = "X-Hub-Signature-256"

_VALUE = re.compile(r"sha256=([0-9a-f]{64})")


def sign(secret: bytes, body: bytes) -> str:
    """The header's value for a body."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def is_genuine(secret: bytes, body: bytes, header: str | None) -> bool:
    """Whether the header was made with the secret for exactly these bytes; compared in constant time."""
    if not secret or header is None or not _VALUE.fullmatch(header):
        return False
    return hmac.compare_digest(sign(secret, body), header)
