"""Turns requests from elsewhere away, and gives every answer the headers that keep foreign script out."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANY = "0.0.0.0"
SHORTEST = 16
"""Characters that a token must have."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SANDBOX = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""For a report: it stands alone, may draw itself, and reaches neither the pages nor anything else."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """Lets a request in: the right Host, not from a foreign page, and, where there is a token, with it on each request.

    The token comes as `Authorization: Bearer`, as `?token=` once (a cookie that holds its hash replaces it), or as the cookie.
    """

    app: ASGIApp
    hosts: frozenset[str]
    token: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not enter, else hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._refusal(scope)
        await (answer or self.app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        request = Request(scope)
        if not allowed(request.headers.get("host", ""), self.hosts):
            return _plain(421, "This name is none of this server's; open it by its address, or start it with --known-as NAME.")
        if _foreign(request.headers):
            return _plain(403, "A page of another site may link here, but not read from here.")
        return self._unknown(request) if self.token else None

    def _unknown(self, request: Request) -> Response | None:
        name, mark = f"lawsweep_{request.url.port or 80}", _mark(self.token)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if _same(bearer, self.token) or _same(request.cookies.get(name, ""), mark):
            return None
        if request.method == "GET" and _same(request.query_params.get("token", ""), self.token):
            query = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
            target = request.url.path + (f"?{urlencode(query)}" if query else "")
            answer = RedirectResponse(target if not target.startswith("//") else "/", 303)
            answer.set_cookie(name, mark, httponly=True, samesite="strict", path="/")
            return answer
        return _plain(
            401, "This server wants its token: open the address that 'lawsweep dashboard' printed, with ?token=… in it."
        )


def allowed(host: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header names this server: one of its names, whatever the port; on all interfaces any address will do.

    Who rebinds a name of his own to this machine sends that name, never an address.
    """
    name = (host.rsplit(":", 1)[0] if not host.endswith("]") else host).lower().rstrip(".")
    return name in hosts or (ANY in hosts and _address(name))


def names(host: str) -> frozenset[str]:
    """The names by which a server on that host may be asked for."""
    if host in ("0.0.0.0", "::", ""):
        return frozenset({*LOOPBACK, ANY, socket.gethostname().lower(), socket.getfqdn().lower()})
    return frozenset({*LOOPBACK, f"[{host}]" if ":" in host else host.lower()})


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def loopback(host: str) -> bool:
    """Whether only this machine can reach a server on that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _foreign(headers: Headers) -> bool:
    """Whether a page of another site asks for something that it would not merely link to."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _mark(token: str) -> str:
    """What the cookie holds instead of the token."""
    return hmac.new(token.encode(), b"lawsweep dashboard", hashlib.sha256).hexdigest()


def _same(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode(), secret.encode())


def _plain(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers=HEADERS)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        """Pass a message on with the headers that each answer bears."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
