"""Signatures: known answers from elsewhere, every way to be wrong, and no way to break."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from plugin.platforms.signature_declaration import SCHEME_NAMES, SignatureDeclaration
from webhooks.delivery import Delivery
from webhooks.signatures import SCHEMES, Rejected, RejectionReason, Verdict, Verified, verify

_NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
_SECRET = b"whsec_test_1"
_OLD_SECRET = b"whsec_test_0"
_BODY = '{"note":"café / réfund","amount":12.50}'.encode()

_HEX = SignatureDeclaration("hmac_sha256_hex", "X-Signature")
_NORMALISED = SignatureDeclaration("hmac_sha256_hex", "X-Signature", normalise_json=True)
_WEBSUB = SignatureDeclaration("websub_sha1", "X-Signature")
_BASE64 = SignatureDeclaration("hmac_sha256_base64", "X-Signature")
_BASE64_TIMED = SignatureDeclaration(
    "hmac_sha256_base64", "X-Signature", timestamp_header="X-Time", tolerance_seconds=300
)
_TIMESTAMPED = SignatureDeclaration("timestamped_hmac", "X-Signature", tolerance_seconds=300)
_ALL = [_HEX, _NORMALISED, _WEBSUB, _BASE64, _BASE64_TIMED, _TIMESTAMPED]
_TIMED = [_BASE64_TIMED, _TIMESTAMPED]


def _hmac(secret: bytes, message: bytes, name: str) -> bytes:
    """HMAC from its definition (RFC 2104), so that the tests share no code with what they test."""
    key = hashlib.new(name, secret).digest() if len(secret) > 64 else secret
    key = key.ljust(64, b"\0")
    inner = hashlib.new(name, bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.new(name, bytes(byte ^ 0x5C for byte in key) + inner).digest()


def _hmac_sha256(secret: bytes, message: bytes) -> bytes:
    return _hmac(secret, message, "sha256")


def _signed(
    declaration: SignatureDeclaration,
    body: bytes = _BODY,
    secret: bytes = _SECRET,
    at: datetime = _NOW,
) -> dict[str, str]:
    """Sign as the platform would; returns its headers by lower-case name."""
    if declaration.scheme == "timestamped_hmac":
        seconds = str(int(at.timestamp()))
        mac = _hmac_sha256(secret, seconds.encode() + b"." + body).hex()
        return {"x-signature": f"t={seconds},v1={mac}"}
    if declaration.scheme == "websub_sha1":
        return {"x-signature": f"sha1={_hmac(secret, body, 'sha1').hex()}"}
    if declaration.timestamp_header is not None:
        timestamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        mac64 = base64.b64encode(_hmac_sha256(secret, timestamp.encode() + body)).decode()
        return {"x-signature": mac64, "x-time": timestamp}
    if declaration.scheme == "hmac_sha256_base64":
        return {"x-signature": base64.b64encode(_hmac_sha256(secret, body)).decode()}
    return {"x-signature": _hmac_sha256(secret, body).hex()}


def _verdict(
    declaration: SignatureDeclaration,
    headers: dict[str, str],
    body: bytes = _BODY,
    secrets: tuple[bytes, ...] = (_SECRET,),
    now: datetime = _NOW,
) -> Verdict:
    return verify(declaration, Delivery(body, headers, _NOW), secrets, now)


def _rejected(reason: RejectionReason) -> Rejected:
    return Rejected(reason)


def test_every_declared_scheme_has_its_check_and_no_other_exists() -> None:
    assert SCHEMES == SCHEME_NAMES


# -- known answers


def test_the_published_test_case_of_rfc_4231_verifies() -> None:
    # RFC 4231 section 4.3 (test case 2), https://www.rfc-editor.org/rfc/rfc4231#section-4.3
    mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    body = b"what do ya want for nothing?"
    assert _verdict(_HEX, {"x-signature": mac}, body, (b"Jefe",)) == Verified(0)
    encoded = base64.b64encode(bytes.fromhex(mac)).decode()
    assert _verdict(_BASE64, {"x-signature": encoded}, body, (b"Jefe",)) == Verified(0)


_VECTORS_FILE = Path(__file__).parents[3] / "shared/specs/_vectors_helpdesks/signature_vectors.json"


@pytest.mark.parametrize(
    ("name", "declaration"),
    [
        (
            "zendesk_webhook",
            SignatureDeclaration(
                "hmac_sha256_base64",
                "X-Zendesk-Webhook-Signature",
                timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
                tolerance_seconds=300,
            ),
        ),
        (
            "zendesk_webhook_empty_body",
            SignatureDeclaration(
                "hmac_sha256_base64",
                "X-Zendesk-Webhook-Signature",
                timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
                tolerance_seconds=300,
            ),
        ),
        ("intercom_canvas_kit", SignatureDeclaration("hmac_sha256_hex", "X-Body-Signature")),
        ("intercom_webhook", SignatureDeclaration("websub_sha1", "X-Hub-Signature")),
        ("zammad_webhook", SignatureDeclaration("websub_sha1", "X-Hub-Signature")),
    ],
)
def test_the_vectors_of_the_fact_sheets_verify(
    name: str, declaration: SignatureDeclaration
) -> None:
    if not _VECTORS_FILE.exists():
        pytest.skip("the vendors' vectors (../shared/specs) are not here")
    vectors = json.loads(_VECTORS_FILE.read_text(encoding="utf-8"))["vectors"]
    (vector,) = [entry for entry in vectors if entry["name"] == name]
    body = vector["body_utf8"].encode()
    secret = vector["secret"].encode()
    delivery = Delivery.from_headers(vector["headers"].items(), body, _NOW)
    assert isinstance(verify(declaration, delivery, [secret], _NOW), Verified)
    changed = Delivery(body + b" ", delivery.headers, _NOW)
    assert verify(declaration, changed, [secret], _NOW) == _rejected(
        RejectionReason.WRONG_SIGNATURE
    )


@given(
    body=st.text(st.characters(exclude_categories=["Cs"])),
    secret=st.text("abcdefXYZ0189_é", min_size=1),
)
def test_what_the_vendors_library_signs_we_accept(body: str, secret: str) -> None:
    seconds = int(_NOW.timestamp())
    header = stripe.WebhookSignature.generate_signature_header(body, secret, seconds)
    verdict = _verdict(_TIMESTAMPED, {"x-signature": header}, body.encode(), (secret.encode(),))
    assert verdict == Verified(0, _NOW)


def test_what_our_scheme_describes_the_vendors_library_accepts() -> None:
    body = b'{"id":"evt_1","object":"event"}'
    now = datetime.fromtimestamp(int(time.time()), UTC)
    header = _signed(_TIMESTAMPED, body, at=now)["x-signature"]
    event = stripe.Webhook.construct_event(body, header, _SECRET.decode())  # type: ignore[no-untyped-call,unused-ignore]  # typed or not by release
    assert event["id"] == "evt_1"
    assert _verdict(_TIMESTAMPED, {"x-signature": header}, body, now=now) == Verified(0, now)


_MAC = _hmac_sha256(_SECRET, b"1000." + _BODY).hex()
_OTHER = "0" * 64


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (f"t=1000,v1={_MAC}", True),
        (f"v1={_MAC},t=1000", True),
        (f"t=1000,v1={_OTHER},v1={_MAC}", True),
        (f"t=1000,v1={_MAC},v1={_OTHER}", True),
        (f"t=1000,v0={_OTHER},v1={_MAC}", True),
        (f"t=1000,v1=short,v1={_MAC}", True),
        (f"t=1000,v0={_MAC}", False),
        (f"t=1000,v1={_OTHER}", False),
        (f"t=1001,v1={_MAC}", False),
        (f"v1={_MAC}", False),
        ("t=1000", False),
        (f"t=,v1={_MAC}", False),
        (f"t=x,v1={_MAC}", False),
        (f"t=1000 v1={_MAC}", False),
        (f"t=1000,v1={_MAC[:-1]}", False),
        (f"t=1000, v1={_MAC}", False),
        ("", False),
        (",", False),
        ("é", False),
    ],
)
def test_we_and_the_vendors_library_agree_on_the_header(header: str, accepted: bool) -> None:
    now = datetime.fromtimestamp(1000, UTC)
    verdict = _verdict(_TIMESTAMPED, {"x-signature": header}, now=now)
    assert isinstance(verdict, Verified) is accepted
    try:
        stripe.WebhookSignature.verify_header(_BODY, header, _SECRET.decode())
        library_accepts = True
    except stripe.SignatureVerificationError:
        library_accepts = False
    assert library_accepts is accepted


def test_upper_case_hex_is_the_same_signature() -> None:
    headers = {"x-signature": _signed(_HEX)["x-signature"].upper()}
    assert _verdict(_HEX, headers) == Verified(0)


# -- the normalised form

# The signature was made over this text, which is how PHP's json_encode writes the body below it.
_PHP_TEXT = (
    b'{"url":"https:\\/\\/shop.example\\/a","name":"caf\\u00e9","face":"\\ud83d\\ude00",'
    b'"price":0.0,"list":[1,true,null]}'
)
_SENT = (
    '{ "url": "https://shop.example/a", "name": "café", "face": "\N{GRINNING FACE}",\n'
    '  "price": 0.0, "list": [1, true, null] }'
).encode()


def test_a_signature_over_the_normalised_body_is_accepted_where_declared() -> None:
    headers = _signed(_HEX, _PHP_TEXT)
    assert _verdict(_NORMALISED, headers, _SENT) == Verified(0, normalised=True)
    assert _verdict(_NORMALISED, headers, _SENT, (_OLD_SECRET, _SECRET)) == Verified(
        1, normalised=True
    )
    assert _verdict(_HEX, headers, _SENT) == _rejected(RejectionReason.WRONG_SIGNATURE)


def test_the_raw_body_comes_first() -> None:
    assert _verdict(_NORMALISED, _signed(_HEX, _PHP_TEXT), _PHP_TEXT) == Verified(0)


@pytest.mark.parametrize(
    "body",
    [
        _SENT.replace(b"true", b"false"),
        _SENT[:-1],
        _SENT.replace(b'"price"', b'"name": "x", "price"'),
        b"",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_normalising_saves_no_other_body(body: bytes) -> None:
    assert _verdict(_NORMALISED, _signed(_HEX, _PHP_TEXT), body) == _rejected(
        RejectionReason.WRONG_SIGNATURE
    )


# -- every way to be wrong, for every scheme


@pytest.mark.parametrize("declaration", _ALL)
class TestEveryScheme:
    def test_the_right_signature_verifies(self, declaration: SignatureDeclaration) -> None:
        verdict = _verdict(declaration, _signed(declaration))
        signed_at = _NOW if declaration in _TIMED else None
        assert verdict == Verified(0, signed_at)

    @given(data=st.data())
    def test_one_changed_byte_of_the_body_is_wrong(
        self, declaration: SignatureDeclaration, data: st.DataObject
    ) -> None:
        at = data.draw(st.integers(0, len(_BODY) - 1))
        changed = bytearray(_BODY)
        changed[at] ^= data.draw(st.integers(1, 255))
        assert _verdict(declaration, _signed(declaration), bytes(changed)) == _rejected(
            RejectionReason.WRONG_SIGNATURE
        )

    @given(data=st.data())
    def test_one_changed_letter_of_the_signature_is_not_accepted(
        self, declaration: SignatureDeclaration, data: st.DataObject
    ) -> None:
        headers = _signed(declaration)
        signature = headers["x-signature"]
        at = data.draw(st.integers(0, len(signature) - 1))
        letter = data.draw(st.characters().filter(lambda c: c.lower() != signature[at].lower()))
        headers["x-signature"] = signature[:at] + letter + signature[at + 1 :]
        assert isinstance(_verdict(declaration, headers), Rejected)

    def test_a_wrong_secret_is_wrong(self, declaration: SignatureDeclaration) -> None:
        assert _verdict(declaration, _signed(declaration), secrets=(b"other",)) == _rejected(
            RejectionReason.WRONG_SIGNATURE
        )

    def test_while_secrets_change_each_is_good_and_is_named(
        self, declaration: SignatureDeclaration
    ) -> None:
        secrets = (_SECRET, _OLD_SECRET)
        for index, secret in enumerate(secrets):
            verdict = _verdict(declaration, _signed(declaration, secret=secret), secrets=secrets)
            assert isinstance(verdict, Verified)
            assert verdict.secret_index == index

    def test_the_same_secret_given_twice_is_named_by_its_first_place(
        self, declaration: SignatureDeclaration
    ) -> None:
        verdict = _verdict(declaration, _signed(declaration), secrets=(_SECRET, _SECRET))
        assert isinstance(verdict, Verified)
        assert verdict.secret_index == 0

    @pytest.mark.parametrize("secrets", [(), (b"",), (b"", b" \n")])
    def test_an_empty_secret_is_never_used(
        self, declaration: SignatureDeclaration, secrets: tuple[bytes, ...]
    ) -> None:
        headers = _signed(declaration, secret=b"")
        assert _verdict(declaration, headers, secrets=secrets) == _rejected(
            RejectionReason.NO_USABLE_SECRET
        )

    def test_an_empty_secret_beside_a_good_one_opens_nothing(
        self, declaration: SignatureDeclaration
    ) -> None:
        secrets = (b"", _SECRET)
        assert _verdict(declaration, _signed(declaration, secret=b""), secrets=secrets) == (
            _rejected(RejectionReason.WRONG_SIGNATURE)
        )
        verdict = _verdict(declaration, _signed(declaration), secrets=secrets)
        assert isinstance(verdict, Verified)
        assert verdict.secret_index == 1

    def test_a_missing_header_is_named(self, declaration: SignatureDeclaration) -> None:
        headers = _signed(declaration)
        del headers["x-signature"]
        assert _verdict(declaration, headers) == _rejected(RejectionReason.HEADER_MISSING)

    @pytest.mark.parametrize(
        "header", ["", " ", "é", "\udcff", "None", "sha256=", "=" * 44, "v1", "t=1,v1=", "a,b"]
    )
    def test_a_malformed_header_is_named(
        self, declaration: SignatureDeclaration, header: str
    ) -> None:
        headers = _signed(declaration) | {"x-signature": header}
        assert _verdict(declaration, headers) == _rejected(RejectionReason.HEADER_MALFORMED)

    @pytest.mark.parametrize("joint", [",", ", "])
    def test_two_signatures_joined_by_the_server_are_malformed(
        self, declaration: SignatureDeclaration, joint: str
    ) -> None:
        headers = _signed(declaration)
        headers["x-signature"] += joint + headers["x-signature"]
        assert _verdict(declaration, headers) == _rejected(RejectionReason.HEADER_MALFORMED)

    @pytest.mark.parametrize("edge", ["\n", " "])
    def test_a_signature_with_something_around_it_is_not_accepted(
        self, declaration: SignatureDeclaration, edge: str
    ) -> None:
        signature = _signed(declaration)["x-signature"]
        for header in (signature + edge, edge + signature):
            headers = _signed(declaration) | {"x-signature": header}
            assert _verdict(declaration, headers) == _rejected(RejectionReason.HEADER_MALFORMED)

    @given(
        signature=st.text() | st.text("tv1=,0a", max_size=80),
        timestamp=st.text() | st.text("0123456789-T:Z.+", max_size=30),
        body=st.binary(),
        secrets=st.lists(st.binary(max_size=80), max_size=3),
    )
    def test_random_deliveries_are_rejected_and_raise_nothing(
        self,
        declaration: SignatureDeclaration,
        signature: str,
        timestamp: str,
        body: bytes,
        secrets: list[bytes],
    ) -> None:
        headers = {"x-signature": signature, "x-time": timestamp}
        assert isinstance(_verdict(declaration, headers, body, tuple(secrets)), Rejected)


# -- time


@pytest.mark.parametrize("declaration", _TIMED)
@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (-301, RejectionReason.TOO_OLD),
        (-300, None),
        (0, None),
        (300, None),
        (301, RejectionReason.TOO_NEW),
    ],
)
def test_signed_times_are_good_within_the_tolerance_to_either_side(
    declaration: SignatureDeclaration, seconds: int, reason: RejectionReason | None
) -> None:
    at = _NOW + timedelta(seconds=seconds)
    verdict = _verdict(declaration, _signed(declaration, at=at))
    assert verdict == (Verified(0, at) if reason is None else _rejected(reason))


@pytest.mark.parametrize("declaration", _TIMED)
def test_a_wrongly_signed_delivery_says_nothing_about_time(
    declaration: SignatureDeclaration,
) -> None:
    headers = _signed(declaration, secret=b"other", at=_NOW - timedelta(days=1))
    assert _verdict(declaration, headers) == _rejected(RejectionReason.WRONG_SIGNATURE)


def _signed_with_time(timestamp: str) -> dict[str, str]:
    mac = _hmac_sha256(_SECRET, timestamp.encode("utf-8", "surrogatepass") + _BODY)
    return {"x-signature": base64.b64encode(mac).decode(), "x-time": timestamp}


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-22T06:30:00Z",
        "2026-11-22T06:30:00+00:00",
        "2026-11-22T07:30:00+01:00",
        "2026-11-22T06:30:00.000Z",
        "2026-11-22T06:30:00.000000000Z",
    ],
)
def test_the_ways_to_write_the_same_time_are_understood(timestamp: str) -> None:
    verdict = _verdict(_BASE64_TIMED, _signed_with_time(timestamp))
    assert verdict == Verified(0, _NOW)
    assert isinstance(verdict, Verified)
    assert verdict.signed_at is not None
    assert verdict.signed_at.tzinfo is UTC


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "now",
        "1795329000",
        "2026-11-22",
        "20261122T063000Z",
        "2026-11-22T06:30:00",
        "2026-11-22 06:30:00Z",
        "2026-11-22T06:30:00Z\n",
        "2026-13-22T06:30:00Z",
        "2026-11-22T06:30:00+99:99",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-22T06:30:00Z",
        "é",
        "\udcff",
        "2026-11-22T06:30:00Z,2026-11-22T06:30:00Z",
    ],
)
def test_a_time_that_cannot_be_read_is_malformed_even_if_rightly_signed(timestamp: str) -> None:
    assert _verdict(_BASE64_TIMED, _signed_with_time(timestamp)) == _rejected(
        RejectionReason.TIMESTAMP_MALFORMED
    )


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        ("0001-01-01T00:00:00+23:59", RejectionReason.TOO_OLD),
        ("9999-12-31T23:59:59-23:59", RejectionReason.TOO_NEW),
    ],
)
def test_the_ends_of_the_calendar_do_not_overflow(timestamp: str, reason: RejectionReason) -> None:
    assert _verdict(_BASE64_TIMED, _signed_with_time(timestamp)) == _rejected(reason)


def test_a_missing_timestamp_is_named() -> None:
    headers = _signed(_BASE64_TIMED)
    del headers["x-time"]
    assert _verdict(_BASE64_TIMED, headers) == _rejected(RejectionReason.TIMESTAMP_MISSING)


def test_a_timestamp_of_another_delivery_is_wrong() -> None:
    headers = _signed(_BASE64_TIMED) | {"x-time": "2026-11-22T06:30:01Z"}
    assert _verdict(_BASE64_TIMED, headers) == _rejected(RejectionReason.WRONG_SIGNATURE)


@pytest.mark.parametrize("seconds", ["0", "01000", "-1", "1.5", "1e3", "1_000", "9" * 12, "9" * 99])
def test_seconds_that_cannot_be_a_time_are_malformed(seconds: str) -> None:
    mac = _hmac_sha256(_SECRET, seconds.encode() + b"." + _BODY).hex()
    assert _verdict(_TIMESTAMPED, {"x-signature": f"t={seconds},v1={mac}"}) == _rejected(
        RejectionReason.TIMESTAMP_MALFORMED
    )


def test_the_largest_time_is_only_too_new() -> None:
    seconds = "9" * 11
    mac = _hmac_sha256(_SECRET, seconds.encode() + b"." + _BODY).hex()
    assert _verdict(_TIMESTAMPED, {"x-signature": f"t={seconds},v1={mac}"}) == _rejected(
        RejectionReason.TOO_NEW
    )
