# SPDX-License-Identifier: Apache-2.0
"""HTTP requests for the API, as bytes: right ones with odd values in them, and ones that are broken.

Words such as @ROOT@ and @NETWORK@ stand for tokens and ids, which are others on every server.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from fuzz.bodies import RESOURCES, TEXTS, bodies, reports
from fuzz.mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Sequence


class Request(NamedTuple):
    """The bytes; ``is_whole``: they are a request, so there is an answer."""

    data: bytes
    is_whole: bool


# ---- where, how, who -------------------------------------------------------------------------------------------------

_IDS = (
    *("@NETWORK@", "@SUBNET@", "@PORT@") * 4,
    "x",
    "",
    "%00",
    "%FF",
    "%2e%2e",
    "..",
    "a%2Fb",
    "x" * 3000,
    "%F0%9F%98%80",
)
_ID = st.one_of(st.sampled_from(_IDS), st.text(max_size=6).map(lambda text: quote(text, safe="")))
_THERE = {"networks": "@NETWORK@", "subnets": "@SUBNET@", "ports": "@PORT@"}


@st.composite
def _resource_paths(draw: st.DrawFn) -> str:
    """Where things of a kind are, or one of them, most often one that is there, or its tags."""
    plural = draw(st.sampled_from(tuple(RESOURCES)))
    its = draw(st.one_of(st.just(_THERE.get(plural, "x")), st.just(_THERE.get(plural, "x")), _ID))
    tail = draw(st.sampled_from(("", "", "/{its}", "/{its}", "/{its}/tags", "/{its}/tags/{tag}")))
    return f"/v2.0/{plural}{tail.format(its=its, tag=draw(_ID))}"


_OTHER_PATHS = st.one_of(
    st.builds("/v2.0/quotas/{}{}".format, _ID, st.sampled_from(("", "/default", "/details", "/details.json"))),
    _ID.map("/v2.0/extensions/{}".format),
    _ID.map("/v3/projects/{}".format),
    st.sampled_from(
        ("/", "//", "/v2.0", "/v2.0/", "/openapi.json", "/cluster/v1/audit", "*", "http://x/v2.0", "/%ff%00")
    ),
)
_AGENT_PATHS = st.builds(
    "/agent/v1/{}/{}".format,
    st.sampled_from(("h1", "h1", "h2", "%00")),
    st.one_of(st.sampled_from(("report", "report", "stream", "stream", "audits/x")), _ID.map("audits/{}".format)),
)

_PARAMETERS = (
    *("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse", "after", "incarnation", "x", ""),
    *("id", "name", "project_id", "tenant_id", "fixed_ips", "device_id", "mac_address", "ip_version", "cidr", "mtu"),
    *("provider:segmentation_id", "admin_state_up", "tags", "not-tags-any", "tags-any", "shared", "status", "alive"),
)
_FITTING_PARAMETERS = (
    "ip_address=10.0.0.5",
    "subnet_id=@SUBNET@",
    "ip_address_substr=10.",
    "asc",
    "desc",
    "id",
    "0",
    "1",
)
_PARAMETER_VALUES = st.one_of(
    st.sampled_from(_FITTING_PARAMETERS), st.sampled_from([text for text in TEXTS if len(text) < 6000])
).map(lambda text: quote(text, safe="=@."))
_QUERIES = st.one_of(
    st.just(""),
    st.just(""),
    st.lists(st.builds("{}={}".format, st.sampled_from(_PARAMETERS), _PARAMETER_VALUES), min_size=1, max_size=4).map(
        lambda said: "?" + "&".join(said)
    ),
    st.sampled_from(("?", "?&&=&", "?%ff=%ff", "?fields", "?a" * 500, "?;", "?limit=%31", "?after=" + "9" * 19)),
)

_WHO = (
    *("X-Auth-Token: @ROOT@",) * 30,
    *("X-Auth-Token: @MEMBER@",) * 12,
    *(
        "X-Auth-Token: @AGENT@",
        "X-Auth-Token: @READER@",
        "Authorization: Bearer @ROOT@",
        "X-Auth-Token: @AGENT@",
        "X-Auth-Token:",
    ),
    *(
        "Authorization: Basic",
        "Authorization: Basic =",
        "Authorization: Basic Og==",
        "Authorization: Basic /w==",
        "A: b",
    ),
    *("Authorization: Bearer x", "Authorization: x", "X-Auth-Token: \xff", "X-Auth-Token: " + "x" * 5000),
)
_HEADERS = (
    *(
        "If-Match: revision_number=0",
        "If-Match: revision_number=" + "9" * 10,
        "If-Match: *",
        "If-Match: \xfc",
        "If-Match:",
    ),
    *("Content-Type: application/json; charset=latin1", "Content-Type: text/plain", "Content-Type:", "Content-Type: ;"),
    *("Accept: text/html", "Accept-Encoding: gzip", "Expect: 100-continue", "Connection: close", "Connection: upgrade"),
    *("Upgrade: h2c", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=x", "Cookie: a", "Range: bytes=0-0", "Host: a b"),
    *("X-A: " + "x" * 30_000, "Content-Encoding: gzip", "Origin: http://x", "X-HTTP-Method-Override: DELETE", "TE: x"),
)
_LENGTHS = (*("Content-Length: @LENGTH@",) * 12, "Content-Length: 0", "Content-Length: 9", "Content-Length: -1", "X: y")
_METHODS = (
    "GET",
    "GET",
    "GET",
    "POST",
    "POST",
    "POST",
    "PUT",
    "PUT",
    "DELETE",
    "HEAD",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "get",
)


def _fitting_methods(path: str) -> Sequence[str]:
    """Return the methods that there are for a path, most likely ones several times."""
    parts = path.strip("/").split("/")
    if parts[0] == "agent":
        return ("GET",) if "stream" in path else ("PUT",)
    if "tags" in parts:
        return ("PUT", "GET", "POST", "DELETE") if parts[-1] == "tags" else ("PUT", "GET", "DELETE")
    if len(parts) > 1 and parts[1] in RESOURCES:
        return ("POST", "POST", "POST", "GET") if len(parts) == 2 else ("PUT", "PUT", "GET", "DELETE")
    return ("GET", "PUT", "DELETE") if "quotas" in parts else ("GET",)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Whole requests, as a rule, and now and then a broken one."""
    side = draw(st.sampled_from(("resource",) * 7 + ("agent", "agent", "other")))
    path = draw({"resource": _resource_paths(), "agent": _AGENT_PATHS, "other": _OTHER_PATHS}[side])
    who = draw(st.sampled_from(_WHO)) if side != "agent" or not draw(st.integers(0, 4)) else "X-Auth-Token: @AGENT@"
    fitting = _fitting_methods(path)
    method = draw(st.sampled_from(fitting if draw(st.integers(0, 7)) else _METHODS))
    body = b""
    if method in {"POST", "PUT", "PATCH"} or not draw(st.integers(0, 19)):
        body = draw(reports()) if side == "agent" else draw(bodies(path.split("/")[2] if path.count("/") > 1 else ""))
    length = draw(st.sampled_from(_LENGTHS))
    more = draw(st.lists(st.sampled_from(_HEADERS), max_size=2))
    lines = [f"{method} {path}{draw(_QUERIES)} HTTP/1.1", "Host: x", who, length, *more]
    data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    whole = length.endswith("@LENGTH@") and "Expect: 100-continue" not in more
    if not draw(st.integers(0, 14)):
        return Request(mutated(Random(draw(st.integers(0, 2**32))), data), is_whole=False)
    return Request(data, whole)
