"""Ask a publisher over HTTP: with a deadline, and never from an encrypted address to a plain one."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from scripts.lib.artifacts import ArtifactError

AGENT = "ibgateway-ops"
MOST_TEXT = 1 << 20
# What may go well another time.
PASSING = (408, 425, 429, 500, 502, 503, 504)
# HTTPException: cut short, or no HTTP at all. OSError: refused, unreachable, timed out; URLError is one, too.
FAILURES = (OSError, http.client.HTTPException)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise ArtifactError(f"{req.full_url} leads to {newurl}, which is not encrypted: not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


def ask(
    url: str, seconds: float, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> http.client.HTTPResponse:
    """Send one request.

    Args:
        url: http or https.
        seconds: how long a silence may last.
        headers: to be sent beside our own.
        method: GET or HEAD.

    Returns:
        The answer, whose body is not read yet; close it.

    Raises:
        ArtifactError: the address is of another kind, or leads from https to http.
        OSError: no answer, or one that is an error (urllib's HTTPError).
        http.client.HTTPException: the answer is no HTTP.
    """
    if not url.startswith(("http://", "https://")):
        raise ArtifactError(f"{url} is no http or https address: correct it.")
    # Not compressed: what is hashed and resumed are the file's own bytes.
    own = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=own | dict(headers or {}), method=method)  # noqa: S310
    return _OPENER.open(request, timeout=seconds)


def text(url: str, seconds: float) -> str:
    """Read a short text.

    Args:
        url: http or https.
        seconds: how long it may take.

    Raises:
        ArtifactError: it cannot be had, takes too long, or is too long.
    """
    deadline = time.monotonic() + seconds
    found = bytearray()
    try:
        with ask(url, seconds) as response:
            while chunk := response.read1(1 << 16):
                found += chunk
                if len(found) > MOST_TEXT:
                    raise ArtifactError(f"{url} answers with more than a short text: check the address.")
                if time.monotonic() > deadline:
                    raise TimeoutError
    except FAILURES as error:
        raise ArtifactError(f"{url} cannot be read ({reason(error)}): {remedy(error)}") from None
    return found.decode("utf-8", errors="replace")


def reason(error: Exception) -> str:
    """Say in a few words why a request failed.

    Args:
        error: one of FAILURES.
    """
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    return str(inner) or type(inner).__name__


def remedy(error: Exception) -> str:
    """Say what to do about a request that failed.

    Args:
        error: one of FAILURES.
    """
    status = error.code if isinstance(error, urllib.error.HTTPError) else 0
    if status in (403, 429):
        return "the publisher wants fewer requests: try again in an hour, or lock a file with --from."
    if 400 <= status < 500 and status not in PASSING:
        return "correct the address (--publishers), or lock a file you have with --from."
    return "try again later, or lock a file you have with --from."
