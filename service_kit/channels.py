"""How a service calls another: keepalive, retries, TLS, and a token that is read again when it changes."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import grpc

_LARGEST_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_TOKEN_FILE_LOOK_SECONDS: Final = 5.0

# UNAVAILABLE says that the call was not worked, or may be repeated: reads change nothing, and every request
# that changes something carries a request_id.
# https://github.com/grpc/proposal/blob/master/A6-client-retries.md
_SERVICE_CONFIG: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


def open_channel(
    target: str,
    *,
    tls_root_file: Path | None = None,
    token_file: Path | None = None,
    max_message_bytes: int = _LARGEST_MESSAGE_BYTES,
    retry_unavailable: bool = True,
) -> grpc.aio.Channel:
    """A channel to `target` (host:port); close it when done. Nothing is connected before the first call.

    tls_root_file: the certificates (PEM) that vouch for the server. None: plain text, which is for loopback.
    token_file: sent as bearer token with each call, and read again within seconds when it changes, so that
        tokens can be short-lived.
    retry_unavailable: a call that ends UNAVAILABLE is tried up to 4 times with back-off: safe with our own
        services, because reads change nothing and every request that changes something has a request_id.
        False where UNAVAILABLE is an answer that the caller acts on.
    """
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.enable_retries", int(retry_unavailable)),
        *([("grpc.service_config", _SERVICE_CONFIG)] if retry_unavailable else []),
        # A server that vanished without a word is noticed within 40 s, instead of minutes or hours.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # By default gRPC waits up to two minutes before it tries a server again that was down.
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
    ]
    interceptors = _bearers(TokenFile(token_file)) if token_file is not None else None
    if tls_root_file is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    credentials = grpc.ssl_channel_credentials(root_certificates=tls_root_file.read_bytes())
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)


class TokenFile:
    """A token that somebody else renews in a file."""

    def __init__(self, file: Path) -> None:
        """Read it; OSError when there is none."""
        self._file = file
        self._token = file.read_text().strip()
        self._stamp = file.stat().st_mtime_ns
        self._next_look = time.monotonic() + _TOKEN_FILE_LOOK_SECONDS

    def token(self) -> str:
        """The token as the file had it some seconds ago at most."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _TOKEN_FILE_LOOK_SECONDS
            self._look()
        return self._token

    def _look(self) -> None:
        try:
            stamp = self._file.stat().st_mtime_ns
            if stamp != self._stamp:
                self._token, self._stamp = self._file.read_text().strip(), stamp
        except OSError:
            return  # just being replaced: the token that we have is good until then


def _bearers(source: TokenFile) -> list[grpc.aio.ClientInterceptor]:
    """One for each kind of call: grpc.aio takes an object that is of several kinds for the first of them."""
    return [
        _UnaryUnaryBearer(source),
        _UnaryStreamBearer(source),
        _StreamUnaryBearer(source),
        _StreamStreamBearer(source),
    ]


class _Bearer:
    """Adds the token to a call. gRPC's own call credentials would start a thread for each call to do that."""

    def __init__(self, source: TokenFile) -> None:
        self._source = source

    def _authorised(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add("authorization", f"Bearer {self._source.token()}")
        return grpc.aio.ClientCallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )


class _UnaryUnaryBearer(_Bearer, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._authorised(client_call_details), request)


class _UnaryStreamBearer(_Bearer, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._authorised(client_call_details), request)


class _StreamUnaryBearer(_Bearer, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, requests: Any
    ) -> Any:
        return await continuation(self._authorised(client_call_details), requests)


class _StreamStreamBearer(_Bearer, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, requests: Any
    ) -> Any:
        return await continuation(self._authorised(client_call_details), requests)
