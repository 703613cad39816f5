"""Webhook secrets: two at a time, newest first, so that they rotate without a gap."""

from __future__ import annotations

from plugin.services.webhook_secrets import (
    only_webhook_secret,
    signing_secrets,
    webhook_secrets,
    with_webhook_secret,
)


def test_a_new_secret_comes_first_and_the_one_before_it_stays() -> None:
    secrets = {"key": "k"}
    for new in ("one", "two", "three"):
        secrets = with_webhook_secret(secrets, new)
        assert webhook_secrets(secrets)[0] == new
    assert webhook_secrets(secrets) == ["three", "two"]
    assert secrets["key"] == "k"
    assert len(secrets) == 3


def test_other_credentials_are_no_webhook_secrets() -> None:
    secrets = {"key": "k", "webhook_secret_": "x", "webhook_secret_old": "y"}
    assert webhook_secrets(secrets) == []


def test_secrets_are_ordered_by_number_not_by_letters() -> None:
    secrets = {f"webhook_secret_{n}": str(n) for n in (2, 10, 9)}
    assert webhook_secrets(secrets) == ["10", "9", "2"]


def test_a_secret_may_be_the_only_one() -> None:
    assert webhook_secrets(only_webhook_secret("three")) == ["three"]


def test_an_app_that_signs_with_its_own_secret_is_proven_by_it() -> None:
    secrets = {"client_secret": "own", "webhook_secret_1": "one", "empty": ""}
    assert signing_secrets(secrets, None) == ["one"]
    assert signing_secrets(secrets, "client_secret") == ["one", "own"]
    assert signing_secrets(secrets, "missing") == ["one"]
    assert signing_secrets(secrets, "empty") == ["one"]
