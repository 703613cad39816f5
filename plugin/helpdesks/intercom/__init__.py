"""Intercom: conversations, notes and teammates by its REST API, and the panel by signed posts.

Never moves money, and never believes what a browser says.
"""

from plugin.helpdesks.intercom.helpdesk import IntercomHelpdesk
from plugin.helpdesks.intercom.installing import IntercomInstall

__all__ = ["IntercomHelpdesk", "IntercomInstall"]
