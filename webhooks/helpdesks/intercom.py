"""What Intercom's webhooks mean in our words: that they arrive, and that a contact was deleted.

Pure. The body names its topic, and holds what it is about in `data.item`. The panel, notes and
replies read the conversation when they need it, so nearly every topic tells us nothing: each is
named here with the reason, and a topic that is not is kept and shown. It changes nothing at the
desk and erases nobody.
https://developers.intercom.com/docs/references/webhooks/webhook-models
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from plugin.domain.events import Irrelevant, StoreEvent, TestDelivery, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from webhooks.delivery import Delivery

PING: Final = "ping"
CONTACT_DELETED: Final = "contact.deleted"

_TOPIC = re.compile(r"[a-z_]{1,40}(?:\.[a-z_]{1,40}){0,4}")
_CONTACT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def parse(delivery: Delivery, installation: InstallationId, body: JsonValue) -> list[StoreEvent]:  # noqa: ARG001 - every parser takes both; this one needs the body alone
    """Return what one notification says. Raises Malformed where it is none, or lacks its item."""
    notification = Reader(body)
    if notification.text("type") != "notification_event":
        raise Malformed("type")
    topic = notification.text("topic")
    if not _TOPIC.fullmatch(topic):
        return [Unrecognised("a notification without a readable topic")]
    if topic == PING:
        return [TestDelivery()]
    if topic == CONTACT_DELETED:
        return [_deleted(notification.section("data", "item"))]
    why = WHY_NOT.get(topic)
    return [Unrecognised(topic) if why is None else Irrelevant(topic, why)]


def _deleted(contact: Reader) -> Unrecognised:
    """Work for a person: whether somebody asked to be erased, only they can tell.

    The notification names the contact by Intercom's id and says nothing else of them.
    """
    known = contact.identifier("id")
    if not _CONTACT.fullmatch(known):
        raise Malformed("data.item.id")
    return Unrecognised(
        f"{CONTACT_DELETED}: contact {known} was deleted at the desk. If they asked to be erased, "
        "erase them here too, by hand, within 30 days"
    )


_READ_ANEW = "the panel reads the conversation when it opens"
_PERSON_READ_ANEW = "the panel reads the customer when it opens"
_TEAMMATE_READ_ANEW = "a teammate is read again whenever they act"
_NOT_OURS = "Makegood does nothing with it"
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        # POST /contacts/{id}/unarchive takes it back, so nobody is to be erased.
        "contact.archived": "can be taken back there, so it is no wish to be erased",
        "conversation.deleted": (
            "a note or reply that waits for it stops at its next try and asks for a person"
        ),
    }
)
_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _READ_ANEW: (
            "conversation.admin.assigned",
            "conversation.admin.closed",
            "conversation.admin.noted",
            "conversation.admin.open.assigned",
            "conversation.admin.opened",
            "conversation.admin.replied",
            "conversation.admin.replied.translated",
            "conversation.admin.single.created",
            "conversation.admin.snoozed",
            "conversation.admin.unsnoozed",
            "conversation.company.updated",
            "conversation.contact.attached",
            "conversation.contact.detached",
            "conversation.operator.replied",
            "conversation.priority.updated",
            "conversation.rating.added",
            "conversation.read",
            "conversation.user.created",
            "conversation.user.replied",
            "conversation_part.redacted",
            "conversation_part.tag.created",
        ),
        _PERSON_READ_ANEW: (
            "contact.email.updated",
            "contact.lead.added_email",
            "contact.lead.created",
            "contact.lead.signed_up",
            "contact.lead.tag.created",
            "contact.lead.tag.deleted",
            "contact.lead.updated",
            "contact.merged",
            "contact.subscribed",
            "contact.unarchive",
            "contact.unsubscribed",
            "contact.unsubscribed_from_sms",
            "contact.user.created",
            "contact.user.tag.created",
            "contact.user.tag.deleted",
            "contact.user.updated",
            "visitor.signed_up",
        ),
        _TEAMMATE_READ_ANEW: (
            "admin.activity_log_event.created",
            "admin.added_to_workspace",
            "admin.away_mode_updated",
            "admin.logged_in",
            "admin.logged_out",
            "admin.removed_from_workspace",
        ),
        _NOT_OURS: (
            "api.request.completed",
            "article.created",
            "article.deleted",
            "article.published",
            "article.unpublished",
            "article.updated",
            "audience.created",
            "audience.deleted",
            "audience.member_added",
            "audience.member_removed",
            "audience.updated",
            "call.ended",
            "call.recording_available",
            "call.started",
            "call.transcription_available",
            "company.contact.attached",
            "company.contact.detached",
            "company.created",
            "company.deleted",
            "company.updated",
            "content_import_source.created",
            "content_import_source.deleted",
            "content_import_source.updated",
            "content_snippet.created",
            "content_snippet.deleted",
            "content_snippet.updated",
            "content_stat.banner",
            "content_stat.carousel",
            "content_stat.chat",
            "content_stat.checklist",
            "content_stat.custom_bot",
            "content_stat.email",
            "content_stat.news_item",
            "content_stat.post",
            "content_stat.push",
            "content_stat.series",
            "content_stat.series.webhook",
            "content_stat.sms",
            "content_stat.survey",
            "content_stat.tooltip_group",
            "content_stat.tour",
            "data_connector.execution.completed",
            "event.created",
            "granular.subscribe",
            "granular.unsubscribe",
            "job.completed",
            "ticket.admin.assigned",
            "ticket.admin.replied",
            "ticket.admin.replied.translated",
            "ticket.attribute.updated",
            "ticket.closed",
            "ticket.contact.attached",
            "ticket.contact.detached",
            "ticket.contact.replied",
            "ticket.created",
            "ticket.note.created",
            "ticket.rating.provided",
            "ticket.resolved",
            "ticket.state.updated",
            "ticket.team.assigned",
        ),
    }
)
WHY_NOT: Final[Mapping[str, str]] = MappingProxyType(
    {**{topic: why for why, topics in _GROUPS.items() for topic in topics}, **_REASONS}
)
"""The vendor's topics that ask nothing of us, each with why."""
