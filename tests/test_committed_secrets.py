"""No credential of anybody stands in what is committed: every text file is read, tests too."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHAPES = re.compile(
    rb"shp(?:at|ss|ca|pa|ua)_[0-9a-f]{32}"
    rb"|[sr]k_live_[0-9A-Za-z]{16}"
    rb"|whsec_[0-9A-Za-z+/]{24}"
    rb"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    rb"|AKIA[0-9A-Z]{16}"
    rb"|gh[pousr]_[0-9A-Za-z]{36}"
    rb"|xox[abp]-[0-9]"
)
"""As the vendors make them. What is made up for tests has another shape."""


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    if listed.returncode:
        pytest.skip("git is not installed, or lists no files here: this is no checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_holds_a_credential() -> None:
    files = [file for file in committed() if file.is_file()]
    assert len(files) > 1000
    found = {
        str(file.relative_to(ROOT)): [one[:8] for one in SHAPES.findall(file.read_bytes())]
        for file in files
    }
    assert {name: starts for name, starts in found.items() if starts} == {}


@pytest.mark.parametrize(
    "secret",
    [
        b"shpat_" + b"0a" * 16,
        b"sk_" + b"live_" + b"a" * 24,
        b"-----BEGIN " + b"RSA PRIVATE KEY-----",
        b"-----BEGIN " + b"PRIVATE KEY-----",
    ],
)
def test_it_knows_one_when_it_sees_it(secret: bytes) -> None:
    assert SHAPES.search(b"key = " + secret)
