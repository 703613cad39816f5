"""`--set KEY=VALUE`: typed, from a file, from standard input, and never shown."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest

from plugin.commands.pairs import read_pairs
from plugin.domain.errors import InvalidInput


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Have `content` come from standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("pair", ["api_key", "=x", "api key=x", "1=2"])
def test_a_pair_that_is_none_is_refused_without_its_value(pair: str) -> None:
    with pytest.raises(InvalidInput, match="write KEY=VALUE"):
        read_pairs([pair])


def test_a_pair_may_hold_more_equals_signs_and_comes_once() -> None:
    assert read_pairs(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(InvalidInput, match="a came twice"):
        read_pairs(["a=1", "a=2"])


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"rk_test_1\n", "rk_test_1"),
        (b"rk_test_1\r\n", "rk_test_1"),
        (b"rk_test_1", "rk_test_1"),
        (b" two\nlines \n\n", " two\nlines \n"),
        (b"@not-a-file-again\n", "@not-a-file-again"),
        (b"-", "-"),
        (b"", ""),
        ("sch\u00f6n\n".encode(), "sch\u00f6n"),
    ],
)
def test_a_value_comes_from_a_file_or_from_standard_input_without_its_last_line_break(
    content: bytes, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    give(monkeypatch, content)
    assert read_pairs([f"api_key=@{file}", "other=-"]) == {"api_key": value, "other": value}


def test_a_file_below_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("rk_test_1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_pairs(["api_key=@~/key"]) == {"api_key": "rk_test_1"}


def test_a_value_that_begins_with_an_at_sign_is_written_with_two() -> None:
    assert read_pairs(["a=@@home", "b=@@@x", "c=x@y", "d=@@-"]) == {
        "a": "@home",
        "b": "@@x",
        "c": "x@y",
        "d": "@-",
    }


@pytest.mark.parametrize(
    "place", ["canary", "canary/canary", "~nobody-canary/x", "", "cana\0ry"], ids=repr
)
def test_a_file_that_cannot_be_read_is_told_by_its_field_and_not_by_its_name(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="--set api_key: cannot read the file") as refused:
        read_pairs([f"api_key=@{place}"])
    assert "written @@" in refused.value.detail
    assert "canary" not in str(refused.value)


def test_what_is_no_text_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"canary\xff")
    give(monkeypatch, b"canary\xff")
    for pair in (f"api_key=@{file}", "api_key=-"):
        with pytest.raises(InvalidInput, match="no text in UTF-8") as refused:
            read_pairs([pair])
        assert "canary" not in str(refused.value)


def test_standard_input_is_one_value() -> None:
    with pytest.raises(InvalidInput, match="only one value"):
        read_pairs(["a=-", "b=-"])


def test_what_somebody_types_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def ask(field: str, *, hide_input: bool, err: bool) -> str:
        assert (field, hide_input, err) == ("api_key", True, True)
        return "rk_test_1"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(click, "prompt", ask)
    assert read_pairs(["api_key=-"]) == {"api_key": "rk_test_1"}
