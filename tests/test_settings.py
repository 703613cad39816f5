"""Each setting is read once, as what it means; what cannot be used is refused with advice."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from plugin.domain.errors import InvalidInput
from plugin.settings import SETTINGS, Settings, read_settings, settings_table

SECRET = "hunter2-do-not-show"


def test_every_setting_has_a_default_that_starts() -> None:
    settings = read_settings({})
    assert settings.data_dir == Path("data").resolve()
    assert settings.database_url == f"sqlite:///{Path('data').resolve()}/makegood.sqlite"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.is_sqlite
    assert not settings.is_https
    assert not settings.practice
    assert (settings.web_workers, settings.web_threads) == (2, 4)


def test_every_field_of_the_settings_has_a_variable_and_help() -> None:
    assert {setting.name for setting in SETTINGS} == {field.name for field in fields(Settings)}
    assert all(setting.text.endswith(".") for setting in SETTINGS)


@pytest.mark.parametrize(
    ("variable", "given", "field", "read"),
    [
        ("MAKEGOOD_DATA_DIR", "/srv/../srv/makegood", "data_dir", Path("/srv/makegood").resolve()),
        ("MAKEGOOD_DATABASE_URL", "sqlite:////srv/x.sqlite", "database_url", None),
        ("MAKEGOOD_DATABASE_URL", "postgresql+psycopg://u:p@db:5433/mg", "database_url", None),
        (
            "MAKEGOOD_DATABASE_URL",
            "postgresql+psycopg://u:p@/mg?host=/run/pg",
            "database_url",
            None,
        ),
        ("MAKEGOOD_PUBLIC_URL", "https://Shop.example/", "public_url", "https://shop.example"),
        ("MAKEGOOD_PUBLIC_URL", "http://localhost:9000", "public_url", None),
        ("MAKEGOOD_HOST", "::1", "host", None),
        ("MAKEGOOD_PORT", " 9000 ", "port", 9000),
        ("MAKEGOOD_SECRET_KEYS", "new, old,", "secret_keys", ("new", "old")),
        ("MAKEGOOD_SMTP_URL", "smtps://u:p@mail.example:465", "smtp_url", None),
        ("MAKEGOOD_MAIL_FROM", "Refunds <refunds@shop.example>", "mail_from", None),
        ("MAKEGOOD_OWNER", "owner@shop.example", "owner", None),
        (
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS",
            "127.0.0.1:9001, [::1]:9002",
            "allow_private_hosts",
            frozenset({"127.0.0.1:9001", "[::1]:9002"}),
        ),
        ("MAKEGOOD_PRACTICE", "Yes", "practice", True),
        ("MAKEGOOD_WEB_WORKERS", "1", "web_workers", 1),
        ("MAKEGOOD_WEB_THREADS", "64", "web_threads", 64),
        ("MAKEGOOD_POLL_MILLISECONDS", "10", "poll_milliseconds", 10),
    ],
)
def test_a_variable_sets_its_field(variable: str, given: str, field: str, read: object) -> None:
    settings = read_settings({variable: given})
    assert getattr(settings, field) == (given if read is None else read)


@pytest.mark.parametrize(
    ("variable", "given", "advice"),
    [
        ("MAKEGOOD_DATA_DIR", "", "give a folder"),
        ("MAKEGOOD_DATABASE_URL", "mysql://u:hunter2-do-not-show@db/mg", "postgresql"),
        ("MAKEGOOD_DATABASE_URL", "sqlite://", "leave it empty for SQLite"),
        ("MAKEGOOD_PUBLIC_URL", "shop.example", "like https://"),
        ("MAKEGOOD_PUBLIC_URL", "ftp://shop.example", "like https://"),
        ("MAKEGOOD_PUBLIC_URL", "https://shop.example/makegood", "scheme and host only"),
        ("MAKEGOOD_PUBLIC_URL", "https://shop.example?x=1", "scheme and host only"),
        ("MAKEGOOD_PUBLIC_URL", "https://u:hunter2-do-not-show@shop.example", "host only"),
        ("MAKEGOOD_PUBLIC_URL", "https://shop.example:seventy", "like https://"),
        ("MAKEGOOD_HOST", "two words", "host name or address"),
        ("MAKEGOOD_HOST", "", "host name or address"),
        ("MAKEGOOD_PORT", "0", "from 1 to 65535"),
        ("MAKEGOOD_PORT", "65536", "from 1 to 65535"),
        ("MAKEGOOD_PORT", "8o8o", "whole number"),
        ("MAKEGOOD_PORT", "٨٠", "whole number"),
        ("MAKEGOOD_PORT", "-1", "whole number"),
        ("MAKEGOOD_SMTP_URL", "mail.example", "smtp://"),
        ("MAKEGOOD_SMTP_URL", "http://u:hunter2-do-not-show@mail.example", "smtp://"),
        ("MAKEGOOD_SMTP_URL", "smtp://u:p@[hunter2-do-not-show", "smtp://"),
        ("MAKEGOOD_MAIL_FROM", "", "one mail address"),
        ("MAKEGOOD_MAIL_FROM", "a@b\nBcc: c@d", "one mail address"),
        ("MAKEGOOD_OWNER", "nobody", "one mail address"),
        ("MAKEGOOD_OWNER", "a@shop.example, b@shop.example", "one mail address"),
        ("MAKEGOOD_ALLOW_PRIVATE_HOSTS", "localhost", "host:port"),
        ("MAKEGOOD_ALLOW_PRIVATE_HOSTS", "localhost:0", "host:port"),
        ("MAKEGOOD_ALLOW_PRIVATE_HOSTS", "http://localhost:1", "host:port"),
        ("MAKEGOOD_PRACTICE", "true", "yes or no"),
        ("MAKEGOOD_WEB_WORKERS", "0", "from 1 to 64"),
        ("MAKEGOOD_WEB_THREADS", "65", "from 1 to 64"),
        ("MAKEGOOD_POLL_MILLISECONDS", "9", "from 10 to 60000"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_advice_and_not_repeated(
    variable: str, given: str, advice: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_settings({variable: given})
    assert caught.value.field == variable
    assert advice in caught.value.advice
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_misspelt_setting_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(InvalidInput, match="did you mean MAKEGOOD_SMTP_URL"):
        read_settings({"MAKEGOOD_SMPT_URL": "smtp://mail.example"})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"see docs/operating\.md"):
        read_settings({"MAKEGOOD_X": ""})


def test_what_is_for_tests_or_for_others_is_let_through() -> None:
    read_settings({"MAKEGOOD_TEST_POSTGRES_URL": "x", "PATH": "/bin"})


def test_settings_never_show_what_is_secret() -> None:
    shown = repr(
        read_settings(
            {
                "MAKEGOOD_SECRET_KEYS": SECRET,
                "MAKEGOOD_SMTP_URL": f"smtp://u:{SECRET}@mail.example",
                "MAKEGOOD_DATABASE_URL": f"postgresql+psycopg://u:{SECRET}@db/mg",
            }
        )
    )
    assert SECRET not in shown


def test_an_address_of_ipv6_makes_a_link_that_can_be_opened() -> None:
    settings = read_settings({"MAKEGOOD_HOST": "::1", "MAKEGOOD_PORT": "9000"})
    assert settings.public_url == "http://[::1]:9000"


def test_the_table_for_the_docs_has_a_row_for_each_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [setting.variable for setting in SETTINGS]
    assert all(row.count("|") == 4 for row in rows)
