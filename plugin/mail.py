"""Mail by SMTP. One message per call, never sent twice by itself, never logged.

Until the server has the content, nothing was sent; when it goes quiet after the content, nobody
knows, and it says so. No server is listened to for longer than one deadline for the whole talk,
however it hesitates. What is not plainly an address or a subject is refused, never cleaned up.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from plugin.domain.errors import MakegoodError, NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.checked_connection import CutOff

TIMEOUT_SECONDS = 20
"""For each answer of the server: a byte is enough to be waited for anew."""
TOTAL_SECONDS = 60
"""For the whole talk. A server that keeps callers waiting on purpose takes half of it."""


class _Talk(smtplib.SMTP):
    """A talk that is cut, whatever is being said, when its time is over."""

    def __init__(self, cut_off: CutOff, host: str, port: int) -> None:
        self.cut_off = cut_off
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # Before the server's first word, and before a TLS handshake.
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # the one place where the library connects
        self.cut_off.watch(connection)
        return connection


class _SecureTalk(smtplib.SMTP_SSL, _Talk):
    """The same under TLS from the first byte on."""

    def __init__(self, cut_off: CutOff, host: str, port: int, context: ssl.SSLContext) -> None:
        self.cut_off = cut_off
        smtplib.SMTP_SSL.__init__(self, host, port, timeout=TIMEOUT_SECONDS, context=context)


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """Implements `plugin.ports.Mailer`. `url` is smtp://user:password@host:port or smtps://..."""

    url: str
    sender: str

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        """Hand one message over. `to` may be several addresses with commas between.

        Raises NeedsHuman where no server is set, Refused for a definitive no (also of only some of
        the addresses), RetryLater when certainly nothing was sent, OutcomeUnknown when the server
        went quiet after the content.
        """
        if not self.url:
            raise NeedsHuman("no_mail_server", "set MAKEGOOD_SMTP_URL")
        try:
            message = self._message(to, subject, body, message_id)
            content = message.as_bytes(policy=SMTP)
            (sender,) = _addresses(message, "From")
            recipients = _addresses(message, "To")
        except (ValueError, LookupError):
            # What the library finds wrong may quote the text: only that it is wrong is passed on.
            raise Refused("mail_unsendable", "an address or the subject is malformed") from None
        with CutOff(TOTAL_SECONDS) as cut_off:
            try:
                server = self._connected(cut_off)
            except (OSError, smtplib.SMTPException) as error:
                raise RetryLater("mail_server_unreachable", type(error).__name__) from None
            try:
                refused = _envelope(server, sender, recipients)
                _hand_over(server, content)
            finally:
                server.close()
        if refused:
            raise Refused("mail_refused_in_part", ", ".join(map(str, refused)))

    def _message(self, to: str, subject: str, body: str, message_id: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate(usegmt=True)
        # The same effect always has the same id: should it arrive twice, mail programs fold it.
        message["Message-ID"] = f"<{message_id}@{message['From'].addresses[0].domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        return message

    def _connected(self, cut_off: CutOff) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = _SecureTalk(cut_off, host, parts.port or 465, context)
        else:
            server = _Talk(cut_off, host, parts.port or 25)
        try:
            server.ehlo()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def _addresses(message: EmailMessage, header: str) -> list[str]:
    """The addresses in a header. Raises ValueError for what no server without SMTPUTF8 takes."""
    addresses = [address.addr_spec for address in message[header].addresses]
    if not addresses or not all(a.isascii() and "@" in a.strip("@") for a in addresses):
        raise ValueError("not an address")
    return addresses


def _envelope(server: smtplib.SMTP, sender: str, recipients: list[str]) -> list[int]:
    """Name sender and recipients; the codes of those that are refused. Nothing is sent yet."""
    try:
        code, _ = server.mail(sender)
        if code // 100 != 2:
            raise _judged(code)
        codes = [server.rcpt(recipient)[0] for recipient in recipients]
    except (OSError, smtplib.SMTPException) as error:
        raise RetryLater("mail_server_odd", type(error).__name__) from None
    refused = [code for code in codes if code // 100 != 2]
    if len(refused) == len(codes) or any(code < 500 for code in refused):
        raise _judged(min(refused))
    return refused


def _hand_over(server: smtplib.SMTP, content: bytes) -> None:
    try:
        code, _ = server.data(content)
    except smtplib.SMTPDataError as error:
        raise _judged(error.smtp_code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise OutcomeUnknown("mail_server_quiet", type(error).__name__) from None
    if code >= 400:
        raise _judged(code)
    if code // 100 != 2:
        raise OutcomeUnknown("mail_server_odd", str(code))


def _judged(code: int) -> MakegoodError:
    """5xx is a no for good, 4xx is a not now (RFC 5321, 4.2.1); so is what is no answer at all."""
    if code >= 500:
        return Refused("mail_refused", str(code))
    return RetryLater("mail_deferred", str(code))
