"""python -m service_kit.development_credentials: TLS and tokens for services on a network, in one command.

For docker-compose and for trying Tallybook beyond loopback. It writes a certificate authority, a certificate
for each host, a key pair that signs tokens, and a token for each principal. Whoever has the directory can
make tokens: in production an identity provider signs, and the services know its public key only.
"""

import argparse
import ipaddress
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER: Final = "tallybook-development"
AUDIENCE: Final = "tallybook"
ALGORITHM: Final = "EdDSA"

_LIFETIME: Final = timedelta(days=825)
# What is about to expire is made anew at the next run, before anything refuses it.
_RENEW_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PrincipalPlan:
    """A principal that gets a token: its roles, and the clients it may act for (None: all)."""

    subject: str
    roles: tuple[str, ...]
    clients: tuple[int, ...] | None = None


# What the services need of each other, and a person who tries everything.
PRINCIPALS: Final = (
    PrincipalPlan("ledger", ("producer",)),
    PrincipalPlan("batch", ("producer", "reader", "poster", "dunning")),
    PrincipalPlan("operator", ("reader", "operator", "auditor", "poster", "support")),
)


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """Where everything is in a directory of development credentials."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The certificate that vouches for the servers: tls_root_file of who calls."""
        return self.directory / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """The authority's private key."""
        return self.directory / "ca.key"

    def certificate(self, host: str) -> Path:
        """The certificate of a server: TALLYBOOK_..._TLS_CERTIFICATE_FILE."""
        return self.directory / f"{host}.pem"

    def certificate_key(self, host: str) -> Path:
        """Its private key: TALLYBOOK_..._TLS_KEY_FILE."""
        return self.directory / f"{host}.key"

    @property
    def token_public_key(self) -> Path:
        """What servers verify tokens with: TALLYBOOK_..._TOKEN_PUBLIC_KEY_FILE."""
        return self.directory / "tokens.pub.pem"

    @property
    def token_key(self) -> Path:
        """What signs tokens."""
        return self.directory / "tokens.key"

    def token(self, subject: str) -> Path:
        """The token of a principal: TALLYBOOK_..._TOKEN_FILE of who calls."""
        return self.directory / f"{subject}.token"


def ensure_credentials(
    directory: Path, *, hosts: Sequence[str], principals: Sequence[PrincipalPlan] = PRINCIPALS
) -> CredentialFiles:
    """Make what is missing, about to expire, or made for other roles; keep the rest.

    Safe to run again at each start: a key is never replaced, so whoever has read it can go on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = CredentialFiles(directory)
    authority_key = _ensure_key(files.authority_key, ec.generate_private_key(ec.SECP256R1()))
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    authority = _ensure_authority(files.authority, authority_key)
    for host in hosts:
        server_key = _ensure_key(files.certificate_key(host), ec.generate_private_key(ec.SECP256R1()))
        assert isinstance(server_key, ec.EllipticCurvePrivateKey)
        _ensure_certificate(files.certificate(host), server_key, authority, authority_key, host)
    token_key = _ensure_key(files.token_key, ed25519.Ed25519PrivateKey.generate())
    assert isinstance(token_key, ed25519.Ed25519PrivateKey)
    _write(files.token_public_key, _public_pem(token_key), 0o644)
    for principal in principals:
        _ensure_token(files.token(principal.subject), token_key, principal)
    return files


def sign_token(
    key: ed25519.Ed25519PrivateKey, principal: PrincipalPlan, *, lifetime: timedelta = _LIFETIME
) -> str:
    """A token of `principal`, as `authentication.TokenVerifier` expects it."""
    return jwt.encode({**_claims(principal), "exp": datetime.now(UTC) + lifetime}, key, algorithm=ALGORITHM)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m service_kit.development_credentials", description="TLS and tokens for development."
    )
    parser.add_argument("--directory", type=Path, required=True, help="where the files go")
    parser.add_argument(
        "--host", action="append", default=[], help="the name or address of a server; repeat it"
    )
    given = parser.parse_args(arguments)
    files = ensure_credentials(given.directory, hosts=given.host)
    for file in sorted(files.directory.iterdir()):
        sys.stdout.write(f"{file}\n")
    return 0


_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _ensure_key(file: Path, fresh: _PrivateKey) -> object:
    """The key in the file; if there is none, `fresh`, which is then in it."""
    if not file.exists():
        pem = fresh.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(file, pem, 0o600)
    return serialization.load_pem_private_key(file.read_bytes(), password=None)


def _ensure_authority(file: Path, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    if file.exists():
        authority = x509.load_pem_x509_certificate(file.read_bytes())
        if authority.public_key() == key.public_key() and _lasts(authority):
            return authority
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tallybook development authority")])
    authority = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(file, authority.public_bytes(serialization.Encoding.PEM), 0o644)
    return authority


def _ensure_certificate(
    file: Path,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    host: str,
) -> None:
    # Also as who asks on the same machine names it: a health check, or a port that is forwarded.
    names = [_general_name(name) for name in dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))]
    if file.exists():
        old = x509.load_pem_x509_certificate(file.read_bytes())
        covered = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        vouched_for = authority.subject == old.issuer and old.public_key() == key.public_key()
        if set(names) <= set(covered) and vouched_for and _lasts(old) and _is_signed_by(old, authority):
            return
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tallybook development server")])
    certificate = (
        _builder(subject, authority.subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    _write(file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _ensure_token(file: Path, key: ed25519.Ed25519PrivateKey, principal: PrincipalPlan) -> None:
    if file.exists():
        try:
            claims = jwt.decode(
                file.read_text().strip(),
                key.public_key(),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=-_RENEW_BEFORE.total_seconds(),
            )
        except jwt.InvalidTokenError:
            pass
        else:
            if all(claims.get(name) == value for name, value in _claims(principal).items()):
                return
    _write(file, f"{sign_token(key, principal)}\n".encode(), 0o600)


def _claims(principal: PrincipalPlan) -> Mapping[str, object]:
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": principal.subject,
        "roles": list(principal.roles),
        "clients": "*" if principal.clients is None else list(principal.clients),
    }


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # An hour back: the clocks of two containers may differ.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _lasts(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc > datetime.now(UTC) + _RENEW_BEFORE


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001  # of several kinds, and each means no
        return False
    return True


def _public_pem(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment when it must not be."""
    if file.exists() and file.read_bytes() == content:
        return
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=mode)
    fresh.write_bytes(content)
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
