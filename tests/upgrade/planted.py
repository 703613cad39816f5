"""The planted bug: a version whose documents the one before cannot read, and that says it can.

Put into a copy of the tree. The schema's own word, by which the older code starts beside, is a lie.
"""

from __future__ import annotations

from pathlib import Path

from tests.upgrade.older import Version

_CODEC = "plugin/storage/codec.py"
_DUMP = 'separators=(",", ":"))\n'
_LOAD = "from_doc(kind, json.loads(text))"
_NOW, _THEN = '"is":"AddTicketNote"', '"is":"WriteNote"'


def plant_a_lie(version: Version, older: Version) -> None:
    """Put the bug into a copy of today's code."""
    into = version.tree
    _change(into / _CODEC, _DUMP, f"{_DUMP.rstrip()}.replace({_NOW!r}, {_THEN!r})\n")
    _change(into / _CODEC, _LOAD, f"from_doc(kind, json.loads(text.replace({_THEN!r}, {_NOW!r})))")
    [migration] = (into / "plugin/storage/migrations/versions").glob(f"r{version.schema}_*.py")
    told, lie = (f'oldest_code = "{code}"\n' for code in (version.oldest_code, older.schema))
    _change(migration, told, lie)


def _change(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(before) == 1, f"the plant is stale: {file}"
    file.write_text(text.replace(before, after), "utf-8")
