"""Manifests are read strictly, all faults at once, and what they say is easy to use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.platforms.manifest import (
    AmountForm,
    FieldForm,
    HelpdeskManifest,
    InstallField,
    LetterCase,
    Level,
    ManualRefund,
    MoneyForm,
    Outgoing,
    StoreManifest,
    Timeouts,
)
from plugin.platforms.manifest_schema import ENDED_BY, InvalidManifest, read_manifest
from plugin.platforms.webhook_declaration import NamedAccount

Json = dict[str, Any]


def _read(document: Json) -> StoreManifest | HelpdeskManifest:
    manifest = read_manifest(json.dumps(document).encode())
    assert isinstance(manifest, StoreManifest | HelpdeskManifest)
    return manifest


def _store(document: Json) -> StoreManifest:
    manifest = _read(document)
    assert isinstance(manifest, StoreManifest)
    return manifest


def _desk(document: Json) -> HelpdeskManifest:
    manifest = _read(document)
    assert isinstance(manifest, HelpdeskManifest)
    return manifest


def _faults(document: object) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as caught:
        read_manifest(json.dumps(document).encode())
    return caught.value.faults


def test_a_store_says_all_it_has_to_say(toy_store: Json) -> None:
    manifest = _store(toy_store)

    assert manifest.name == "Toy Shop"
    assert manifest.level("refund_full") is Level.NATIVE
    assert manifest.secret_fields == {"api_key"}
    assert manifest.outgoing is not None
    assert manifest.outgoing.timeouts == Timeouts(connect=3, read=10, total=15)
    assert manifest.webhooks is not None
    assert manifest.webhooks.signature is not None
    assert manifest.webhooks.signature.scheme == "hmac_sha256_hex"
    assert manifest.webhooks.topics["GONE"] == ("sale_refunded", "subscription_cancelled")
    assert manifest.refunds.look_up_after_seconds == (5, 30, 300)
    assert manifest.quality[0].verified == "a fake over HTTP"
    assert not manifest.simulated


def test_a_desk_says_all_it_has_to_say(toy_desk: Json) -> None:
    manifest = _read(toy_desk)

    assert isinstance(manifest, HelpdeskManifest)
    assert manifest.simulated
    assert manifest.webhooks is None
    assert manifest.panel.frame_ancestors_for({}) == ("https://*.toy.example",)
    with pytest.raises(KeyError):
        manifest.level("refund_full")


def test_frame_ancestors_are_those_of_one_account(toy_desk: Json) -> None:
    toy_desk["install_fields"] = [{"name": "sub", "label": "Subdomain", "form": "dns_label"}]
    toy_desk["panel"]["frame_ancestors"] = ["https://{sub}.toy.example"]
    manifest = _read(toy_desk)

    assert isinstance(manifest, HelpdeskManifest)
    assert manifest.panel.frame_ancestors_for({"sub": "acme"}) == ("https://acme.toy.example",)
    with pytest.raises(InvalidInput):
        manifest.panel.frame_ancestors_for({"sub": "acme; script-src *"})


def test_what_was_read_cannot_be_changed(toy_store: Json) -> None:
    manifest = _store(toy_store)

    with pytest.raises(TypeError):
        manifest.capabilities["tags"] = Level.NATIVE  # type: ignore[index] # that is the point
    with pytest.raises(TypeError):
        manifest.money.exponents["EUR"] = 3  # type: ignore[index] # that is the point


def test_all_faults_of_a_manifest_are_told_at_once(toy_store: Json) -> None:
    toy_store["stem"] = "Toy Shop"
    toy_store["docs"] = "http://docs.toy.example"
    toy_store["surprise"] = 1
    toy_store["capabilities"].pop("tags")
    toy_store["capabilities"]["usage"] = "perhaps"
    toy_store["outgoing"]["rate_limit"]["burst"] = "10"
    toy_store["webhooks"]["signature"]["scheme"] = "rot13"
    toy_store["install_fields"][1]["secret"] = "yes"

    faults = _faults(toy_store)

    places = {fault.partition(": ")[0] for fault in faults}
    assert places == {
        "stem",
        "docs",
        "surprise",
        "capabilities.tags",
        "capabilities.usage",
        "outgoing.rate_limit.burst",
        "webhooks.signature.scheme",
        "install_fields.1.secret",
    }


def _changed(document: Json, path: str, value: object) -> Json:
    place: Any = document
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        place = place[step]
    place[last] = value
    return document


def _account(setting: str) -> Json:
    return {"field": "account", "setting": setting}


def _way(*asks: str) -> Json:
    return {"asks": list(asks), "words": "It sends its key.", "steps": ["Press Approve."]}


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("outgoing", None, "outgoing: say where calls go, unless simulated"),
        ("self_test", [], "self_test: give the key_works line, unless simulated"),
        ("webhooks.trust", "unsigned", "webhooks.trust: unsigned goes without"),
        ("webhooks.signature", None, "webhooks.trust: unsigned goes without"),
        ("webhooks.topic_header", None, "webhooks.topic_header: give exactly one"),
        ("webhooks.topic_field", "a.b", "webhooks.topic_header: give exactly one"),
        ("webhooks.topics.SALE", [], "webhooks.topics.SALE.value: Shorter"),
        ("webhooks.delivery_id_field", "id", "webhooks.delivery_id_field: give delivery_id_he"),
        ("webhooks.ticked_by_hand", ["SOLD"], "webhooks.ticked_by_hand: name topics"),
        (
            "webhooks.bare_topics",
            {"header": "X-Id", "topics": ["SOLD"]},
            "webhooks.bare_topics: name topics",
        ),
        ("webhooks.secret_field", "shop", "webhooks.secret_field: name a secret install field"),
        ("webhooks.secret_field", "none", "webhooks.secret_field: name a secret install field"),
        ("webhooks.named_account", _account("api_key"), "webhooks.named_account.setting: name an"),
        ("webhooks.named_account", _account("none"), "webhooks.named_account.setting: name an"),
        (
            "webhooks.signature.tolerance_seconds",
            300,
            "webhooks.signature: the scheme hmac_sha256_hex does not take tolerance_seconds",
        ),
        ("refunds.idempotency", "none", "refunds.key_lives_seconds: say how long"),
        ("refunds.key_lives_seconds", None, "refunds.key_lives_seconds: say how long"),
        ("refunds.look_up_after_seconds", [9, 5], "refunds.look_up_after_seconds: sec"),
        ("refunds.look_up_after_seconds", [], "refunds.look_up_after_seconds: say when"),
        ("refunds.manual", None, "refunds.manual: a refund by hand needs"),
        ("capabilities.lookup", "none", "capabilities.lookup: a refund by API needs"),
        ("refunds.manual.link", "https://x.example/{api_key}", "refunds.manual.link"),
        ("refunds.manual.link", "https://{order_id}/", "refunds.manual.link: {order"),
        ("refunds.manual.link", "https://x.example/{Bad}", "refunds.manual.link"),
        ("outgoing.base_url", "http://toy.example", "outgoing.base_url: use https"),
        ("outgoing.base_url", "https://a@toy.example", "outgoing.base_url: use https"),
        ("outgoing.base_url", "https://toy.example/", "outgoing.base_url: use https"),
        ("outgoing.base_url", "https://toy.example\n", "outgoing.base_url: use https"),
        ("outgoing.base_url", "https://other.example", "outgoing.hosts: name the host"),
        ("outgoing.hosts.1", "*.toy.example", "outgoing.hosts: name each host"),
        ("outgoing.hosts.1", "{mode}.toy.example", "outgoing: {mode} must be"),
        ("install_fields.0.required", False, "outgoing: {shop} must be"),
        ("install_fields.0.secret", True, "install_fields.0.secret: a secret is"),
        ("install_fields.1.name", "shop", "install_fields: each name stands once"),
        ("quality.0.verified", " ", "quality.0.verified: done needs it"),
        ("quality.1.reason", "", "quality.1.reason: todo needs it"),
        ("install_way", _way("nothing"), "install_way.asks: name install fields"),
        ("install_way", _way(), "install_way.asks: ask for shop too"),
        ("install_way", _way("shop", "api_key"), "install_way.asks: leave a secret field"),
        ("install_way", {"asks": ["shop"], "words": "x", "steps": []}, "install_way.steps: Sh"),
        ("install_way", {**_way("shop"), "brings": ["api_key"]}, "install_way.brings: a form asks"),
        ("embedded", {"frame_ancestors": []}, "embedded.frame_ancestors: "),
        ("embedded", {"frame_ancestors": ["https://{key}.x"]}, "embedded.frame_ancestors: {key} m"),
        ("embedded", {"frame_ancestors": ["http://x"]}, "embedded.frame_ancestors.0: use https"),
        ("money.exponents", {"eur": 2}, "money.exponents.eur.key: use an ISO"),
        ("name", "  ", "name: write something"),
    ],
)
def test_a_fault_names_its_place_and_what_to_do(
    toy_store: Json, path: str, value: object, fault: str
) -> None:
    faults = _faults(_changed(toy_store, path, value))

    assert any(line.startswith(fault) for line in faults), faults


def test_a_way_of_its_own_asks_for_its_own_fields(toy_store: Json) -> None:
    asks = [one["name"] for one in toy_store["install_fields"] if not one.get("secret")]
    manifest = _read({**toy_store, "install_way": _way(*asks)})
    assert manifest.install_way is not None
    assert manifest.install_way.steps == ("Press Approve.",)
    with pytest.raises(InvalidInput):
        manifest.read_way({"api_key": "k"})
    without = _read(toy_store)
    assert without.install_way is None
    assert without.read_way({}) == {}


def test_frame_ancestors_must_not_be_filled_from_free_text(toy_desk: Json) -> None:
    toy_desk["panel"]["frame_ancestors"] = ["https://{name}.toy.example"]

    assert _faults(toy_desk)[0].startswith("panel.frame_ancestors: {name} must be")


def test_a_ticket_link_quotes_the_ticket(toy_desk: Json) -> None:
    toy_desk["panel"]["ticket_link"] = "https://desk.toy.example/tickets/{ticket}"
    panel = _desk(toy_desk).panel
    assert (
        panel.ticket_link_for("7/../8?x", {}) == "https://desk.toy.example/tickets/7%2F..%2F8%3Fx"
    )
    assert panel.ticket_link_for("", {}) is None
    toy_desk["panel"].pop("ticket_link")
    assert _desk(toy_desk).panel.ticket_link_for("7", {}) is None


@pytest.mark.parametrize(
    ("link", "advice"),
    [
        ("https://{name}.toy.example/{ticket}", "{name} must be"),
        ("https://desk.toy.example/{token}/{ticket}", "links may carry ticket and form fields"),
        ("https://desk.toy.example/{ticket", "links may carry ticket and form fields"),
    ],
)
def test_a_ticket_link_carries_no_secret_and_no_free_host(
    toy_desk: Json, link: str, advice: str
) -> None:
    toy_desk["install_fields"] = [
        {"name": "name", "label": "Name", "hint": "Any"},
        {"name": "token", "label": "Token", "hint": "Kept", "secret": True},
    ]
    toy_desk["panel"]["ticket_link"] = link
    [fault] = _faults(toy_desk)
    assert fault.startswith("panel.ticket_link: ")
    assert advice in fault


@pytest.mark.parametrize("document", [[], {"kind": "bank"}, {"kind": []}, {}, 7])
def test_a_manifest_of_no_kind_is_refused(document: object) -> None:
    assert _faults(document) == ("kind: choose one of store, helpdesk",)


def test_a_manifest_that_names_a_key_twice_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="duplicate_key"):
        read_manifest(b'{"kind": "store", "kind": "helpdesk"}')


def test_an_unsigned_vendor_can_be_declared_and_stays_without_a_scheme(toy_store: Json) -> None:
    toy_store["webhooks"] |= {"signature": None, "trust": "unsigned"}

    webhooks = _store(toy_store).webhooks

    assert webhooks is not None
    assert webhooks.signature is None


def test_without_keys_the_last_look_is_so_late_that_no_call_can_still_be_on_its_way(
    toy_store: Json,
) -> None:
    """After the last look it may be sent again."""
    refunds = {"idempotency": "none", "key_lives_seconds": None}
    toy_store["refunds"] |= {**refunds, "look_up_after_seconds": [5, ENDED_BY - 1]}
    with pytest.raises(InvalidManifest, match=f"the last look comes {ENDED_BY} s after the call"):
        _store(toy_store)
    toy_store["refunds"]["look_up_after_seconds"] = [5, ENDED_BY]
    assert _store(toy_store).refunds.look_up_after_seconds == (5, ENDED_BY)


def test_a_purely_manual_store_needs_no_link(toy_store: Json) -> None:
    toy_store["capabilities"] |= {"refund_full": "manual", "lookup": "none"}
    toy_store["refunds"] = {"idempotency": "none", "manual": {"steps": ["Do it"]}}

    manual = _store(toy_store).refunds.manual

    assert manual == ManualRefund(steps=("Do it",))
    assert manual.link_for({"order_id": "7"}) is None


def test_a_store_may_refund_nothing_at_all(toy_store: Json) -> None:
    toy_store["capabilities"] |= {"refund_full": "none", "refund_partial": "none"}
    toy_store["refunds"] = {"idempotency": "none"}

    assert _store(toy_store).refunds.manual is None


def test_an_emulated_refund_may_be_looked_up_by_hand(toy_store: Json) -> None:
    toy_store["capabilities"]["lookup"] = "manual"
    toy_store["refunds"].pop("look_up_after_seconds")

    assert _store(toy_store).refunds.look_up_after_seconds == ()


def test_a_choice_may_say_what_follows_from_it(toy_store: Json) -> None:
    line = {"name": "mode", "label": "Mode", "choices": ["live", "test"]}
    toy_store["install_fields"][2] = {**line, "choice_hints": {"test": "No money moves"}}
    assert _store(toy_store).install_fields[2].choice_hints == {"test": "No money moves"}
    toy_store["install_fields"][2] = {**line, "choice_hints": {"dry": "No money moves"}}
    with pytest.raises(InvalidManifest, match="hints are for the choices that there are"):
        _store(toy_store)


def test_a_platform_may_make_no_smaller_keys(toy_store: Json) -> None:
    assert not _store(toy_store).whole_account
    assert _store({**toy_store, "whole_account": True}).whole_account


def test_a_host_choice_may_stand_in_an_address(toy_store: Json) -> None:
    toy_store["install_fields"][0] = {
        "name": "shop",
        "label": "Region",
        "choices": ["api", "api.eu"],
    }

    outgoing = _store(toy_store).outgoing

    assert outgoing is not None
    assert outgoing.address({"shop": "api.eu"}).base_url == "https://api.eu.toy.example/api"


def test_an_address_is_made_from_the_form(toy_store: Json) -> None:
    outgoing = _store(toy_store).outgoing
    assert outgoing is not None

    address = outgoing.address({"shop": "acme"})

    assert address.base_url == "https://acme.toy.example/api"
    assert address.hosts == {"acme.toy.example:443", "login.toy.example:443"}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "evil.example/",
        "a@b",
        "acme\n",
        "ACME",
        "-a",
        "a_b",
        "127.0.0.1",
        "2130706433.",
        "[::1]",
    ],
)
def test_an_address_is_never_made_from_an_odd_value(toy_store: Json, value: str) -> None:
    outgoing = _store(toy_store).outgoing
    assert outgoing is not None

    with pytest.raises(InvalidInput):
        outgoing.address({"shop": value})


def test_a_development_address_must_be_on_the_list() -> None:
    allowed = frozenset({"127.0.0.1:9000"})

    address = Outgoing.development_address("http://127.0.0.1:9000/api/", allowed)

    assert address.base_url == "http://127.0.0.1:9000/api"
    assert address.hosts == allowed
    with pytest.raises(InvalidInput, match="MAKEGOOD_ALLOW_PRIVATE_HOSTS"):
        Outgoing.development_address("http://127.0.0.1:9001", allowed)


def test_a_deep_link_quotes_what_it_carries(toy_store: Json) -> None:
    manual = _store(toy_store).refunds.manual
    assert manual is not None

    link = manual.link_for({"shop": "acme", "order_id": "7/../8?x", "customer_id": "c 1"})

    assert link == "https://acme.toy.example/sales/7%2F..%2F8%3Fx?customer=c%201"
    assert manual.link_for({"shop": "acme", "order_id": "7"}) is None


def test_the_form_is_read_trimmed_and_in_small_letters_where_it_names_a_host(
    toy_store: Json,
) -> None:
    manifest = _store(toy_store)

    values = manifest.read_form({"shop": " Acme ", "api_key": " Key "})

    assert values == {"shop": "acme", "api_key": "Key", "mode": ""}


@pytest.mark.parametrize(
    ("typed", "field", "advice"),
    [
        ({"shop": "acme"}, "api_key", "fill in API key"),
        ({"shop": "acme", "api_key": "a\nb"}, "api_key", "cannot be seen"),
        ({"shop": "acme", "api_key": "rk_live_é"}, "api_key", "no key has, like accents"),
        ({"shop": "acme", "api_key": "“rk_live_1”"}, "api_key", "copy it again"),
        ({"shop": "acme.toy.example", "api_key": "k"}, "shop", "before the first dot"),
        ({"shop": "acme", "api_key": "k", "mode": "fast"}, "mode", "choose one of live, test"),
        ({"shop": "acme", "api_key": "k", "extra": "1"}, "extra", "no such field"),
    ],
)
def test_a_form_line_that_cannot_be_used_says_what_to_do(
    toy_store: Json, typed: dict[str, str], field: str, advice: str
) -> None:
    with pytest.raises(InvalidInput, match=advice) as caught:
        _store(toy_store).read_form(typed)

    assert caught.value.field == field
    assert "a\nb" not in str(caught.value)
    assert "rk_live" not in str(caught.value)


@pytest.mark.parametrize("host", ["shop.example.com", "a.bc"])
def test_a_host_name_field_takes_host_names(host: str) -> None:
    line = InstallField(name="site", label="Site", form=FieldForm.HOST_NAME)

    assert line.read(f" {host.upper()} ") == host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "10.1",
        "shop.example.com:8080",
        "https://shop.example.com",
        "a..b.example",
        "shop.example.",
        "münchen.example",
        "a@b.example",
        f"{'a' * 64}.example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_a_host_name_field_takes_nothing_else(host: str) -> None:
    line = InstallField(name="site", label="Site", form=FieldForm.HOST_NAME)

    with pytest.raises(InvalidInput, match="only the host name"):
        line.read(host)


def test_money_travels_as_the_platform_writes_it(toy_store: Json) -> None:
    money = _store(toy_store).money

    assert money.wire.read(100, "isk") == Money(1, "ISK")
    assert money.currency("EUR") == "eur"
    assert MoneyForm(amounts=AmountForm.DECIMAL_TEXT).currency("eur") == "EUR"
    assert MoneyForm(amounts=AmountForm.DECIMAL_TEXT).currency_case is LetterCase.UPPER
    with pytest.raises(InvalidInput):
        money.wire.read(100, "jpy")


def test_what_a_webhook_may_declare_beside_is_read(toy_store: Json) -> None:
    toy_store["webhooks"] |= {
        "secret_field": "api_key",
        "named_account": _account("shop"),
        "ticked_by_hand": ["GONE"],
    }

    webhooks = _store(toy_store).webhooks

    assert webhooks is not None
    assert (webhooks.secret_field, webhooks.ticked_by_hand) == ("api_key", ("GONE",))
    assert webhooks.named_account == NamedAccount(field="account", setting="shop")
