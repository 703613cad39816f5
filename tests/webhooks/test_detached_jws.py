"""A signature beside its body: what RFC 7515 and 7797 say, every known trick, and no way to break.

Signed by hand with `cryptography`, and by PyJWT as a second opinion.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as a_curve_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from plugin.platforms.detached_jws import public_keys
from plugin.platforms.signature_declaration import SignatureDeclaration
from webhooks.delivery import Delivery
from webhooks.signatures import Rejected, RejectionReason, Verdict, Verified, verify

_NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
_DECLARED = SignatureDeclaration("detached_jws", "X-Signature")
_BODY = '{"note":"café","amount":12.50}'.encode()
_KEY = generate_private_key(65537, 2048)
_OLD_KEY = generate_private_key(65537, 2048)
_STRANGER = generate_private_key(65537, 2048)


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """What was read of a set before must not answer for what reads it now."""
    public_keys.cache_clear()


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _public(key: RSAPrivateKey, kid: object, **changed: object) -> dict[str, object]:
    numbers = key.public_key().public_numbers()
    told = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid}
    whole = {**told, "n": _number(numbers.n), "e": _number(numbers.e), **changed}
    return {name: value for name, value in whole.items() if value is not None}


def _set(*keys: dict[str, object]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


_KEYS = _set(_public(_KEY, "new"), _public(_OLD_KEY, "old"))


def _header(**changed: object) -> dict[str, object]:
    told = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": "new", "typ": "JWT", **changed}
    return {name: value for name, value in told.items() if value is not None}


def _signed(
    header: dict[str, object] | None = None, key: RSAPrivateKey = _KEY, body: bytes = _BODY
) -> str:
    protected = _encoded(json.dumps(_header() if header is None else header).encode())
    mark = key.sign(protected.encode() + b"." + body, PKCS1v15(), SHA256())
    return f"{protected}..{_encoded(mark)}"


def _judged(signature: str | None, body: bytes = _BODY, *key_sets: bytes) -> Verdict:
    headers = {} if signature is None else {"x-signature": signature}
    return verify(_DECLARED, Delivery(body, headers, _NOW), key_sets or (_KEYS,), _NOW)


def test_the_right_signature_is_accepted() -> None:
    assert _judged(_signed()) == Verified(0)


def test_a_signature_by_another_library_is_accepted() -> None:
    made = jwt.api_jws.encode(
        _BODY, _KEY, algorithm="RS256", headers={"kid": "new"}, is_payload_detached=True
    )
    assert _judged(made) == Verified(0)


def test_any_key_of_any_set_may_sign_and_the_newest_set_is_told() -> None:
    older = _set(_public(_OLD_KEY, "old"), _public(_KEY, "new"))
    newer = _set(_public(_KEY, "new"))
    by_old = _signed(_header(kid="old"), _OLD_KEY)
    assert _judged(_signed(), _BODY, newer, older) == Verified(0)
    assert _judged(by_old, _BODY, newer, older) == Verified(1)


def test_a_missing_header_is_refused() -> None:
    assert _judged(None) == Rejected(RejectionReason.HEADER_MISSING)


@given(st.integers(0, len(_BODY) - 1), st.integers(1, 255))
def test_one_changed_byte_is_refused(at: int, flip: int) -> None:
    body = bytearray(_BODY)
    body[at] ^= flip
    assert _judged(_signed(), bytes(body)) == Rejected(RejectionReason.WRONG_SIGNATURE)


def test_a_strangers_key_under_a_known_id_is_refused() -> None:
    assert _judged(_signed(key=_STRANGER)) == Rejected(RejectionReason.WRONG_SIGNATURE)


def test_a_known_key_under_the_id_of_another_is_refused() -> None:
    made = _signed(_header(kid="old"))
    assert _judged(made) == Rejected(RejectionReason.WRONG_SIGNATURE)


def test_an_unknown_key_is_told_apart() -> None:
    made = _signed(_header(kid="next"), _STRANGER)
    assert _judged(made) == Rejected(RejectionReason.UNKNOWN_KEY)


@pytest.mark.parametrize("pointer", ["jku", "x5u"])
def test_keys_that_the_sender_points_to_are_never_used(pointer: str) -> None:
    elsewhere = {pointer: "https://elsewhere.example/keys.json"}
    for kid, reason in (
        ("new", RejectionReason.WRONG_SIGNATURE),
        ("next", RejectionReason.UNKNOWN_KEY),
    ):
        made = _signed(_header(kid=kid, **elsewhere), _STRANGER)
        assert _judged(made) == Rejected(reason)


def test_a_key_in_the_header_itself_is_never_used() -> None:
    made = _signed(_header(jwk=_public(_STRANGER, "new")), _STRANGER)
    assert _judged(made) == Rejected(RejectionReason.WRONG_SIGNATURE)


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_hs256_with_the_public_key_as_its_secret_is_refused(form: PublicFormat) -> None:
    pem = _KEY.public_key().public_bytes(Encoding.PEM, form)
    protected = _encoded(json.dumps(_header(alg="HS256")).encode())
    mark = hmac.digest(pem, protected.encode() + b"." + _BODY, hashlib.sha256)
    assert _judged(f"{protected}..{_encoded(mark)}") == Rejected(RejectionReason.HEADER_MALFORMED)


@pytest.mark.parametrize("algorithm", ["none", "NONE", "RS512", "PS256", "rs256", None, 7])
def test_no_other_algorithm_is_taken(algorithm: object) -> None:
    made = _signed(_header(alg=algorithm))
    assert _judged(made) == Rejected(RejectionReason.HEADER_MALFORMED)
    assert _judged(made.partition("..")[0] + "..") == Rejected(RejectionReason.HEADER_MALFORMED)


@pytest.mark.parametrize(
    "changed",
    [
        {"b64": True},
        {"b64": None},
        {"crit": None},
        {"crit": []},
        {"crit": ["b64", "exp"]},
        {"crit": "b64"},
        {"kid": None},
        {"kid": 7},
    ],
    ids=str,
)
def test_another_form_of_header_is_refused(changed: dict[str, object]) -> None:
    made = _signed(_header(**changed))
    assert _judged(made) == Rejected(RejectionReason.HEADER_MALFORMED)


def test_an_attached_token_of_the_same_key_is_refused() -> None:
    """A shop signs its customers' access tokens with the same key."""
    token = jwt.encode({"sub": "ada"}, _KEY, algorithm="RS256", headers={"kid": "new"})
    assert _judged(token) == Rejected(RejectionReason.HEADER_MALFORMED)
    protected, payload, mark = token.split(".")
    assert _judged(f"{protected}..{mark}", payload.encode()) == Rejected(
        RejectionReason.HEADER_MALFORMED
    )


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.\.[A-Za-z0-9_-]{1,40}"))
def test_no_text_breaks_the_check(signature: str) -> None:
    assert isinstance(_judged(signature), Rejected)


def test_a_signature_that_is_no_base64_is_wrong() -> None:
    protected = _signed().partition("..")[0]
    assert _judged(f"{protected}..A") == Rejected(RejectionReason.WRONG_SIGNATURE)


_BAD_SETS = [
    b"another secret",
    b"{}",
    b'{"keys": 7}',
    b'{"keys": [7]}',
    b'{"keys": [{"kid": "new", "kty": "RSA"}]}',
    b'{"keys": [{"kid": "new", "kty": "RSA", "n": "!", "e": "AQAB"}]}',
    b'{"keys": [{"kid": "new", "kty": "oct", "k": "c2VjcmV0"}]}',
    _set(_public(_KEY, "new", use="enc")),
    _set(_public(_KEY, "new", alg="RS512")),
    _set(_public(_KEY, None)),
    _set(_public(_KEY, "new"), _public(_STRANGER, "new")),
    _set(_public(generate_private_key(65537, 1024), "new")),  # noqa: S505 - refused for being short
    _set(_public(_KEY, "new")) + b" " * 65536,
]


@pytest.mark.parametrize("keys", _BAD_SETS, ids=range(len(_BAD_SETS)))
def test_a_set_without_a_usable_key_proves_nothing(keys: bytes) -> None:
    assert not public_keys(keys)
    assert _judged(_signed(), _BODY, keys) == Rejected(RejectionReason.NO_USABLE_SECRET)


def test_keys_of_another_kind_beside_a_good_one_do_no_harm() -> None:
    curve = a_curve_key(SECP256R1()).public_key().public_numbers()
    other: dict[str, object] = {"kty": "EC", "crv": "P-256", "kid": "curve"}
    keys = _set({**other, "x": _number(curve.x), "y": _number(curve.y)}, _public(_KEY, "new"))
    assert list(public_keys(keys)) == ["new"]
    assert _judged(_signed(), _BODY, keys) == Verified(0)


def test_a_private_key_in_a_set_is_held_as_a_public_one() -> None:
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEY))
    keys = _set({**private, "kid": "new", "use": "sig"})
    assert not hasattr(public_keys(keys)["new"], "sign")
