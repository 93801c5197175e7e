# SPDX-License-Identifier: Apache-2.0
"""How passwords and tokens are kept: as what tells the right one from others, and cannot be turned back into it.

password --scrypt (RFC 7914), salted, slow on purpose--> scrypt$N$R$P$SALT$HASH     people choose them: can be guessed
token    --SHA-256--> 64 hex digits                                                 256 random bits: cannot be
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from typing import Final

from vxnet.errors import VxnetError

TOKEN_PREFIX: Final = "vxnet-"  # noqa: S105  (what they all begin with is no secret)
"""What every token begins with, so that one that has got into a log or a repository is known for what it is."""

_TOKEN: Final = re.compile(r"vxnet-[A-Za-z0-9_-]{43}")
_N, _R, _P = 1 << 15, 8, 3
"""32 MiB and about a quarter of a second, as the OWASP Password Storage Cheat Sheet has it. Stored with each hash."""

MOST_PASSWORD: Final = 1024
"""Characters. A longer one is nobody's."""


def hash_password(password: str) -> str:
    """Return the text to keep of a password. Takes about a quarter of a second."""
    salt = secrets.token_bytes(16)
    return _text(_N, _R, _P, salt, _scrypt(password, salt, _N, _R, _P))


def password_matches(password: str, kept: str) -> bool:
    """Tell whether ``kept`` is of this password, in a time that does not depend on how near it is.

    VxnetError if ``kept`` is no such text at all.
    """
    try:
        n, r, p, salt, digest = kept.removeprefix("scrypt$").split("$")
        cost = int(n), int(r), int(p)
        found = _scrypt(password, base64.b64decode(salt, validate=True), *cost)
        return hmac.compare_digest(found, base64.b64decode(digest, validate=True))
    except ValueError:
        raise VxnetError("what is stored of the password cannot be read; set it anew") from None


def nobodys_password() -> str:
    """Return what no password matches, and takes as long to find out as for any other."""
    return _text(_N, _R, _P, secrets.token_bytes(16), secrets.token_bytes(32))


def new_token() -> str:
    """Return a new token: ``vxnet-`` and 256 random bits in base64url (RFC 4648 section 5)."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Tell whether this can be a token of ours."""
    return _TOKEN.fullmatch(text) is not None


def token_digest(token: str) -> str:
    """Return what is kept of a token, and what it is looked up by."""
    return hashlib.sha256(token.encode()).hexdigest()


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # RFC 7617 section 2.1: the same characters may be typed in several ways; NFC makes one of them.
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2) + (1 << 20), dklen=32)


def _text(n: int, r: int, p: int, salt: bytes, digest: bytes) -> str:
    return "$".join(
        ("scrypt", str(n), str(r), str(p), base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    )
