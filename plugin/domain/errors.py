"""Exceptions named by what to do next. For I/O and bugs; outcomes a caller must handle are values.

    MakegoodError
     ├── Refused          a definitive no: do not repeat as it stands
     ├── RetryLater       nothing happened: the same call may be made again
     ├── OutcomeUnknown   it may or may not have happened: look it up, never resend blindly
     ├── NeedsHuman       no rule decides this: put it where a person sees it
     └── InvalidInput     what came in cannot be used: say what to do

Messages carry codes and ids, never bodies, names or secrets: they reach logs.
"""

from __future__ import annotations


class MakegoodError(Exception):
    """Root of all errors of ours. `code` is stable and safe to log and to show."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Refused(MakegoodError):
    """The other side said no, and will say no again to the same call."""


ACCOUNT_RESTING = "account_resting"
"""The code of a RetryLater that no call was made for: its account has not answered for a while."""

KEY_CODES = ("key_refused", "key_unusable")
"""The codes of a Refused that another key mends: what was to be done may be done then."""

FIELD_REFUSED = "field_refused"
"""The code of a Refused after which the note and its tags stand, and only the field does not."""


class RetryLater(MakegoodError):
    """Nothing happened. `after_seconds` is the other side's wish, where it had one."""

    def __init__(self, code: str, detail: str = "", *, after_seconds: int | None = None) -> None:
        super().__init__(code, detail)
        self.after_seconds = after_seconds


class OutcomeUnknown(MakegoodError):
    """The call may have taken effect. Only a look-up may settle it."""


class NeedsHuman(MakegoodError):
    """No rule of ours decides this."""


class InvalidInput(MakegoodError):
    """What came in cannot be used. `field` names the part, `detail` says what to do."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__("invalid_input", f"{field}: {detail}")
        self.field = field
        self.advice = detail
