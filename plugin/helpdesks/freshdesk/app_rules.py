"""The rules of Freshworks' platform 3.0 for an app without a server, checked before an upload.

Freshworks' own check (`fdk validate`) comes from their site only. Each fault is `file: words`.
Pure: files go in as bytes, nothing is read.

Source: github.com/freshworks-developers/freshworks-platform3: manifest structure, request
templates, iparams.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from plugin.platforms.strict_json import JsonObject, JsonValue, Unreadable, read_json
from plugin.platforms.url_templates import HOST_NAME

Files = Mapping[str, bytes]

MANIFEST: Final = "manifest.json"
IPARAMS: Final = "config/iparams.json"
REQUESTS: Final = "config/requests.json"
_COMMON: Final = "common"
_COMMON_PLACES: Final = frozenset({"full_page_app", "cti_global_sidebar"})
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_MOST_TEMPLATES: Final = 100
_LONGEST_DELAY: Final = 1500
_PLACEHOLDER: Final = re.compile(r"<%=\s*(?:encode\()?\s*iparam\.(\w+)\s*\)?\s*%>")


def faults_of(files: Files) -> tuple[str, ...]:
    """Every reason for which Freshworks would refuse these files; empty when there is none."""
    documents: dict[str, JsonObject] = {}
    faults: list[str] = []
    for name in (MANIFEST, IPARAMS, REQUESTS):
        if name not in files:
            # An app may ask for nothing; every app has a manifest and says what it asks when
            # installed.
            if name != REQUESTS:
                faults.append(f"{name}: is missing")
            continue
        try:
            value = read_json(files[name])
        except Unreadable as error:
            faults.append(f"{name}: {error.detail}")
            continue
        if isinstance(value, dict):
            documents[name] = value
        else:
            faults.append(f"{name}: an object is needed")
    if MANIFEST in documents:
        faults += _manifest_faults(documents[MANIFEST], files)
        declared = _object(_object(documents[MANIFEST], "modules", _COMMON), "requests")
        faults += _template_faults(declared, documents)
    if IPARAMS in documents:
        faults += _parameter_faults(documents[IPARAMS])
    if IPARAMS in files and "config/iparams.html" in files:
        faults.append(f"{IPARAMS}: stands beside iparams.html, only one may")
    return tuple(faults)


def _manifest_faults(manifest: JsonObject, files: Files) -> Iterator[str]:
    if manifest.get("platform-version") != "3.0":
        yield f"{MANIFEST}: platform-version must be 3.0"
    if "product" in manifest:
        yield f"{MANIFEST}: product was replaced by modules"
    engines = _object(manifest, "engines")
    if not all(isinstance(engines.get(name), str) for name in ("node", "fdk")):
        yield f"{MANIFEST}: engines must name node and fdk"
    modules = _object(manifest, "modules")
    if not set(modules) - {_COMMON}:
        yield f"{MANIFEST}: modules need one beside common"
    for module in modules:
        part = _object(modules, module)
        if module != _COMMON and {"requests", "functions"} & part.keys():
            yield f"{MANIFEST}: requests and functions stand in common, not in {module}"
        for place, target in _object(part, "location").items():
            if (place in _COMMON_PLACES) != (module == _COMMON):
                yield f"{MANIFEST}: {place} does not stand in {module}"
            yield from _place_faults(place, target, files)


def _place_faults(place: str, target: JsonValue, files: Files) -> Iterator[str]:
    for name in ("url", "icon"):
        file = target.get(name) if isinstance(target, dict) else None
        if not isinstance(file, str) or f"app/{file}" not in files:
            yield f"{MANIFEST}: {place} needs a {name} below app/"


def _template_faults(declared: JsonObject, documents: Mapping[str, JsonObject]) -> Iterator[str]:
    templates = documents.get(REQUESTS, {})
    for name in sorted(declared.keys() ^ templates.keys()):
        where, other = (MANIFEST, REQUESTS) if name in declared else (REQUESTS, MANIFEST)
        yield f"{where}: {name} is not in {other}"
    if len(templates) > _MOST_TEMPLATES:
        yield f"{REQUESTS}: at most {_MOST_TEMPLATES} templates"
    parameters = documents.get(IPARAMS, {})
    secure = {name for name in parameters if _object(parameters, name).get("secure") is True}
    for name in templates:
        template = _object(templates, name)
        yield from _schema_faults(name, _object(template, "schema"), parameters, secure)
        yield from _option_faults(name, _object(template, "options"))


def _schema_faults(
    name: str, schema: JsonObject, parameters: JsonObject, secure: set[str]
) -> Iterator[str]:
    if schema.get("method") not in _METHODS:
        yield f"{REQUESTS}: {name} needs a method in capitals"
    host = schema.get("host")
    if not isinstance(host, str) or not (HOST_NAME.fullmatch(host) or _PLACEHOLDER.fullmatch(host)):
        yield f"{REQUESTS}: {name} needs an https host name, without port and path"
    path = schema.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/"):
        yield f"{REQUESTS}: {name} needs a path that begins with /"
    headers = _object(schema, "headers")
    for place, text in [("host", host), ("path", path), *headers.items()]:
        for used in _PLACEHOLDER.findall(text) if isinstance(text, str) else ():
            if used not in parameters:
                yield f"{REQUESTS}: {name} uses {used}, which no iparam is"
            elif used in secure and place not in headers:
                yield f"{REQUESTS}: {name} shows the secure {used} outside of headers"


def _option_faults(name: str, options: JsonObject) -> Iterator[str]:
    tries, delay = options.get("maxAttempts", 1), options.get("retryDelay", 0)
    if not isinstance(tries, int) or not 1 <= tries <= 5:
        yield f"{REQUESTS}: {name} may be tried 1 to 5 times"
    if not isinstance(delay, int) or delay % 100 or not 0 <= delay <= _LONGEST_DELAY:
        yield f"{REQUESTS}: {name} may wait up to {_LONGEST_DELAY} ms, in hundreds"


def _parameter_faults(parameters: JsonObject) -> Iterator[str]:
    for name in parameters:
        one = _object(parameters, name)
        for needed in ("display_name", "type"):
            if not isinstance(one.get(needed), str):
                yield f"{IPARAMS}: {name} needs a {needed}"
        for flag in ("required", "secure"):
            if not isinstance(one.get(flag, False), bool):
                yield f"{IPARAMS}: {name} {flag} is true or false"


def _object(value: JsonObject, *names: str) -> JsonObject:
    """The object at `names`; empty where there is none."""
    found = value
    for name in names:
        inner = found.get(name)
        if not isinstance(inner, dict):
            return {}
        found = inner
    return found
