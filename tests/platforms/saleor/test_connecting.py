"""Connecting a Saleor shop: the token, the rights, our webhook and the shop's keys."""

from __future__ import annotations

import json

import pytest
import responses

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.platforms.detached_jws import public_keys
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.registry_check import CAPABILITY_PORTS
from plugin.ports import Changed, Connection, Contact, Kind, OrderQuery, RegistersWebhooks
from plugin.stores.saleor import SaleorStore
from plugin.stores.saleor.account import manifest
from tests.platforms.saleor.conftest import INSTALLATION, FixedClock, connection_to, store_at
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.saleor.signing import a_key, key_set, public


@pytest.fixture
def keys(fake: FakeSaleor) -> str:
    raw = key_set(public(a_key(), "one"))
    fake.keys = json.loads(raw)
    return raw.decode()


def test_the_adapter_fills_what_the_manifest_claims(store: SaleorStore) -> None:
    for capability, port in CAPABILITY_PORTS[Kind.STORE].items():
        if manifest().level(capability).is_coded:
            assert isinstance(store, port)
    assert isinstance(store, RegistersWebhooks)


def test_a_token_tells_the_shop_and_the_app(store: SaleorStore) -> None:
    probe = store.probe()
    assert (probe.account, probe.details) == ("Ada's Bakery", "by the app Refund desk")
    assert probe.account_id == "ada.example.com"
    assert probe.has_our_webhook is None


def test_a_wrong_token_is_refused(fake: FakeSaleor, store: SaleorStore) -> None:
    fake.token = "another"
    with pytest.raises(Refused, match="key_refused"):
        store.probe()


@pytest.mark.parametrize("right", ["MANAGE_ORDERS", "HANDLE_PAYMENTS", "MANAGE_USERS"])
def test_each_missing_right_is_named(fake: FakeSaleor, store: SaleorStore, right: str) -> None:
    assert right in store.check_rights()
    fake.books.permissions.remove(right)
    with pytest.raises(Refused, match=f"right_missing: {right}"):
        store.check_rights()


def test_the_webhook_is_made_with_our_subscription_and_keeps_the_shops_keys(
    fake: FakeSaleor, store: SaleorStore, keys: str
) -> None:
    made = store.register_webhook("https://refunds.example/webhooks/saleor/inst-1", "unused")
    assert json.loads(made.secret) == json.loads(keys)
    assert list(public_keys(made.secret.encode())) == ["one"]
    hook = fake.books.webhooks[made.ref]
    assert hook["targetUrl"] == "https://refunds.example/webhooks/saleor/inst-1"
    assert "secretKey" not in hook
    assert store.webhook_alive(made.ref)
    assert store_at(fake.url, webhook_ref=made.ref).probe().has_our_webhook is True
    assert store_at(fake.url, webhook_ref="Webhook:9").probe().has_our_webhook is False


def test_making_it_again_replaces_ours_and_nobody_elses(
    fake: FakeSaleor, store: SaleorStore, keys: str
) -> None:
    del keys
    fake.books.webhooks["Webhook:other"] = {"id": "Webhook:other", "name": "x", "isActive": True}
    first = store.register_webhook("https://refunds.example/1", "unused")
    second = store.register_webhook("https://refunds.example/2", "unused")
    assert first.ref != second.ref
    assert set(fake.books.webhooks) == {"Webhook:other", second.ref}


def test_a_shop_without_keys_gets_no_webhook(fake: FakeSaleor, store: SaleorStore) -> None:
    with pytest.raises(Refused, match="no_public_keys"):
        store.register_webhook("https://refunds.example/1", "unused")
    assert fake.books.webhooks == {}


def test_a_webhook_that_is_off_or_gone_is_not_alive(
    fake: FakeSaleor, store: SaleorStore, keys: str
) -> None:
    del keys
    made = store.register_webhook("https://refunds.example/1", "unused")
    fake.books.webhooks[made.ref]["isActive"] = False
    assert not store.webhook_alive(made.ref)
    assert store.remove_webhook(made.ref) is Changed.DONE
    assert store.remove_webhook(made.ref) is Changed.ALREADY
    assert not store.webhook_alive(made.ref)
    assert store.provoke_delivery() is None


def test_silence_while_the_webhook_is_made_is_unknown(
    fake: FakeSaleor, store: SaleorStore, keys: str
) -> None:
    del keys
    fake.fail("drop_after", on="MakegoodCreateWebhook")
    with pytest.raises(OutcomeUnknown):
        store.register_webhook("https://refunds.example/1", "unused")
    store.register_webhook("https://refunds.example/1", "unused")
    assert len(fake.books.webhooks) == 1


# --- odd answers ----------------------------------------------------------------------------------

_URL = "https://ada.example.com/graphql/"


@pytest.fixture
def declared() -> SaleorStore:
    """The store at its declared address, before `responses` instead of a server."""
    kept = connection_to("")
    settings = {"host": "ada.example.com"}
    connection = Connection(
        kept.tenant, INSTALLATION, kept.kind, kept.platform, kept.label, settings, kept.secrets
    )
    allowed = AllowedHosts(frozenset({"ada.example.com:443"}))
    return SaleorStore(connection, HttpClient(allowed=allowed, clock=FixedClock()), FixedClock())


def no(code: str, *path: str) -> dict[str, object]:
    error: dict[str, object] = {"message": "x", "extensions": {"exception": {"code": code}}}
    return {"errors": [{**error, "path": [*path]}] if path else [error]}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {}, Refused, "key_refused"),
        (404, {}, Refused, "http_404"),
        (400, no("GraphQLError"), Refused, "graphqlerror"),
        (200, no("InvalidTokenError"), Refused, "key_refused"),
        (200, no("PermissionDenied", "orders", "edges"), Refused, "key_refused"),
        (200, no("OperationalError"), RetryLater, "OperationalError"),
        (200, no("<b>"), RetryLater, "unnamed"),
        (200, {"data": None}, RetryLater, "answer_malformed"),
    ],
)
@responses.activate
def test_an_odd_answer_to_a_question_is_told_apart(
    declared: SaleorStore, status: int, body: object, kind: type[Exception], code: str
) -> None:
    responses.post(_URL, json=body, status=status)
    with pytest.raises(kind, match=code):
        declared.find_orders(OrderQuery(emails=("ada@example.com",)))


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (403, {}, Refused, "key_refused"),
        (400, no("GraphQLError"), Refused, "graphqlerror"),
        (200, no("PermissionDenied", "webhookDelete"), Refused, "key_refused"),
        (200, no("PermissionDenied", "webhookDelete", "webhook"), OutcomeUnknown, "with_errors"),
        (200, no("OperationalError"), OutcomeUnknown, "OperationalError"),
        (200, {"data": {}}, OutcomeUnknown, "answer_malformed"),
        (200, {"data": {"webhookDelete": {"errors": [{"code": "INVALID"}]}}}, Refused, "invalid"),
        (200, {"data": {"webhookDelete": {"errors": [{"code": "<b>"}]}}}, Refused, "unnamed"),
    ],
)
@responses.activate
def test_an_odd_answer_to_a_change_is_a_no_only_where_nothing_was_done(
    declared: SaleorStore, status: int, body: object, kind: type[Exception], code: str
) -> None:
    responses.post(_URL, json=body, status=status)
    with pytest.raises(kind, match=code):
        declared.remove_webhook("Webhook:1")


@responses.activate
def test_a_no_to_a_new_webhook_is_refused(declared: SaleorStore) -> None:
    keys = key_set(public(a_key(), "one"))
    responses.get("https://ada.example.com/.well-known/jwks.json", body=keys)
    responses.post(_URL, json={"data": {"app": {"id": "App:1"}, "shop": {"name": "Ada"}}})
    refused = {"webhook": None, "errors": [{"code": "INVALID"}]}
    responses.post(_URL, json={"data": {"webhookCreate": refused}})
    with pytest.raises(Refused, match="invalid"):
        declared.register_webhook("https://refunds.example/1", "unused")


@responses.activate
def test_a_token_that_is_nobodys_app_is_refused(declared: SaleorStore) -> None:
    responses.post(_URL, json={"data": {"app": None, "shop": {"name": "Ada"}}})
    with pytest.raises(Refused, match="key_refused"):
        declared.probe()


@responses.activate
def test_no_error_tells_who_it_was_about(declared: SaleorStore) -> None:
    told = no("GraphQLError")
    responses.post(_URL, json={**told, "data": {"user": {"email": "ada@example.com"}}})
    with pytest.raises(Refused) as caught:
        declared.read_access(Contact("ada@example.com"))
    assert "ada" not in str(caught.value)
