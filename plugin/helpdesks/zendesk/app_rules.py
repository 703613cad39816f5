"""The rules by which Zendesk refuses an app when it is uploaded, checked before anybody tries.

Zendesk's own check runs online only. Each fault is `key: words`; the keys are those of Zendesk's
error catalogue, so that our words and theirs can be compared. Pure: files go in as bytes, nothing
is read.

Source: github.com/zendesk/zendesk_apps_support, lib/zendesk_apps_support/validations.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from plugin.platforms.strict_json import JsonObject, JsonValue, Unreadable, read_json

Files = Mapping[str, bytes]

_LOCATIONS: Final = frozenset(
    {
        "background",
        "custom_object_record_sidebar",
        "modal",
        "nav_bar",
        "new_ticket_sidebar",
        "organization_sidebar",
        "system_top_bar",
        "ticket_editor",
        "ticket_sidebar",
        "top_bar",
        "user_sidebar",
    }
)
_HOSTS: Final = frozenset({"support", "chat", "standalone_chat", "sell", "zendesk", "zopim"})
_PARAMETER_TYPES: Final = frozenset(
    {"text", "checkbox", "url", "number", "multiline", "hidden", "oauth", "mtls"}
)
_SCOPES: Final = frozenset(
    {
        "header",
        "body",
        "url",
        "jwt_secret_key",
        "jwt_claim",
        "basic_auth_username",
        "basic_auth_password",
    }
)
_BOOLEANS: Final = ("private", "singleInstall", "signedUrls", "requirementsOnly", "marketingOnly")
_TEXTS: Final = (
    "name",
    "version",
    "frameworkVersion",
    "defaultLocale",
    "remoteInstallationURL",
    "termsConditionsURL",
    "gaID",
)
_REQUIRED: Final = ("author", "defaultLocale", "frameworkVersion", "location")
_FORBIDDEN_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("7z", "avi", "bin", "bz", "bz2", "csh", "doc", "docx", "gz", "jar", "mp3", "mpeg"),
        *("odt", "pdf", "ppt", "pptx", "rar", "sh", "tar", "xls", "xlsx", "zip"),
    )
)
_FORBIDDEN_STARTS: Final = (b"PK\x03\x04", b"\x1f\x8b", b"%PDF", b"Rar!", b"7z\xbc\xaf", b"BZh")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(?:-\w{2,3})?")
_PICTURE_SIZES: Final = {"assets/logo.png": 320, "assets/logo-small.png": 128}
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def faults_of(files: Files) -> tuple[str, ...]:
    """Every reason for which Zendesk would refuse these files; empty when there is none."""
    return tuple(_faults(files))


def _faults(files: Files) -> Iterator[str]:
    raw = files.get("manifest.json")
    if raw is None:
        nested = sorted(name for name in files if name.endswith("/manifest.json"))
        yield f"nested_manifest: {nested[0]}" if nested else "missing_manifest: manifest.json"
        return
    try:
        manifest = read_json(raw)
    except Unreadable as error:
        key = "duplicate_manifest_keys" if error.code == "duplicate_key" else "manifest_not_json"
        yield f"{key}: {error.detail}"
        return
    if not isinstance(manifest, dict):
        yield "manifest_not_json: an object is needed"
        return
    yield from _field_faults(manifest)
    yield from _locale_faults(manifest, files)
    yield from _location_faults(manifest, files)
    yield from _parameter_faults(manifest.get("parameters", []))
    yield from _translation_faults(manifest, files)
    yield from _file_faults(files)


def _field_faults(manifest: JsonObject) -> Iterator[str]:
    missing = [name for name in _REQUIRED if not manifest.get(name)]
    if missing:
        yield f"manifest_keys.missing: {', '.join(missing)}"
    booleans = [name for name in _BOOLEANS if not isinstance(manifest.get(name, False), bool)]
    yield from (f"unacceptable_boolean: {name}" for name in booleans)
    texts = [name for name in _TEXTS if not isinstance(manifest.get(name, ""), str)]
    yield from (f"unacceptable_string: {name}" for name in texts)
    if manifest.get("frameworkVersion", "2.0") != "2.0":
        yield "invalid_version: frameworkVersion must be 2.0"
    if "noTemplate" in manifest:
        yield "no_template_deprecated_in_v2: leave noTemplate out"
    if not isinstance(manifest.get("experiments", {}), dict):
        yield "unacceptable_hash: experiments"
    if not _is_text_list(manifest.get("domainWhitelist", [])):
        yield "unacceptable_array_of_strings: domainWhitelist"
    if "termsConditionsURL" in manifest and not _is_web_address(manifest["termsConditionsURL"]):
        yield "invalid_url: termsConditionsURL"
    yield from _author_faults(manifest.get("author", {}))


def _author_faults(author: JsonValue) -> Iterator[str]:
    if not isinstance(author, dict):
        yield "unacceptable_hash: author"
        return
    for name in ("name", "email", "url"):
        if not isinstance(author.get(name, ""), str):
            yield f"unacceptable_string: author {name}"
    if author.get("url") and not _is_web_address(author["url"]):
        yield "invalid_url: author url"


def _locale_faults(manifest: JsonObject, files: Files) -> Iterator[str]:
    locale = manifest.get("defaultLocale")
    if not isinstance(locale, str) or not locale:
        return
    if not _LOCALE.fullmatch(locale):
        yield f"invalid_default_locale: {locale}"
    elif f"translations/{locale}.json" not in files:
        yield f"missing_translation_file: translations/{locale}.json"


def _location_faults(manifest: JsonObject, files: Files) -> Iterator[str]:
    hosts = manifest.get("location", {})
    if not isinstance(hosts, dict):
        yield "unacceptable_hash: location"
        return
    for host, places in hosts.items():
        if host not in _HOSTS:
            yield f"invalid_host: {host}"
        elif not isinstance(places, dict):
            yield "locations_must_be_urls: location"
        else:
            for place, target in places.items():
                if host in {"support", "zendesk"} and place not in _LOCATIONS:
                    yield f"invalid_location: {place}"
                yield from _place_faults(place, target, files)


def _place_faults(place: str, target: JsonValue, files: Files) -> Iterator[str]:
    options: JsonObject = target if isinstance(target, dict) else {"url": target}
    url = options.get("url")
    if not isinstance(url, str) or not url:
        # One that is not loaded by itself gets its address from another part of the app.
        if options.get("autoLoad", True) is not False:
            yield f"blank_location_uri: {place}"
    elif not _is_location_address(url, files):
        yield f"invalid_location_uri: {url}"
    if not isinstance(options.get("flexible", False), bool):
        yield f"invalid_location_flexible_type: {place}"
    for name in ("autoLoad", "autoHide", "signed"):
        if not isinstance(options.get(name, False), bool):
            yield f"unacceptable_boolean: {place} {name}"
    takes_types, types = place == "custom_object_record_sidebar", options.get("objectTypes")
    if takes_types and not types:
        yield f"object_types_required: {place}"
    if types is not None and not takes_types:
        yield f"object_types_not_supported: {place}"


def _is_location_address(url: str, files: Files) -> bool:
    if "{{setting." in url:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme:
        return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname == "localhost")
    return url.startswith("assets/") and url.partition("?")[0] in files


def _is_web_address(url: JsonValue) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_text_list(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _parameter_faults(parameters: JsonValue) -> Iterator[str]:
    if not isinstance(parameters, list) or not all(isinstance(one, dict) for one in parameters):
        yield "parameters_not_an_array: parameters"
        return
    listed = [one for one in parameters if isinstance(one, dict)]
    for name, count in Counter(str(one.get("name")) for one in listed).items():
        if count > 1:
            yield f"duplicate_parameters: {name}"
    kinds = Counter(str(one.get("type", "text")) for one in listed)
    if kinds["oauth"] > 1:
        yield "too_many_oauth_parameters: oauth"
    for one in listed:
        yield from _one_parameter_faults(one, str(one.get("name")), one.get("type", "text"))


def _one_parameter_faults(one: JsonObject, name: str, kind: JsonValue) -> Iterator[str]:
    secure = one.get("secure", False)
    if name == "name":
        yield "name_as_parameter_name: name"
    if kind == "password":
        yield f"password_parameter_type_deprecated: {name}"
    elif kind not in _PARAMETER_TYPES:
        yield f"invalid_type_parameter: {kind}"
    for flag in ("required", "secure"):
        if not isinstance(one.get(flag, False), bool):
            yield f"unacceptable_boolean: {name} {flag}"
    if kind == "hidden" and one.get("required") is True:
        yield f"invalid_hidden_parameter: {name}"
    if kind == "oauth" and secure is True:
        yield f"oauth_parameter_cannot_be_secure: {name}"
    if "scopes" in one:
        yield from _scope_faults(one["scopes"], name, is_secure=secure is True)


def _scope_faults(scopes: JsonValue, name: str, *, is_secure: bool) -> Iterator[str]:
    if not is_secure:
        yield f"field_requires_secure_parameter: {name} scopes"
    if not isinstance(scopes, list):
        yield f"unacceptable_array: {name} scopes"
    elif not scopes:
        yield f"field_cannot_be_empty: {name} scopes"
    elif not set(map(str, scopes)) <= _SCOPES:
        yield f"field_contains_invalid_values: {name} scopes"


def _translation_faults(manifest: JsonObject, files: Files) -> Iterator[str]:
    needed = ["name"]
    if manifest.get("private", True) is False:
        needed += ["short_description", "long_description", "installation_instructions"]
    for name in sorted(files):
        if PurePosixPath(name).parent != PurePosixPath("translations"):
            continue
        if not _LOCALE.fullmatch(PurePosixPath(name).stem):
            yield f"translation.invalid_locale: {name}"
        try:
            texts = read_json(files[name])
        except Unreadable as error:
            yield f"translation.not_json: {name}: {error.detail}"
        else:
            yield from _text_faults(name, texts, needed)


def _text_faults(name: str, texts: JsonValue, needed: list[str]) -> Iterator[str]:
    app = texts.get("app") if isinstance(texts, dict) else None
    if not isinstance(app, dict):
        yield f"translation.not_json_object: {name}"
        return
    for key in needed:
        if not app.get(key):
            yield f"translation.missing_required_key: {name}: app.{key}"
    parameters = app.get("parameters", {})
    for parameter, words in (parameters if isinstance(parameters, dict) else {}).items():
        if not isinstance(words, dict) or not words.get("label"):
            yield f"translation.missing_required_key_on_leaf: {name}: {parameter}.label"


def _file_faults(files: Files) -> Iterator[str]:
    for name, content in files.items():
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in _FORBIDDEN_SUFFIXES or content.startswith(_FORBIDDEN_STARTS):
            yield f"unsupported_mime_type_detected: {name}"
    for name, side in _PICTURE_SIZES.items():
        # Zendesk has no words of its own for these two: the app then shows a broken picture.
        if _png_size(files.get(name, b"")) != (side, side):
            yield f"logo: {name} must be a PNG of {side} by {side} pixels"


def _png_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_PNG) or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height
