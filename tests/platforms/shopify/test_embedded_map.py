"""What each plan gives, said inside Shopify's admin: by whom, of which shop, what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.services.save_access_map import of_installation
from tests.databases import Databases
from tests.platforms.shopify.admin import INSTALL, PAGE, ShopifyAdmin, open_admin, words
from tests.platforms.shopify.grants import session_token
from tests.platforms.shopify.test_embedded import HOSTILE_TOKENS
from tests.web.site import OTHER, TENANT

PLAN = "632910392"
MEMBER = "membership:custom.member:Member"
ENTRY: dict[str, str | list[str]] = {"part": "products", "ref": PLAN, "gives": [MEMBER]}
MOVES = ("map", "entry")


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


@pytest.fixture
def found(admin: ShopifyAdmin) -> Installation:
    return admin.connected()


def _map(admin: ShopifyAdmin, found: Installation, tenant: Tenant = TENANT) -> AccessMap:
    with admin.site.storage.read(tenant.id) as uow:
        return of_installation(uow, found.connection.installation)


def _saved(admin: ShopifyAdmin) -> Sequence[tuple[str, str]]:
    """Who saved a map, and of which connection."""
    with admin.site.storage.read(TENANT.id) as uow:
        entries = uow.audit.entries(0, 200)
    return [(one.actor, one.subject) for one in entries if one.action == "access_map.saved"]


# --- showing and saving ---------------------------------------------------------------------------


def test_the_page_says_what_was_said_and_leads_to_the_map(
    admin: ShopifyAdmin, found: Installation
) -> None:
    before = admin.call("open")
    assert "What each plan gives not said yet" in words(before)
    assert f'hx-post="{PAGE}/map"' in before.text
    admin.call("entry", fields=ENTRY)
    after = words(admin.call("open"))
    assert "What each plan gives 1 price plan" in after
    assert "see its self-test, and say what each of its plans gives" in after
    assert "What may be refunded and who may do it is set in Makegood" in after


def test_the_map_offers_what_the_shop_lists(admin: ShopifyAdmin, found: Installation) -> None:
    answer = admin.call("map")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'name="gives" value="{MEMBER}"' in answer.text
    assert f'<option value="{PLAN}">A course</option>' in answer.text
    assert "Shopify does not list tags Type a tag as it stands in Shopify." in words(answer)
    assert "Nothing yet. Start with the plan that sells most" in words(answer)
    for word in ("form_token", "/install", "northlight", "shpat", str(found.connection.tenant)):
        assert word not in answer.text


def test_an_entry_is_kept_and_the_audit_trail_names_the_shops_admin(
    admin: ShopifyAdmin, found: Installation
) -> None:
    answer = admin.call("entry", fields={**ENTRY, "kind": "tag", "more": " vip "})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Saved" in words(answer)
    assert f"Price plan A course {PLAN} membership Member, tag vip Change" in words(answer)
    ref = found.connection.installation
    assert _map(admin, found).given_by(ref, PLAN) == (
        Resource(ref, ResourceKind.MEMBERSHIP, "custom.member"),
        Resource(ref, ResourceKind.TAG, "vip"),
    )
    assert _saved(admin) == [("shopify 548380009", ref)]
    # It is the same map as in our own admin.
    assert "membership Member, tag vip" in words(admin.site.admin().get(f"/install/at/{ref}/map"))


def test_an_entry_is_opened_for_change_and_forgotten(
    admin: ShopifyAdmin, found: Installation
) -> None:
    admin.call("entry", fields=ENTRY)
    opened = admin.call("map", fields={"part": "products", "ref": PLAN})
    assert f'name="ref" value="{PLAN}"' in opened.text
    assert f'value="{MEMBER}" checked' in opened.text
    assert "Change an entry" in words(opened)
    told = admin.call("entry", fields={"part": "products", "ref": PLAN, "forget": "yes"})
    assert told.status_code == 200
    assert "Forgotten: what it opens is unknown again" in words(told)
    assert _map(admin, found) == AccessMap()
    assert len(_saved(admin)) == 2


def test_while_the_shop_is_silent_ids_can_be_typed(
    admin: ShopifyAdmin, found: Installation
) -> None:
    for _ in range(9):
        admin.fake.fail("unavailable", on="ReadCatalog")
    answer = admin.call("map")
    assert answer.status_code == 200
    assert "does not list its courses and tags just now" in words(answer)
    kept = admin.call("entry", fields={"part": "tags", "ref": "vip", "more": "custom.member"})
    assert kept.status_code == 200
    assert len(_map(admin, found).tags) == 1


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({}, "give its id, on one line"),
        ({"ref": " "}, "give its id, on one line"),
        ({"ref": "1\r\n2"}, "give its id, on one line"),
        ({"ref": "1" * 256}, "give its id, on one line"),
        ({"ref": ["1", "2"]}, "give its id, on one line"),
        ({"part": "shoes"}, "choose one of these"),
        ({"gives": "shoe:1:x"}, "choose from the list"),
        ({"part": "tags", "kind": "tag", "more": "gold"}, "may not open another tag"),
        ({"part": "bundles", "kind": "bundle", "more": "b2"}, "may hold no bundle and no tag"),
        ({"more": "a\x1bb"}, "give its id, on one line"),
        ({"installation": "x"}, "load the page again"),
        ({"form_token": "0" * 64}, "load the page again"),
    ],
)
def test_an_entry_that_cannot_be_used_says_so_and_loses_nothing(
    admin: ShopifyAdmin,
    found: Installation,
    fields: dict[str, str | list[str]],
    advice: str,
) -> None:
    typed: dict[str, str | list[str]] = {"part": "products", "gives": [MEMBER], "more": "typed"}
    typed |= {} if not fields else {"ref": "kept"}
    answer = admin.call("entry", fields={**typed, **fields})
    assert answer.status_code == 422
    assert advice in words(answer)
    assert "data-focus" in answer.text
    if "gives" not in fields:
        assert f'value="{MEMBER}" checked' in answer.text
    if "more" not in fields:
        assert 'name="more" value="typed"' in answer.text
    if fields and "ref" not in fields:
        assert 'name="ref" value="kept"' in answer.text
    assert _map(admin, found) == AccessMap()
    assert _saved(admin) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"part": "products"}', "application/json", 415),
        (b"part=%ff", "application/x-www-form-urlencoded", 400),
        (b"ref=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
@pytest.mark.parametrize("move", MOVES)
def test_a_body_that_is_no_form_is_refused(
    admin: ShopifyAdmin, found: Installation, move: str, body: bytes, kind: str, status: int
) -> None:
    token = session_token(admin.site.clock.now())
    client = admin.site.app.test_client(use_cookies=False)
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post(f"{PAGE}/{move}", headers=headers, data=body, content_type=kind)
    assert answer.status_code == status
    assert _map(admin, found) == AccessMap()


# --- who asks -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize("kind", HOSTILE_TOKENS)
@pytest.mark.parametrize("move", MOVES)
def test_a_hostile_token_neither_reads_nor_changes_the_map(
    admin: ShopifyAdmin, found: Installation, kind: str, move: str
) -> None:
    admin.call("entry", fields=ENTRY)
    kept, before = _map(admin, found), len(admin.fake.calls)
    bent = HOSTILE_TOKENS[kind]
    now = admin.site.clock.now()
    token = bent if isinstance(bent, str) else session_token(now, **bent)  # type: ignore[arg-type]  # claims of any kind
    answer = admin.call(move, token, fields={**ENTRY, "gives": "course:1:x"})
    assert answer.status_code == 401
    assert PLAN not in answer.text
    assert (_map(admin, found), len(admin.fake.calls)) == (kept, before)
    assert len(_saved(admin)) == 1


@pytest.mark.parametrize("seconds", [-71, 11, -86400, 3600])
@pytest.mark.parametrize("move", MOVES)
def test_a_stale_or_future_token_neither_reads_nor_changes_the_map(
    admin: ShopifyAdmin, found: Installation, move: str, seconds: int
) -> None:
    made = admin.site.clock.now() + timedelta(seconds=seconds)
    assert admin.call(move, session_token(made), fields=ENTRY).status_code == 401
    assert _map(admin, found) == AccessMap()


@pytest.mark.parametrize("move", MOVES)
def test_nothing_but_a_token_in_its_header_counts(
    admin: ShopifyAdmin, found: Installation, move: str
) -> None:
    """A signed-in admin's browser, made to post by another site, has a cookie and no token."""
    token = session_token(admin.site.clock.now())
    client = admin.site.admin().client
    fields = {**ENTRY, "session": token, "token": token}
    answer = client.post(f"{PAGE}/{move}?session={token}", data=fields)
    assert answer.status_code == 401
    assert _map(admin, found) == AccessMap()


def test_a_shop_of_two_businesses_has_its_map_opened_to_neither(
    admin: ShopifyAdmin, found: Installation
) -> None:
    admin.claim(OTHER)
    for move in MOVES:
        assert admin.call(move, fields=ENTRY).status_code == 409
    assert _map(admin, found) == AccessMap()


@pytest.mark.parametrize("tenant", [TENANT, OTHER], ids=["ours", "another's"])
def test_one_app_in_two_shops_opens_to_each_its_own_map(
    admin: ShopifyAdmin, found: Installation, tenant: Tenant
) -> None:
    """The app's secret proves a token of either shop: the shop that it was made by counts."""
    beside = replace(
        found.connection,
        tenant=tenant.id,
        installation=InstallationId("b" * 32),
        settings={**found.connection.settings, "shop": "beta"},
    )
    beta = replace(found, connection=beside)
    with admin.site.storage.begin(tenant.id) as uow:
        uow.installations.add(beta)
        uow.commit()
    now = admin.site.clock.now()
    its = {"iss": "https://beta.myshopify.com/admin", "dest": "https://beta.myshopify.com"}
    mixed = session_token(now, dest=its["dest"])
    for move in MOVES:
        assert admin.call(move, mixed, fields=ENTRY).status_code == 401
    named = {"part": "products", "ref": "b" * 32, "more": "b" * 32}
    assert admin.call("entry", fields=named).status_code == 200
    assert _map(admin, beta, tenant) == AccessMap()
    assert list(_map(admin, found).products) == [(found.connection.installation, "b" * 32)]
    told = admin.call("entry", session_token(now, **its), fields={**ENTRY, "gives": "tag:vip:"})
    assert told.status_code == 200
    assert "b" * 32 not in told.text
    assert list(_map(admin, beta, tenant).products) == [("b" * 32, PLAN)]
    assert PLAN not in admin.call("map").text.split("h-rows")[-1]


def test_a_shop_that_was_removed_has_no_map_here(admin: ShopifyAdmin, found: Installation) -> None:
    with admin.site.storage.begin(TENANT.id) as uow:
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    for move in MOVES:
        answer = admin.call(move, fields=ENTRY)
        assert answer.status_code == 401
        assert f'href="http://localhost{INSTALL}#connect"' in answer.text
    assert _saved(admin) == []


@pytest.mark.parametrize(
    "place", ["/embedded/stripe/x", "/embedded/nobody/x", "/embedded/zendesk/x"]
)
@pytest.mark.parametrize("move", MOVES)
def test_no_other_platform_has_one(
    admin: ShopifyAdmin, found: Installation, place: str, move: str
) -> None:
    token = session_token(admin.site.clock.now())
    client = admin.site.app.test_client(use_cookies=False)
    answer = client.post(f"{place}/{move}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404
