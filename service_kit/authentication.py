"""Who is calling: bearer tokens (JWT, RFC 7519), verified against a public key, become a `Principal`."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.principal import ALL_CLIENTS, AllClients, Principal

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# Only asymmetric algorithms: a server that verifies must not be able to sign, and `none` verifies nothing.
_KEY_TYPES: Final[Mapping[str, type[PublicKey]]] = {
    "RS256": RSAPublicKey,
    "ES256": EllipticCurvePublicKey,
    "EdDSA": Ed25519PublicKey,
}

_LEEWAY_SECONDS: Final = 10
_REMEMBERED_TOKENS: Final = 4096
_LARGEST_TOKEN: Final = 8192
_KEY_FILE_LOOK_SECONDS: Final = 5.0


class KeyFileError(Exception):
    """The file of public keys can't be used; the message says why."""


class TokenVerifier:
    """Turns a bearer token into a principal, or refuses it.

    A token must be signed by a key of `key_file` with the one algorithm that is pinned (what the token's own
    header claims decides nothing), name our issuer and audience, have `sub` and `exp`, and not be expired.
    Claims: `roles`, a list of strings; `clients`, a list of client numbers or "*".

    Verifying a signature costs some 100 µs, a multiple of a small call, so tokens that were good are
    remembered until they expire, or until the key file changes.
    """

    def __init__(self, *, key_file: Path, issuer: str, audience: str, algorithm: str) -> None:
        """Read the keys; KeyFileError when they can't be used, or are not keys of `algorithm`."""
        self._key_file = key_file
        self._issuer = issuer
        self._audience = audience
        self._algorithm = algorithm
        self._verified: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._stamp = _stamp(key_file)
        self._keys = read_keys(key_file, algorithm)
        self._next_look = time.monotonic() + _KEY_FILE_LOOK_SECONDS

    def verify(self, token: str) -> Principal:
        """The principal of `token`; DomainError CREDENTIALS_INVALID or CREDENTIALS_EXPIRED."""
        if time.monotonic() >= self._next_look:
            self._look_at_key_file()
        known = self._verified.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        principal, expires_at = self._verify(token)
        self._verified[token] = (principal, expires_at + _LEEWAY_SECONDS)
        if len(self._verified) > _REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
        return principal

    def _verify(self, token: str) -> tuple[Principal, float]:
        if len(token) > _LARGEST_TOKEN:
            raise _invalid("it is too long")
        try:
            claims = jwt.decode(
                token,
                key=self._key_of(token),
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise DomainError(
                ErrorKind.UNAUTHENTICATED,
                SharedReason.CREDENTIALS_EXPIRED,
                "the bearer token has expired: get a new one",
            ) from None
        except jwt.InvalidTokenError as fault:
            raise _invalid(_why(fault)) from None
        return _principal_of(claims), float(claims["exp"])

    def _key_of(self, token: str) -> PublicKey:
        key_id = jwt.get_unverified_header(token).get("kid")
        if key_id in self._keys:
            return self._keys[key_id]
        # A PEM file has one key without a name, whatever name the issuer gives it.
        if len(self._keys) == 1 and (key_id is None or None in self._keys):
            return next(iter(self._keys.values()))
        raise jwt.InvalidTokenError("it is signed with a key that this server does not know")

    def _look_at_key_file(self) -> None:
        self._next_look = time.monotonic() + _KEY_FILE_LOOK_SECONDS
        stamp = _stamp(self._key_file)
        if stamp in (self._stamp, None):
            return  # a file that is just being replaced is looked at again later
        try:
            self._keys = read_keys(self._key_file, self._algorithm)
        except KeyFileError:
            return  # half written: the keys we have are good until the new ones are
        self._stamp = stamp
        self._verified.clear()


def read_keys(file: Path, algorithm: str) -> Mapping[str | None, PublicKey]:
    """The public keys of a JWKS (RFC 7517) by their `kid`, or of a PEM file: one, under None."""
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"{"):
            keys = jwt.PyJWKSet.from_json(content.decode()).keys
            found: dict[str | None, Any] = {key.key_id: key.key for key in keys}
        else:
            found = {None: load_pem_public_key(content)}
    except (OSError, ValueError, jwt.PyJWTError) as fault:
        raise KeyFileError(f"{file} holds no public key that can be read: {fault}") from fault
    fitting = {key_id: key for key_id, key in found.items() if isinstance(key, _KEY_TYPES[algorithm])}
    if not fitting:
        raise KeyFileError(f"{file} holds no public key for {algorithm}")
    return fitting


def _principal_of(claims: Mapping[str, Any]) -> Principal:
    subject, roles, clients = claims["sub"], claims.get("roles", []), claims.get("clients", [])
    if not isinstance(subject, str) or not subject:
        raise _invalid("its claim sub is no name")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise _invalid("its claim roles is no list of names")
    return Principal(subject, frozenset(roles), _clients_of(clients))


def _clients_of(clients: object) -> frozenset[int] | AllClients:
    if clients == "*":
        return ALL_CLIENTS
    # type() and not isinstance(): true is no client number.
    if not isinstance(clients, list) or not all(type(client) is int and client > 0 for client in clients):
        raise _invalid('its claim clients is neither a list of client numbers nor "*"')
    return frozenset(clients)


def _why(fault: jwt.InvalidTokenError) -> str:
    """In words for the caller; PyJWT's own text may repeat the token's content, so it is not passed on."""
    if isinstance(fault, jwt.MissingRequiredClaimError):
        return f"it has no claim {fault.claim}"
    if isinstance(fault, jwt.InvalidIssuerError | jwt.InvalidAudienceError):
        return "it is from another issuer or for another audience"
    if isinstance(fault, jwt.ImmatureSignatureError):
        return "it is not valid yet"
    return "its signature can't be verified"


def _invalid(why: str) -> DomainError:
    return DomainError(
        ErrorKind.UNAUTHENTICATED,
        SharedReason.CREDENTIALS_INVALID,
        f"the bearer token is refused: {why}",
    )


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
