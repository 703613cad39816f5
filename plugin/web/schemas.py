"""The forms of the install and admin pages, field by field: what is not here is refused.

A field's limits keep rows and pages small; what a value means is checked by the use case it goes
to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate

from plugin.domain.orders import ResourceKind
from plugin.domain.texts import is_one_line
from plugin.platforms.manifest import InstallField, PlatformManifest
from plugin.services.replaying import WhyNot
from plugin.web.strict_forms import Form
from plugin.web.views.access_map_view import LONGEST_REF, PARTS

VALUE: Final = "value-"
"""What stands before the name of a manifest's field, so that it cannot be one of ours."""

_ID: Final = 128
_TEXT: Final = 400
_SECRET: Final = 4096


def one_line(longest: int = _TEXT, *, required: bool = False) -> fields.String:
    """A line of text of at most `longest` characters, without controls."""
    if required:
        length = validate.Length(min=1, max=longest)
        return fields.String(required=True, validate=[length, _check_one_line])
    length = validate.Length(max=longest)
    return fields.String(load_default="", validate=[length, _check_one_line])


def one_of(words: Iterable[str], *, default: str | None = None) -> fields.String:
    """One of our own words; needed unless there is a default."""
    check = validate.OneOf(list(words))
    if default is None:
        return fields.String(required=True, validate=check)
    return fields.String(load_default=default, validate=check)


def _check_one_line(text: str) -> None:
    if not is_one_line(text):
        raise ValidationError("contains characters that cannot be seen: type it again")


class AdminForm(Form):
    """Every form of a signed-in admin. The guard has checked `form_token` before the view runs."""

    form_token = fields.String(required=True, validate=validate.Length(max=_ID))

    @post_load
    def _drop_token(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        data.pop("form_token")
        return data


class SpendLink(Form):
    """The press on the sign-in page."""

    link = one_line(200, required=True)


class LinkQuery(Form):
    """The address of the sign-in page."""

    link = one_line(200)


class HealthQuery(Form):
    """What became of the press that led to the health page."""

    said = one_of(("", "replayed", "closed", "done_by_hand", *WhyNot), default="")


class ReplayEffectForm(AdminForm):
    """Have an effect done after all. `anyway`: although it may then be done twice."""

    anyway = one_of(("", "yes"), default="")


class ShopForm(AdminForm):
    """What the shop is called, where it is, and its language. The use case says what cannot be."""

    name = one_line()
    time_zone = one_line()
    language = one_line(16)


class StartPolicyForm(AdminForm):
    """The policy chosen to start from."""

    start = one_line(64, required=True)


class MapEntry(Form):
    """What one thing of a store opens. `gives` are `kind:ref` of the catalogue.

    `more` is the id of one further thing, which the store did not list; `kind` says what it is.
    """

    part = one_of(PARTS)
    ref = one_line(LONGEST_REF, required=True)
    gives = fields.List(one_line(_TEXT), load_default=list)
    kind = one_of(ResourceKind, default=ResourceKind.COURSE)
    more = one_line(LONGEST_REF)
    forget = one_of(("", "yes"), default="")


class AdminMapEntry(MapEntry, AdminForm):
    """The same from a page that a cookie opens."""


class MapQuery(Form):
    """Which entry of the access map is open for change."""

    part = one_of(("", *PARTS), default="")
    ref = one_line(LONGEST_REF)


def connect_form(manifest: PlatformManifest, *, development: bool) -> Schema:
    """The install form that a manifest declares. `development` allows an address of one's own."""
    return _install_form(manifest.install_fields, development=development)


def way_form(manifest: PlatformManifest, *, development: bool) -> Schema:
    """The same with the fields alone that the platform's own way asks for."""
    asks = () if manifest.install_way is None else manifest.install_way.asks
    lines = [line for line in manifest.install_fields if line.name in asks]
    return _install_form(lines, development=development)


def _install_form(lines: Iterable[InstallField], *, development: bool) -> Schema:
    declared: dict[str, fields.Field[Any]] = {
        f"{VALUE}{line.name}": fields.String(
            load_default="",
            validate=[
                validate.Length(max=_SECRET if line.secret else _TEXT),
                _check_one_line,
            ],
        )
        for line in lines
    }
    if development:
        declared[f"{VALUE}base_url"] = one_line()
    declared["installation"] = one_line(_ID)
    declared["another"] = one_of(("", "yes"), default="")
    form: type[Schema] = AdminForm.from_dict(declared, name="ConnectForm")
    return form()
