"""A mail server that never comes to an end: the whole talk has one, whatever it says meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from plugin import mail
from plugin.domain.errors import OutcomeUnknown, RetryLater
from plugin.mail import SmtpMailer
from tests.test_mail import FROM, HOST, Script, failure, listening


class Babble(Script):
    """Says its lines, one for each that it hears; then one thing again and again."""

    def __init__(self, lines: Sequence[str], again: bytes) -> None:
        super().__init__(lines)
        self._again = again

    def _say(self) -> None:
        if self._lines:
            super()._say()
        else:
            self._babble()

    def _babble(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._again)
            asyncio.get_running_loop().call_later(0.02, self._babble)


@pytest.fixture(autouse=True)
def _little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole talk is over after a second; each answer might take far longer."""
    monkeypatch.setattr(mail, "TOTAL_SECONDS", 1)
    monkeypatch.setattr(mail, "TIMEOUT_SECONDS", 600)


@pytest.mark.parametrize(
    ("scheme", "lines", "again"),
    [
        ("smtp", [], b"220-and more\r\n"),
        ("smtp", [], b"2"),
        ("smtp", ["220 hello", "250 hello"], b"250-and more\r\n"),
        ("smtp", ["220 hello", "250 hello", "250 sender"], b"250-and more\r\n"),
        # One record of a TLS handshake, as long as it may be, which comes by the byte.
        ("smtps", [], b"\x16\x03\x03\x3f\xff"),
    ],
)
def test_before_the_content_it_is_tried_later(scheme: str, lines: list[str], again: bytes) -> None:
    with listening(lambda: Babble(lines, again)) as port:
        assert isinstance(failure(SmtpMailer(f"{scheme}://{HOST}:{port}", FROM)), RetryLater)


def test_after_the_content_nobody_knows() -> None:
    lines = ["220 hello", "250 hello", "250 sender", "250 recipient", "354 go on"]
    with listening(lambda: Babble(lines, b"250-and more\r\n")) as port:
        error = failure(SmtpMailer(f"smtp://{HOST}:{port}", FROM))
    assert isinstance(error, OutcomeUnknown)
    assert error.code == "mail_server_quiet"
