"""URLs are read one way only, and templates take nothing but host parts."""

from __future__ import annotations

import pytest

from plugin.domain.errors import InvalidInput
from plugin.platforms.url_templates import fill_host, fill_link, host_and_port, read_host


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://API.toy.example/x?y=1", "api.toy.example:443"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
        ("https://toy.example:0/", "toy.example:0"),
    ],
)
def test_a_place_is_host_and_port(url: str, place: str) -> None:
    assert host_and_port(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "https://\u0430pi.toy.example/",
        "https://toy.example/ü",
        "https://toy.example\\@evil.example/",
        "https://toy.example/\x7f",
        "https://toy.example /",
        "https://:443/",
        "https://@toy.example/",
        "https://toy.example:x/",
        "ws://toy.example/",
        "toy.example",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        host_and_port(url)


def test_a_missing_host_part_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="shop") as caught:
        fill_host("{shop}.toy.example", {})

    assert caught.value.field == "shop"


def test_an_empty_value_makes_no_link() -> None:
    assert fill_link("https://toy.example/{id}", {"id": ""}) is None


@pytest.mark.parametrize(
    ("template", "host", "found"),
    [
        ("{shop}.shops.example", "acme-1.shops.example", {"shop": "acme-1"}),
        ("{a}.{b}.example", "x.y.example", {"a": "x", "b": "y"}),
        ("shops.example", "shops.example", {}),
        ("{shop}.shops.example", "acme.shopsXexample", None),
        ("{shop}.shops.example", "acme.shops.example\n", None),
        ("{shop}.shops.example", "a.b.shops.example", None),
        ("{shop}.shops.example", "acme.shops.example.evil.example", None),
        ("{shop}.shops.example", "", None),
    ],
)
def test_a_host_is_read_back_whole_or_not_at_all(
    template: str, host: str, found: dict[str, str] | None
) -> None:
    assert read_host(template, host) == found
