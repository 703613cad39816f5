"""WebSub's header: known answers from elsewhere, and no other digest or shape under it."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

import pytest

from plugin.platforms.signature_declaration import SignatureDeclaration
from webhooks.delivery import Delivery
from webhooks.signatures import Rejected, RejectionReason, Verdict, Verified, verify

_NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
_DECLARED = SignatureDeclaration("websub_sha1", "X-Hub-Signature")
_SECRET = b"ic_client_secret_1"
_BODY = '{"note":"café / réfund"}'.encode()
_SHA1 = hmac.digest(_SECRET, _BODY, "sha1").hex()
_SHA256 = hmac.digest(_SECRET, _BODY, "sha256").hex()


def _verdict(header: str, body: bytes = _BODY, secret: bytes = _SECRET) -> Verdict:
    return verify(_DECLARED, Delivery(body, {"x-hub-signature": header}, _NOW), [secret], _NOW)


def test_the_published_test_cases_of_rfc_2202_verify() -> None:
    # RFC 2202 section 3 (test cases 2 and 6), https://www.rfc-editor.org/rfc/rfc2202#section-3
    body = b"what do ya want for nothing?"
    mac = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert _verdict(f"sha1={mac}", body, b"Jefe") == Verified(0)
    body = b"Test Using Larger Than Block-Size Key - Hash Key First"
    mac = "aa4ae5e15272d00e95705637ce8a3b55ed402112"
    assert _verdict(f"sha1={mac}", body, b"\xaa" * 80) == Verified(0)


def test_upper_case_hex_is_the_same_signature() -> None:
    assert _verdict(f"sha1={_SHA1.upper()}") == Verified(0)


@pytest.mark.parametrize(
    "header",
    [
        _SHA1,
        f"sha256={_SHA256}",
        f"sha1={_SHA256}",
        f"sha256={_SHA1}",
        f"SHA1={_SHA1}",
        f"sha1={_SHA1}\n",
        f"sha1={_SHA1[:-1]}",
        f"sha1= {_SHA1}",
    ],
)
def test_no_other_digest_and_no_other_shape_is_taken(header: str) -> None:
    assert _verdict(header) == Rejected(RejectionReason.HEADER_MALFORMED)
