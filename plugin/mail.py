"""Mail by SMTP. One message per call, never sent twice by itself, never logged.

Until the server says that it has the message, nothing was sent; when it goes quiet after the content, nobody
knows, and it says so.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater

TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """Implements `plugin.ports.Mailer`. `url` is smtp://user:password@host:port or smtps://..."""

    url: str
    sender: str

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        """Hand one message over.

        Raises NeedsHuman where no server is set, Refused for a definitive no, RetryLater when
        certainly nothing was sent, OutcomeUnknown when the server went quiet after the content.
        """
        if not self.url:
            raise NeedsHuman("no_mail_server", "set MAKEGOOD_SMTP_URL")
        message = self._message(to, subject, body, message_id)
        try:
            server = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            raise RetryLater("mail_server_unreachable", type(error).__name__) from None
        try:
            server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
            raise _judged(_code_of(error)) from None
        except smtplib.SMTPDataError as error:
            raise _judged(error.smtp_code) from None
        except smtplib.SMTPHeloError as error:
            raise RetryLater("mail_server_odd", type(error).__name__) from None
        except (OSError, smtplib.SMTPException) as error:
            raise OutcomeUnknown("mail_server_quiet", type(error).__name__) from None
        finally:
            server.close()

    def _message(self, to: str, subject: str, body: str, message_id: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate(usegmt=True)
        # The same effect always has the same id: should it ever arrive twice, mail programs fold it.
        message["Message-ID"] = f"<{message_id}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        return message

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        return server


def _code_of(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused) -> int:
    if isinstance(error, smtplib.SMTPSenderRefused):
        return error.smtp_code
    return max(code for code, _ in error.recipients.values())


def _judged(code: int) -> Refused | RetryLater:
    """5xx is a no for good, 4xx is a not now (RFC 5321, 4.2.1)."""
    if code >= 500:
        return Refused("mail_refused", str(code))
    return RetryLater("mail_deferred", str(code))
