"""Mail by a real server on loopback: what was sent, what certainly not, what nobody knows."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from plugin import mail
from plugin.domain.errors import MakegoodError, NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.mail import SmtpMailer

FROM = "makegood@shop.example"
TO = "ana@mail.example"
HOST = "127.0.0.1"


class Post:
    """A mail server that keeps what it took, and answers as told.

    `codes` are its answers by what is answered: MAIL, DATA, or a recipient's address.
    """

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.logins: list[tuple[str, str]] = []
        self.secure: list[bool] = []
        self.codes: dict[str, str] = {}
        self.hangs_up = False
        self.goes_quiet = False
        self.port = 0

    @property
    def place(self) -> str:
        return f"{HOST}:{self.port}"

    def message(self) -> EmailMessage:
        """The only message that was taken."""
        (envelope,) = self.taken
        assert isinstance(envelope.original_content, bytes)
        return message_from_bytes(envelope.original_content, policy=default)

    # The names below are the library's.

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.codes.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if address in self.codes:
            return self.codes[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        if "DATA" in self.codes:
            return self.codes["DATA"]
        assert server.transport is not None
        self.taken.append(envelope)
        self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        if self.hangs_up:
            cast("asyncio.Transport", server.transport).abort()
        if self.goes_quiet:
            await asyncio.Event().wait()
        return "250 OK"

    def check_login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"p@ss/w:rd", handled=False)


@contextmanager
def listening(
    make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A server on a loop of its own; its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(make, HOST, 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def close() -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextmanager
def serving(
    post: Post, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> Iterator[Post]:
    def make() -> SMTP:
        return SMTP(
            post,
            hostname="post.example",
            authenticator=post.check_login,
            auth_require_tls=False,
            tls_context=starttls,
            require_starttls=starttls is not None,
            loop=asyncio.get_running_loop(),
        )

    with listening(make, tls) as port:
        post.port = port
        yield post


@pytest.fixture
def post() -> Iterator[Post]:
    with serving(Post()) as one:
        yield one


def mailer(post: Post, scheme: str = "smtp", login: str = "") -> SmtpMailer:
    return SmtpMailer(f"{scheme}://{login}{post.place}", FROM)


def send(
    by: SmtpMailer,
    *,
    to: str = TO,
    subject: str = "Your refund",
    body: str = "It is on its way.",
    message_id: str = "effect-1",
) -> None:
    by.send(to, subject, body, message_id)


def failure(by: SmtpMailer, to: str = TO) -> MakegoodError:
    with pytest.raises(MakegoodError) as caught:
        send(by, to=to)
    return caught.value


# --- sent -----------------------------------------------------------------------------------------


def test_a_message_arrives_with_its_headers(post: Post) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    send(mailer(post), subject="Vaš povrat – 49,00 €", body="Dobar dan,\nnovac je krenuo. ✓\n")

    message = post.message()
    assert (message["From"], message["To"]) == (FROM, TO)
    assert message["Subject"] == "Vaš povrat – 49,00 €"
    assert message["Message-ID"] == "<effect-1@shop.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert before <= parsedate_to_datetime(message["Date"]) <= datetime.now(UTC)
    assert message.get_content_type() == "text/plain"
    text = message.get_content().replace("\r\n", "\n")
    assert text == "Dobar dan,\nnovac je krenuo. ✓\n"
    (envelope,) = post.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (FROM, [TO])


def test_the_same_effect_always_has_the_same_message_id(post: Post) -> None:
    for _ in range(2):
        send(mailer(post), message_id="effect-7")

    ids = {message_from_bytes(taken.original_content or b"")["Message-ID"] for taken in post.taken}
    assert (len(post.taken), ids) == (2, {"<effect-7@shop.example>"})


def test_a_sender_with_a_name_is_taken_apart(post: Post) -> None:
    send(SmtpMailer(f"smtp://{post.place}", "Makegood <makegood@shop.example>"))

    assert post.taken[0].mail_from == FROM
    assert post.message()["From"] == "Makegood <makegood@shop.example>"
    assert post.message()["Message-ID"] == "<effect-1@shop.example>"


def test_several_recipients_get_one_message(post: Post) -> None:
    send(mailer(post), to="ana@mail.example, Ivo <ivo@mail.example>")

    (envelope,) = post.taken
    assert envelope.rcpt_tos == ["ana@mail.example", "ivo@mail.example"]


def test_dots_and_commands_in_the_text_are_only_text(post: Post) -> None:
    body = "one\n.\nMAIL FROM:<evil@mail.example>\n..two\nFrom here\n"
    send(mailer(post), body=body)

    assert post.message().get_content().replace("\r\n", "\n") == body


# --- a definitive no ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes",
    [{TO: "550 no such user"}, {"MAIL": "553 not you"}, {"DATA": "554 spam"}],
)
def test_a_refusal_for_good_is_refused(post: Post, codes: dict[str, str]) -> None:
    post.codes = codes
    (answer,) = codes.values()

    error = failure(mailer(post))

    assert isinstance(error, Refused)
    assert str(error) == f"mail_refused: {answer[:3]}"
    assert post.taken == []


def test_a_refusal_of_some_is_told_and_the_others_get_it(post: Post) -> None:
    post.codes = {"ivo@mail.example": "550 no such user"}

    error = failure(mailer(post), to=f"{TO}, ivo@mail.example")

    assert isinstance(error, Refused)
    assert str(error) == "mail_refused_in_part: 550"
    assert post.taken[0].rcpt_tos == [TO]


# --- certainly not sent ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes",
    [{TO: "450 try later"}, {"MAIL": "421 closing"}, {"DATA": "451 try later"}],
)
def test_a_not_now_is_tried_later(post: Post, codes: dict[str, str]) -> None:
    post.codes = codes

    assert isinstance(failure(mailer(post)), RetryLater)
    assert post.taken == []


def test_where_one_recipient_must_wait_all_do(post: Post) -> None:
    """Sending to the others now would send to them again later."""
    post.codes = {"ivo@mail.example": "450 later", "eva@mail.example": "550 no such user"}

    error = failure(mailer(post), to=f"{TO}, ivo@mail.example, eva@mail.example")

    assert isinstance(error, RetryLater)
    assert str(error) == "mail_deferred: 450"
    assert post.taken == []


def test_an_unreachable_server_is_tried_later() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]

    error = failure(SmtpMailer(f"smtp://{HOST}:{port}", FROM))

    assert isinstance(error, RetryLater)
    assert str(error) == "mail_server_unreachable: ConnectionRefusedError"


class Script(asyncio.Protocol):
    """Says one line per line that it hears, from its greeting on, then hangs up."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._say()

    def data_received(self, _data: bytes) -> None:
        self._say()

    def _say(self) -> None:
        if self._lines:
            self._transport.write(f"{self._lines.pop(0)}\r\n".encode())
        else:
            self._transport.abort()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["554 go away"],
        ["hello?"],
        ["220 hello"],
        ["220 hello", "250 hello"],
        ["220 hello", "250 hello", "250 sender"],
        ["220 hello", "250 hello", "250 sender", "250 recipient", "421 closing"],
    ],
)
def test_a_server_that_breaks_off_before_the_content_is_tried_later(lines: list[str]) -> None:
    with listening(lambda: Script(lines)) as port:
        assert isinstance(failure(SmtpMailer(f"smtp://{HOST}:{port}", FROM)), RetryLater)


# --- nobody knows ---------------------------------------------------------------------------------


def test_a_connection_dropped_after_the_content_is_unknown(post: Post) -> None:
    post.hangs_up = True

    error = failure(mailer(post))

    assert isinstance(error, OutcomeUnknown)
    assert error.code == "mail_server_quiet"
    assert len(post.taken) == 1


def test_an_answer_to_the_content_that_is_none_is_unknown() -> None:
    lines = ["220 hello", "250 hello", "250 sender", "250 recipient", "354 go on", "hm?"]
    with listening(lambda: Script(lines)) as port:
        error = failure(SmtpMailer(f"smtp://{HOST}:{port}", FROM))

    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize("at", [2, 3])
def test_an_answer_to_an_address_that_is_none_is_no_yes(at: int) -> None:
    lines = ["220 hello", "250 hello", "250 sender", "250 recipient"]
    lines[at] = "hm?"
    with listening(lambda: Script(lines)) as port:
        error = failure(SmtpMailer(f"smtp://{HOST}:{port}", FROM))

    assert str(error) == "mail_deferred: -1"


def test_silence_after_the_content_is_unknown(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_SECONDS", 1)
    post.goes_quiet = True

    assert isinstance(failure(mailer(post)), OutcomeUnknown)
    assert len(post.taken) == 1


# --- what is never sent ---------------------------------------------------------------------------


def test_without_a_server_a_person_is_told_what_to_set() -> None:
    with pytest.raises(NeedsHuman, match="no_mail_server: set MAKEGOOD_SMTP_URL"):
        send(SmtpMailer("", FROM))


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        (TO, "Hello\r\nBcc: everyone@mail.example"),
        (TO, "Hello\nX-Evil: 1"),
        (f"{TO}\r\nBcc: everyone@mail.example", "Hello"),
        (f"{TO}\nBcc: everyone@mail.example", "Hello"),
        ("", "Hello"),
        ("nobody", "Hello"),
        ("@mail.example", "Hello"),
        ("ana@", "Hello"),
        ("ana@mail.example, nobody", "Hello"),
        ("žana@mail.example", "Hello"),
        ("undisclosed-recipients:;", "Hello"),
        (TO, "half a pair \ud83d"),
    ],
)
def test_nothing_but_plain_addresses_and_subjects_is_sent(
    post: Post, to: str, subject: str
) -> None:
    with pytest.raises(Refused) as caught:
        send(mailer(post), to=to, subject=subject)

    assert str(caught.value) == "mail_unsendable: an address or the subject is malformed"
    assert post.taken == []


def test_a_sender_that_no_server_could_take_sends_nothing(post: Post) -> None:
    with pytest.raises(Refused, match="mail_unsendable"):
        send(SmtpMailer(f"smtp://{post.place}", "žana@shop.example"))
    assert post.taken == []


# --- login and TLS --------------------------------------------------------------------------------


def test_the_login_is_taken_from_the_address(post: Post) -> None:
    send(mailer(post, login="shop%40mail.example:p%40ss%2Fw%3Ard@"))

    assert post.logins == [("shop@mail.example", "p@ss/w:rd")]
    assert len(post.taken) == 1


def test_a_wrong_login_sends_nothing_and_stands_in_no_error(post: Post) -> None:
    error = failure(mailer(post, login="shop:wrong-password@"))

    assert isinstance(error, RetryLater)
    assert str(error) == "mail_server_unreachable: SMTPAuthenticationError"
    assert post.taken == []


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for loopback that nobody trusts, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    file = tmp_path / "post.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return file, context


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_can_prove_its_name_is_spoken_to_in_secret(
    identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    certificate, context = identity
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    by_scheme = {"smtp": {"starttls": context}, "smtps": {"tls": context}}

    with serving(Post(), **by_scheme[scheme]) as post:
        send(mailer(post, scheme, login="shop:p%40ss%2Fw%3Ard@"))

    assert post.secure == [True]
    assert post.logins == [("shop", "p@ss/w:rd")]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_cannot_prove_its_name_gets_nothing(
    identity: tuple[Path, ssl.SSLContext], scheme: str
) -> None:
    _, context = identity
    by_scheme = {"smtp": {"starttls": context}, "smtps": {"tls": context}}

    with serving(Post(), **by_scheme[scheme]) as post:
        error = failure(mailer(post, scheme, login="shop:secret@"))

    assert isinstance(error, RetryLater)
    assert str(error) == "mail_server_unreachable: SSLCertVerificationError"
    assert (post.logins, post.taken) == ([], [])
