"""Addresses with placeholders, as manifests declare them: `https://{subdomain}.desk.example`.

What fills a placeholder comes from a form that anyone may post, so every value is matched whole
against a narrow pattern first. Never resolves a name and never opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from plugin.domain.errors import InvalidInput

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_DEFAULT_PORTS = {"http": 80, "https": 443}

DNS_LABEL = re.compile(_LABEL)
"""One part of a host name. Use `fullmatch`: `^...$` lets a trailing newline through."""

HOST_NAME = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
"""A full host name: two parts or more, the last not a number, so that no IP address fits."""

SITE = re.compile(
    rf"(?=.{{4,200}}\Z)(?:{_LABEL}\.)+(?!\d+[:/]|\d+\Z){_LABEL}"
    r"(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
)
"""A host name, perhaps with a port and a path: where somebody's own server has the platform."""

_WHOLE_HOST = re.compile(r"(?:\A|(?<=://))\{([a-z][a-z0-9_]*)\}(?=/|\Z)")


def placeholders(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(_PLACEHOLDER.findall(template))


def unplaced(template: str) -> str:
    """Return `template` with a letter for each placeholder, to check its fixed parts."""
    return _PLACEHOLDER.sub("x", template)


def fill_host(template: str, values: Mapping[str, str]) -> str:
    """Return `template` with host parts for its placeholders.

    Raises InvalidInput when a value is missing, or is neither a DNS label nor a host name.
    """

    def part(match: re.Match[str]) -> str:
        name = match[1]
        value = values.get(name, "")
        if not (DNS_LABEL.fullmatch(value) or HOST_NAME.fullmatch(value)):
            raise InvalidInput(
                name, "give only the host part, in small letters, digits and hyphens"
            )
        return value

    return _PLACEHOLDER.sub(part, template)


def read_host(template: str, host: str) -> dict[str, str] | None:
    """The DNS labels that fill `template` to `host`, matched whole; None where none do."""
    parts = _PLACEHOLDER.split(template)  # fixed text and names in turn
    pattern = "".join(
        f"(?P<{part}>{_LABEL})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
    found = re.fullmatch(pattern, host)
    return None if found is None else found.groupdict()


def as_site(typed: str) -> str:
    """What people paste, as `SITE` has it: `https://A.Example/b/` becomes `a.example/b`."""
    bare = re.sub(r"\Ahttps://", "", typed.strip(), flags=re.IGNORECASE).rstrip("/")
    host, slash, path = bare.partition("/")
    return host.lower().removesuffix(":443") + slash + path


def fill_site(template: str, values: Mapping[str, str]) -> str:
    """As `fill_host`; a placeholder that is the whole host may stand for a `SITE`."""

    def site(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        return value if SITE.fullmatch(value) else match[0]

    return fill_host(_WHOLE_HOST.sub(site, template), values)


def fill_link(template: str, values: Mapping[str, str]) -> str | None:
    """Return `template` with quoted values, or None where one is unknown.

    A link to the wrong place is worse than none.
    """
    if any(not values.get(name) for name in placeholders(template)):
        return None
    return _PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), template)


def place_of(host: str, port: int) -> str:
    """Return `host:port` as lists of places spell it: IPv6 in brackets, the port always there."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(url: str) -> str:
    """The place of an absolute http or https URL, with the scheme's port where none is written.

    Raises InvalidInput for what two readers of URLs could understand differently: another scheme,
    a user name, spaces, backslashes, control characters, an odd port.
    """
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise InvalidInput("url", "use plain characters without spaces or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput("url", "the host or port cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise InvalidInput("url", "use https://host/path without a user name")
    return place_of(parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port)
