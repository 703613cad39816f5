"""Zendesk: tickets, notes and agents by its REST API, and the frame's sign-in by its signed token.

Never moves money, and never believes what the page in the frame says.
"""

from plugin.helpdesks.zendesk.app_package import package
from plugin.helpdesks.zendesk.helpdesk import ZendeskHelpdesk

__all__ = ["ZendeskHelpdesk", "package"]
