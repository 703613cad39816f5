"""Freshdesk: tickets, notes, tags and agents by its REST API, and the app around our frame.

Never moves money, and never believes what the page in the app says.
"""

from plugin.helpdesks.freshdesk.app_package import package
from plugin.helpdesks.freshdesk.helpdesk import FreshdeskHelpdesk

__all__ = ["FreshdeskHelpdesk", "package"]
