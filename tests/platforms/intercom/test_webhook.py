"""Intercom's notifications at the running app: proven, of this workspace, kept once, and shown."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from plugin.domain.ids import DeliveryId
from plugin.platforms.manifest import SelfTest
from plugin.ports.records import (
    DeliveryState,
    Installation,
    InstallationStatus,
    SelfTestLine,
    StoredDelivery,
)
from tests.databases import Databases
from tests.fakes.platforms import one_after_the_other
from tests.platforms.intercom.data import CLIENT_SECRET, WORKSPACE
from tests.platforms.intercom.world import connection
from tests.web.site import OTHER, PUBLIC_URL, TENANT, Site, open_site
from webhooks.dispatch import Dispatch

HEADER: Final = "X-Hub-Signature"
CONTACT: Final = "6657add46abd0167d9419c01"


def notification(
    topic: str = "contact.deleted",
    name: str | None = "notif_1",
    workspace: object = WORKSPACE,
    **more: Any,  # noqa: ANN401 - hostile values too
) -> bytes:
    """As Intercom sets it: what it is about before what it is called."""
    item = {"type": "contact", "id": CONTACT, "deleted": True}
    told = {
        "type": "notification_event",
        "app_id": workspace,
        "data": {"type": "notification_event_data", "item": item},
        "links": {},
        "id": name,
        "topic": topic,
        "delivery_attempts": 1,
        "created_at": 1795334400,
    }
    return json.dumps({**told, **more}).encode()


def sign(body: bytes, secret: str = CLIENT_SECRET) -> str:
    return f"sha1={hmac.digest(secret.encode(), body, 'sha1').hex()}"


@dataclass
class Workspace:
    """A connected workspace, what it sends us, and the worker that reads it."""

    site: Site
    installation: Installation

    @property
    def path(self) -> str:
        return f"/webhooks/intercom/{self.installation.connection.installation}"

    def post(self, body: bytes, signature: str | None = "") -> int:
        """Signed rightly unless something else is said; None is without the header."""
        headers = {} if signature is None else {HEADER: signature or sign(body)}
        return self.site.app.test_client().post(self.path, data=body, headers=headers).status_code

    def try_out(self, path: str = "") -> TestResponse:
        return self.site.app.test_client().head(path or self.path)

    def stored(self) -> list[StoredDelivery]:
        with self.site.storage.read(TENANT.id) as uow:
            return list(uow.deliveries.newest((), 50))

    def worked(self) -> list[StoredDelivery]:
        """Everything kept, after the worker was at it."""
        parts = self.site.parts
        dispatch = Dispatch(
            parts.house.storage, parts.platforms, parts.registry, parts.clock, one_after_the_other
        )
        for one in self.stored():
            dispatch(TENANT.id, DeliveryId(one.id))
        return self.stored()

    def save(self, changed: Installation) -> None:
        with self.site.storage.begin(TENANT.id) as uow:
            uow.installations.save(changed)
            uow.commit()

    def now(self) -> Installation:
        return self.site.installation(str(self.installation.connection.installation))

    def health(self) -> str:
        text = self.site.admin().get("/admin/health").text
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.fixture
def workspace(tmp_path: Path, databases: Databases) -> Iterator[Workspace]:
    with open_site(tmp_path, databases) as site:
        ours = replace(connection(), tenant=TENANT.id)
        lines = (SelfTestLine(SelfTest.DELIVERY_RECEIVED, "waiting"),)
        one = Installation(ours, InstallationStatus.CONNECTED, site.clock.now(), lines)
        with site.storage.begin(TENANT.id) as uow:
            uow.installations.add(one)
            uow.commit()
        yield Workspace(site, one)


# --- what it is for -------------------------------------------------------------------------------


def test_a_ping_proves_the_webhook_and_is_shown_as_arrived(workspace: Workspace) -> None:
    assert workspace.post(notification("ping", None)) == 200
    [one] = workspace.worked()
    assert (one.topic, one.state) == ("ping", DeliveryState.APPLIED)
    assert [line.state for line in workspace.now().self_test] == ["ok"]


def test_a_deleted_contact_is_shown_as_work_for_a_person(workspace: Workspace) -> None:
    assert workspace.post(notification()) == 200
    [one] = workspace.worked()
    assert (one.topic, one.state) == ("contact.deleted", DeliveryState.UNRECOGNISED)
    health = workspace.health()
    assert f"contact {CONTACT} was deleted at the desk" in health
    assert "by hand, within 30 days" in health


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("conversation.deleted", "stops at its next try and asks for a person"),
        ("conversation.user.replied", "the panel reads the conversation when it opens"),
        ("contact.archived", "no wish to be erased"),
    ],
)
def test_what_asks_nothing_of_us_is_passed_over_by_name(
    workspace: Workspace, topic: str, why: str
) -> None:
    assert workspace.post(notification(topic)) == 200
    [one] = workspace.worked()
    assert one.state is DeliveryState.IGNORED
    assert one.reason.startswith(f"{topic}: ")
    assert why in one.reason
    assert topic not in workspace.health()


def test_a_topic_that_nobody_told_us_of_is_kept_and_shown(workspace: Workspace) -> None:
    assert workspace.post(notification("conversation.sang")) == 200
    [one] = workspace.worked()
    assert (one.state, one.reason) == (DeliveryState.UNRECOGNISED, "conversation.sang")
    assert "conversation.sang" in workspace.health()


def test_a_notification_that_comes_twice_is_kept_once(workspace: Workspace) -> None:
    assert workspace.post(notification()) == 200
    assert workspace.post(notification(delivery_attempts=2)) == 200
    assert workspace.post(notification(name="notif_2")) == 200
    assert sorted(one.name for one in workspace.stored()) == ["notif_1", "notif_2"]


# --- who may say it -------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["", " ", "x", CLIENT_SECRET[:-1], f"{CLIENT_SECRET} "])
def test_another_secret_is_refused_and_nothing_kept(workspace: Workspace, secret: str) -> None:
    body = notification()
    assert workspace.post(body, sign(body, secret)) == 401
    assert workspace.stored() == []


def test_a_missing_header_is_refused(workspace: Workspace) -> None:
    assert workspace.post(notification(), None) == 401
    assert workspace.stored() == []


def test_other_digests_and_shapes_are_refused(workspace: Workspace) -> None:
    body = notification()
    right = sign(body)
    sha256 = hmac.digest(CLIENT_SECRET.encode(), body, "sha256").hex()
    for wrong in (
        f"sha256={sha256}",
        f"sha1={sha256}",
        f"sha256={right.removeprefix('sha1=')}",
        right.removeprefix("sha1="),
        right.replace("sha1", "SHA1"),
        f"{right},{right}",
        f"{right}0",
        right[:-1],
        "sha1=",
        " ",
        "sha1=é",
    ):
        assert workspace.post(body, wrong) == 401, wrong
    assert workspace.stored() == []


def test_the_panels_own_signature_opens_nothing_here(workspace: Workspace) -> None:
    body = notification()
    headers = {"X-Body-Signature": hmac.digest(CLIENT_SECRET.encode(), body, "sha256").hex()}
    answer = workspace.site.app.test_client().post(workspace.path, data=body, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("secret", ["", " "])
def test_without_a_client_secret_nobody_can_sign(workspace: Workspace, secret: str) -> None:
    kept = workspace.installation.connection
    bare = replace(kept, secrets={**kept.secrets, "client_secret": secret})
    workspace.save(replace(workspace.installation, connection=bare))
    body = notification()
    assert workspace.post(body, sign(body, secret)) == 401
    assert workspace.post(body, sign(body)) == 401
    assert workspace.stored() == []


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_one_changed_byte_is_refused_whatever_it_is(
    workspace: Workspace, data: st.DataObject
) -> None:
    body = bytearray(notification())
    signature = sign(bytes(body))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    assert workspace.post(bytes(body), signature) == 401
    assert workspace.stored() == []


@pytest.mark.parametrize("other", ["ecahpwf6", "ECAHPWF5", f"{WORKSPACE} ", "acme"])
def test_what_another_workspace_of_the_app_sends_is_not_read(
    workspace: Workspace, other: str
) -> None:
    for topic in ("contact.deleted", "ping"):
        assert workspace.post(notification(topic, topic, other)) == 200
    assert {(one.state, one.reason) for one in workspace.worked()} == {
        (DeliveryState.IGNORED, "app_id: names another account")
    }
    assert [line.state for line in workspace.now().self_test] == ["waiting"]


@pytest.mark.parametrize("none", [None, "", " ", 1, True, [WORKSPACE], {"id": WORKSPACE}])
def test_what_names_no_workspace_is_unreadable(workspace: Workspace, none: object) -> None:
    assert workspace.post(notification(workspace=none)) == 200
    [one] = workspace.worked()
    assert (one.state, one.reason) == (
        DeliveryState.UNREADABLE,
        "malformed: missing or of the wrong type: app_id",
    )


def test_what_still_waits_when_the_desk_is_removed_is_told_for_its_own_workspace_only(
    workspace: Workspace,
) -> None:
    assert workspace.post(notification()) == 200
    assert workspace.post(notification(name="notif_2", workspace="acme")) == 200
    workspace.save(replace(workspace.installation, status=InstallationStatus.REMOVED))
    states = {one.name: (one.state, one.reason) for one in workspace.worked()}
    assert states["notif_1"][0] is DeliveryState.UNRECOGNISED
    assert CONTACT in states["notif_1"][1]
    assert states["notif_2"] == (DeliveryState.FAILED, "not connected any more")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b"\xff\xfe",
        b'{"id": "a", "id": "b"}',
        b'{"id": NaN}',
        notification(topic="\0"),
        notification(name="a b"),
        notification(data=[]),
        notification(data={"item": {"id": {"id": 1}}}),
    ],
)
def test_an_odd_body_that_is_rightly_signed_is_kept_and_breaks_nothing(
    workspace: Workspace, body: bytes
) -> None:
    assert workspace.post(body) == 200
    [one] = workspace.worked()
    assert one.state in (DeliveryState.UNREADABLE, DeliveryState.UNRECOGNISED)


# --- how it is set up -----------------------------------------------------------------------------


def test_the_address_is_told_to_be_there_before_it_is_kept(workspace: Workspace) -> None:
    answer = workspace.try_out()
    assert (answer.status_code, answer.data) == (200, b"")
    assert workspace.try_out("/webhooks/intercom/nobody").status_code == 404
    assert workspace.try_out("/webhooks/zendesk/inst-7f3a").status_code == 404
    workspace.save(replace(workspace.installation, status=InstallationStatus.REMOVED))
    assert workspace.try_out().status_code == 404
    assert workspace.stored() == []


def test_the_install_screen_shows_the_address_and_the_topic_to_tick(workspace: Workspace) -> None:
    place = f"/install/at/{workspace.installation.connection.installation}"
    page = workspace.site.admin().get(place).text
    assert f'id="webhook-url" type="text" value="{PUBLIC_URL}{workspace.path}"' in page
    assert "Topics to choose there: <code>contact.deleted</code>" in page
    assert "Deliveries arrive at" not in page
    assert workspace.path not in workspace.site.admin(OTHER).get("/install").text


def test_the_health_page_counts_the_client_secret_as_what_signs(workspace: Workspace) -> None:
    health = workspace.health()
    assert "1 signing secret" in health
    assert "no signing secret" not in health
