"""What a manifest may declare about signatures, and what it is told otherwise."""

from __future__ import annotations

import pytest

from plugin.platforms.signature_declaration import (
    SCHEME_NAMES,
    SCHEME_PARAMETERS,
    SignatureDeclaration,
    declaration_faults,
)


def test_the_schemes_and_their_parameters_are_a_closed_list() -> None:
    assert SCHEME_NAMES == (
        "hmac_sha256_hex",
        "websub_sha1",
        "hmac_sha256_base64",
        "timestamped_hmac",
        "detached_jws",
    )
    assert {name: SCHEME_PARAMETERS[name].allowed for name in SCHEME_NAMES} == {
        "hmac_sha256_hex": ("normalise_json",),
        "websub_sha1": (),
        "hmac_sha256_base64": ("timestamp_header", "tolerance_seconds"),
        "timestamped_hmac": ("tolerance_seconds",),
        "detached_jws": (),
    }


def test_sound_declarations_are_accepted() -> None:
    SignatureDeclaration("hmac_sha256_hex", "X-Sig")
    SignatureDeclaration("hmac_sha256_hex", "X-Sig", normalise_json=True)
    SignatureDeclaration("hmac_sha256_base64", "X-Sig")
    SignatureDeclaration(
        "hmac_sha256_base64", "X-Sig", timestamp_header="X-Time", tolerance_seconds=3600
    )
    SignatureDeclaration("timestamped_hmac", "Sig", tolerance_seconds=1)


def test_each_fault_is_named() -> None:
    assert declaration_faults(scheme="none", header="X-Sig") == (
        (
            "unknown signature scheme 'none': use one of "
            "hmac_sha256_hex, websub_sha1, hmac_sha256_base64, timestamped_hmac, detached_jws"
        ),
    )
    assert declaration_faults(scheme="timestamped_hmac", header="X-Sig") == (
        "the scheme timestamped_hmac needs tolerance_seconds",
    )
    together = (
        (
            "the scheme hmac_sha256_base64 takes timestamp_header and tolerance_seconds "
            "together or not at all"
        ),
    )
    assert (
        declaration_faults(scheme="hmac_sha256_base64", header="X-Sig", tolerance_seconds=300)
        == together
    )
    assert (
        declaration_faults(scheme="hmac_sha256_base64", header="X-Sig", timestamp_header="X-Time")
        == together
    )
    assert declaration_faults(
        scheme="hmac_sha256_hex", header="X-Sig", timestamp_header="X-Time", tolerance_seconds=5
    ) == (
        "the scheme hmac_sha256_hex does not take tolerance_seconds: leave it out",
        "the scheme hmac_sha256_hex does not take timestamp_header: leave it out",
    )
    assert declaration_faults(
        scheme="hmac_sha256_base64",
        header="X-Sig",
        timestamp_header="x-sig",
        tolerance_seconds=300,
    ) == ("header and timestamp_header must be two different headers",)


@pytest.mark.parametrize("name", ["", "X_Sig", "X Sig", "X-Sig\n", "-X", "X-", "Xé"])
def test_header_names_are_plain(name: str) -> None:
    assert declaration_faults(scheme="hmac_sha256_hex", header=name) == (
        "header must be a header name of letters, digits and dashes",
    )


@pytest.mark.parametrize("seconds", [-1, 0, 3601])
def test_the_tolerance_is_bounded(seconds: int) -> None:
    assert declaration_faults(
        scheme="timestamped_hmac", header="Sig", tolerance_seconds=seconds
    ) == ("tolerance_seconds must be between 1 and 3600",)


def test_a_faulty_declaration_cannot_be_made_and_all_its_faults_are_told() -> None:
    with pytest.raises(ValueError, match=r"unknown signature scheme.*; header must be"):
        SignatureDeclaration("none", "X_Sig")
