"""Which path of our fake Stripe does what to the books."""

from __future__ import annotations

from urllib.parse import parse_qsl

from tests.platforms.stripe.books import Books, StripeError, Thing, metadata_of

_KINDS = {
    "charges": "charge",
    "customers": "customer",
    "refunds": "refund",
    "disputes": "dispute",
    "subscriptions": "subscription",
    "webhook_endpoints": "webhook_endpoint",
}
EVENTS_KEPT = 30 * 86400
_FILTERS = ("charge", "customer", "payment_intent")


def answer_to(
    books: Books, method: str, path: str, query: str, body: str, key: str | None
) -> Thing:
    """The body of a 200. Raises StripeError for all else."""
    parts = path.split("/")[2:]
    if method == "GET":
        return _read(books, path, parts, parse_qsl(query))
    form = dict(parse_qsl(body))
    match method, parts:
        case "POST", ["refunds"]:
            return books.view(books.refund(form, key), ())
        case "POST", ["subscriptions", ref]:
            return books.view(books.end_later(ref), ())
        case "DELETE", ["subscriptions", ref]:
            return books.view(books.end_now(ref), ())
        case "POST", ["webhook_endpoints"]:
            return _new_endpoint(books, parse_qsl(body))
        case "DELETE", ["webhook_endpoints", ref]:
            books.get(ref, "webhook_endpoint")
            del books.things[ref]
            return {"id": ref, "object": "webhook_endpoint", "deleted": True}
        case _:
            raise StripeError(404, "resource_missing", validation=True)


def _read(books: Books, path: str, parts: list[str], asked: list[tuple[str, str]]) -> Thing:
    expand = [value for name, value in asked if name == "expand[]"]
    match parts:
        case ["account"]:
            settings = {"dashboard": {"display_name": books.account_name}}
            return {"id": books.account, "object": "account", "settings": settings}
        case [folder, "search"] if folder in _KINDS:
            found = books.search(_KINDS[folder], dict(asked)["query"])
            return _listed(books, found, asked, expand, "search_result", path)
        case ["events"]:
            types = {value for name, value in asked if name == "types[]"}
            now = books.now()
            shown = [e for e in books.told if e["created"] <= now - books.listed_after]
            kept = [event for event in shown if event["created"] > now - EVENTS_KEPT]
            told = [event for event in kept[::-1] if not types or event["type"] in types]
            return _listed(books, told, asked, expand, "list", path)
        case [folder] if folder in _KINDS:
            wanted = {name: value for name, value in asked if name in _FILTERS}
            for ref in wanted.values():
                books.get(ref)
            found = books.all(_KINDS[folder], **wanted)
            return _listed(books, found, asked, expand, "list", path)
        case [folder, ref] if folder in _KINDS:
            return books.view(_without_secret(books.get(ref, _KINDS[folder])), expand)
        case _:
            raise StripeError(404, "resource_missing", validation=True)


def _listed(
    books: Books,
    found: list[Thing],
    asked: list[tuple[str, str]],
    expand: list[str],
    kind: str,
    path: str,
) -> Thing:
    words = dict(asked)
    limit = int(words.get("limit", "10"))
    begin, end = int(words.get("created[gte]", 0)), int(words.get("created[lte]", 10**12))
    found = [thing for thing in found if begin <= thing["created"] <= end]
    if "starting_after" in words:
        places = [thing["id"] for thing in found]
        found = found[places.index(words["starting_after"]) + 1 :]
    inner = [name.removeprefix("data.") for name in expand]
    page = [books.view(_without_secret(thing), inner) for thing in found[:limit]]
    return {"object": kind, "url": path, "has_more": len(found) > limit, "data": page}


def _new_endpoint(books: Books, form: list[tuple[str, str]]) -> Thing:
    fields = dict(form)
    made = books.add(
        "we",
        "webhook_endpoint",
        url=fields["url"],
        status="enabled",
        enabled_events=[value for name, value in form if name == "enabled_events[]"],
        api_version=fields.get("api_version"),
        description=fields.get("description"),
    )
    made["metadata"] = metadata_of(fields)
    made["secret"] = f"whsec_{made['id']}"
    return made


def _without_secret(thing: Thing) -> Thing:
    """Stripe shows a webhook's secret once, when it is made."""
    return {name: value for name, value in thing.items() if name != "secret"}
