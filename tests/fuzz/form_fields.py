"""What forms may hold: by the forms that the web declares, and by what each route was seen to ask.

A new form, or a new field, is here by being there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flask import has_request_context, request
from marshmallow import Schema
from marshmallow.validate import OneOf

from plugin.platforms.manifest import FieldForm, PlatformManifest
from plugin.web import strict_forms
from plugin.web.schemas import VALUE, connect_form
from plugin.web.strict_forms import Form

ASKED: Final[dict[str, Sequence[str]]] = {}
"""The fields that each endpoint was seen to ask for. Clear it before a run."""
OF_DESKS: Final = ("token", "s", "ticket", "agent")
"""What desks post with a frame's first request: their own, so no form of ours declares it."""
_load: Final = strict_forms.load


def _noted_load(schema: Schema | type[Schema], pairs: strict_forms.Pairs) -> dict[str, Any]:
    """The product's reader of forms; notes on the way what the form may hold."""
    form = schema() if isinstance(schema, type) else schema
    if has_request_context() and request.endpoint is not None:
        ASKED.setdefault(request.endpoint, sorted(form.load_fields))
    return _load(form, pairs)


strict_forms.load = _noted_load


def field_names(manifests: Sequence[PlatformManifest]) -> Sequence[str]:
    """The fields of every form that the web knows, and of every platform's install form."""
    found = {name for form in _forms(manifests) for name in form.fields}
    return sorted({*found, *OF_DESKS})


def choices(manifests: Sequence[PlatformManifest]) -> Mapping[str, Sequence[str]]:
    """The words that a field may hold, where its form has a list of them."""
    found: dict[str, set[str]] = {}
    for form in _forms(manifests):
        for name, one in form.fields.items():
            for check in one.validators:
                if isinstance(check, OneOf):
                    found.setdefault(name, set()).update(str(choice) for choice in check.choices)
    return {name: sorted(words) for name, words in sorted(found.items())}


def host_fields(manifest: PlatformManifest) -> frozenset[str]:
    """The fields of an install form whose text becomes a part of a host that is called."""
    fields = (one for one in manifest.install_fields if one.form is not FieldForm.TEXT)
    return frozenset(VALUE + one.name for one in fields)


def _forms(manifests: Sequence[PlatformManifest]) -> Iterator[Schema]:
    kinds: list[type[Form]] = [Form]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        yield kind()
    for manifest in manifests:
        yield connect_form(manifest, development=True)
