# SPDX-License-Identifier: Apache-2.0
"""How passwords and tokens are kept."""

from __future__ import annotations

import hashlib

import pytest

from vxnet.cluster import secrets
from vxnet.cluster.secrets import hash_password, is_token, new_token, password_matches, token_digest
from vxnet.errors import VxnetError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hash costs is in its text; what the rules are does not depend on it."""
    monkeypatch.setattr(secrets, "_N", 16)


def test_a_hash_is_of_one_password() -> None:
    """The right password matches, another does not, and the text has nothing of it."""
    kept = hash_password("correct horse")
    assert password_matches("correct horse", kept)
    assert not password_matches("correct horse ", kept)
    assert not password_matches("", kept)
    assert "correct" not in kept


def test_a_hash_is_salted() -> None:
    """Two users with one password do not have one hash."""
    assert hash_password("same") != hash_password("same")


def test_a_hash_is_scrypt_with_the_cost_in_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash made at another cost still matches: the cost to use is that of its text."""
    kept = hash_password("x")
    monkeypatch.setattr(secrets, "_N", 32)
    assert kept.startswith("scrypt$16$8$3$")
    assert password_matches("x", kept)


def test_rfc_7914() -> None:
    """The second test vector of RFC 7914 section 12, cut to our 32 bytes, which PBKDF2's last step allows."""
    salt, digest = "TmFDbA==", "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI="
    assert password_matches("password", f"scrypt$1024$8$16${salt}${digest}")


def test_one_way_of_typing_letters() -> None:
    """RFC 7617 section 2.1: é as one character and as two are the same password."""
    assert password_matches("e\u0301", hash_password("\u00e9"))


@pytest.mark.parametrize(
    "kept",
    ["", "plain", "scrypt$16$8$3$AA==", "md5$16$8$3$AA==$AA==", "scrypt$x$8$3$AA==$AA==", "scrypt$15$8$3$AA==$AA=="],
)
def test_what_is_no_hash(kept: str) -> None:
    """A text that is none is an error that says what to do, not a wrong password."""
    with pytest.raises(VxnetError, match="set it anew"):
        password_matches("x", kept)


def test_nobodys_password_is_nobodys() -> None:
    """It is a hash like the others, and nothing matches it."""
    kept = secrets.nobodys_password()
    assert kept.split("$")[:4] == hash_password("x").split("$")[:4]
    assert not password_matches("", kept)


def test_tokens() -> None:
    """A token is known as one by its form, is never the same twice, and is kept as its SHA-256."""
    token = new_token()
    assert is_token(token)
    assert token != new_token()
    assert token_digest(token) == hashlib.sha256(token.encode()).hexdigest()
    assert not is_token(f"{token}\n")
    assert not is_token(token.removeprefix("vxnet-"))
