"""How a service calls another: channels with keepalive, retries, TLS, and a token that is read again when it
changes.
"""

from pathlib import Path

import grpc


def open_channel(
    target: str,
    *,
    tls_root_file: Path | None = None,
    token_file: Path | None = None,
    max_message_bytes: int = 16 * 1024 * 1024,
) -> grpc.aio.Channel:
    """A channel to `target` (host:port); plain text without `tls_root_file`, which is for loopback.

    UNAVAILABLE is retried up to 4 times with back-off: safe, because reads are idempotent and every request
    that changes something has a request_id.
    """
    raise NotImplementedError
