"""What a server listens on: its address, with TLS or without, and the port where it is scraped."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import prometheus_client

from service_kit.settings import EX_CONFIG, ServiceSettings
from service_kit.start_error import StartError


def check_certificate(settings: ServiceSettings) -> None:
    """StartError unless certificate and key can be used; gRPC would only say that it did not bind."""
    assert settings.tls_certificate_file is not None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_certificate_file, settings.tls_key_file
        )
    except (ssl.SSLError, OSError) as fault:
        variables = f"{settings.variable('tls_certificate_file')}, {settings.variable('tls_key_file')}"
        raise StartError(EX_CONFIG, f"{variables}: no certificate with its key: {fault}") from fault


def bind(server: grpc.aio.Server, settings: ServiceSettings) -> int:
    """Bind the server; returns the port, which is also in `port_file`. StartError when that can't be."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    _check_address_is_free(settings)
    try:
        if settings.tls_certificate_file is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, _renewable_credentials(settings))
    except RuntimeError as fault:
        raise StartError(
            EX_CONFIG, f"{settings.variable('port')}: can't bind to {address}: {fault}"
        ) from fault
    if settings.port_file is not None:
        _write_whole(settings.port_file, f"{port}\n")
    return port


def _renewable_credentials(settings: ServiceSettings) -> grpc.ServerCredentials:
    """TLS with the certificate that the files hold at the time of each handshake: it can be renewed."""
    certificate_file, key_file = settings.tls_certificate_file, settings.tls_key_file
    assert certificate_file is not None
    assert key_file is not None, "checked by serving_faults"

    def read() -> tuple[bytes, bytes]:
        return key_file.read_bytes(), certificate_file.read_bytes()

    used = read()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        try:
            pair = read()
            # Between the two writes of a renewal the files do not fit: then the old certificate goes on.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file)
        except (OSError, ssl.SSLError):
            return None
        if pair == used:
            return None
        used = pair
        return grpc.ssl_server_certificate_configuration([pair])

    first = grpc.ssl_server_certificate_configuration([used])
    # None says that nothing changed, which the type stub forgets.
    return grpc.dynamic_ssl_server_credentials(first, renewed)  # type: ignore[arg-type]


def _check_address_is_free(settings: ServiceSettings) -> None:
    """Fail in one line of our own: gRPC writes several, and an error without a cause."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        variables = f"{settings.variable('host')}, {settings.variable('port')}"
        where = f"{settings.host}:{settings.port}"
        raise StartError(EX_CONFIG, f"{variables}: can't listen on {where}: {fault.strerror}") from fault


def _write_whole(file: Path, text: str) -> None:
    """Who waits for the file must never read half of it."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(file)


@contextmanager
def metrics_exported(settings: ServiceSettings) -> Iterator[None]:
    """Prometheus can scrape within the block, if a port for it is set; StartError when that port is taken."""
    if not settings.metrics_port:
        yield
        return
    try:
        exporter, thread = prometheus_client.start_http_server(settings.metrics_port, addr=settings.host)
    except OSError as fault:
        variable = settings.variable("metrics_port")
        raise StartError(
            EX_CONFIG, f"{variable}: can't listen on {settings.metrics_port}: {fault}"
        ) from fault
    try:
        yield
    finally:
        exporter.shutdown()
        exporter.server_close()
        thread.join()
