"""The address of somebody's own server: read one way, and never more than a whole host."""

from __future__ import annotations

import pytest

from plugin.domain.errors import InvalidInput
from plugin.platforms.manifest import FieldForm, InstallField, Outgoing, RateLimit
from plugin.platforms.url_templates import fill_site

_LINE = InstallField(name="site", label="Site", form=FieldForm.SITE)
_LIMIT = RateLimit(requests=1, per_seconds=1, burst=1)


@pytest.mark.parametrize(
    ("typed", "site"),
    [
        (" HTTPS://Shop.Example/ ", "shop.example"),
        ("https://shop.example:443/De/", "shop.example/De"),
        ("https://shop.example:8443", "shop.example:8443"),
        ("shop.example/~ada/a.b-c", "shop.example/~ada/a.b-c"),
    ],
)
def test_a_site_is_a_host_perhaps_with_a_port_and_a_path(typed: str, site: str) -> None:
    assert _LINE.read(typed) == site


@pytest.mark.parametrize(
    "typed",
    ["10.0.0.1/a", "10.0.0.1:8080", "shop", "a.example/.git", "a.example/%2e", "a.example/b c"],
)
def test_a_site_is_nothing_else(typed: str) -> None:
    with pytest.raises(InvalidInput, match="https address"):
        _LINE.read(typed)


def test_its_place_is_its_host_whatever_its_path() -> None:
    outgoing = Outgoing(base_url="https://{site}/api", hosts=("{site}",), rate_limit=_LIMIT)
    address = outgoing.address({"site": "a.example:8443/shop"})
    assert address.base_url == "https://a.example:8443/shop/api"
    assert address.hosts == {"a.example:8443"}


@pytest.mark.parametrize("template", ["https://{site}.desk.example", "https://x.{site}/api"])
def test_a_site_never_stands_for_a_part_of_a_host(template: str) -> None:
    with pytest.raises(InvalidInput):
        fill_site(template, {"site": "evil.example/x"})
