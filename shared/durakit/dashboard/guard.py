"""Who may ask, and what every answer carries.

A page open in a browser can send requests to this machine too. So a request must name a host that is ours
(else a stranger's domain could point here: DNS rebinding), must not come from another origin and, behind a
token, must bring it: as bearer, or in a cookie that the log-in form sets.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import re
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from durakit.dashboard.pages import Pages
from durakit.dashboard.views.problems import ProblemView

HEALTH_PATH = "/healthz"
LOGIN_PATH = "/login"
STATIC_PREFIX = "/static/"

_LARGEST_FORM_BYTES = 8 * 1024

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then send our own forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """An ASGI application around another one, which gets only requests that may be answered.

    Args:
        host: what the server is bound to.
        token: what visitors must have, or None.
        base_path: where the pages begin when they are not at the root, such as `/durakit`. Paths without it
            are answered too: some proxies take it away.
        ending: to be set when the server stops; answers without an end of their own then end.
    """

    def __init__(
        self,
        app: ASGIApp,
        pages: Pages,
        *,
        host: str,
        token: str | None,
        base_path: str = "",
        ending: asyncio.Event | None = None,
    ) -> None:
        self.ending = ending or asyncio.Event()
        self._app = app
        self._base = base_path.rstrip("/")
        self._pages = pages
        self._hosts = {"localhost", host.lower()}
        if host not in ("localhost", "127.0.0.1", "::1"):
            self._hosts.add(socket.gethostname().lower())
        self._token = token
        # The cookie tells others nothing about the token. Cookies are shared by all ports of a host, so its
        # name differs between schedulers with different tokens.
        digest = "" if token is None else hmac.new(token.encode(), b"dashboard", hashlib.sha256).hexdigest()
        self._cookie_name, self._cookie = f"durakit-{digest[:8]}", digest[8:]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if self._base:
            inner = path.removeprefix(self._base) if f"{path}/".startswith(f"{self._base}/") else path
            # Routers take the root path off again, so the path must begin with it.
            scope = {**scope, "root_path": self._base, "path": self._base + (inner or "/")}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope, receive)
        answer = await self._refusal_or_login(request)
        await (answer or self._app)(scope, receive, send_guarded)

    async def _refusal_or_login(self, request: Request) -> Response | None:
        """Return an answer of our own; None: the request goes on to the pages."""
        path = request.scope["path"].removeprefix(self._base)
        if path == HEALTH_PATH:
            return None
        problem = self._foreign_host(request.headers) or _foreign_origin(request.headers, request.method)
        if problem is not None:
            return self._pages.problem(request, problem)
        if self._token is None or path.startswith(STATIC_PREFIX):
            return None
        if path == LOGIN_PATH and request.method == "POST":
            return await self._log_in(request)
        if self._knows_token(request.headers):
            return None
        back = f"{self._base}{path}?{request.url.query}".rstrip("?")
        return self._pages.login(request, back=back, is_wrong=False)

    def _foreign_host(self, headers: Headers) -> ProblemView | None:
        # A stranger's domain that points here has no cookie of ours and does not know the token, so behind
        # one any name will do; a proxy in front may use its own.
        if self._token is not None or self._is_ours(_host_name(headers.get("host", ""))):
            return None
        name = headers.get("host") or "without a name"
        return ProblemView(
            403,
            "Unknown host",
            f"This dashboard does not answer to the host {name}. Open it by the address in the scheduler's "
            f"ready line, or start the scheduler with a token (DURAKIT_TOKEN).",
        )

    def _is_ours(self, name: str) -> bool:
        try:
            # Domains can be made to point here, addresses cannot.
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts or name.endswith(".localhost")
        return True

    def _knows_token(self, headers: Headers) -> bool:
        if _same(headers.get("authorization", ""), f"Bearer {self._token}"):
            return True
        try:
            sent = SimpleCookie(headers.get("cookie", "")).get(self._cookie_name)
        except CookieError:
            return False
        return sent is not None and _same(sent.value, self._cookie)

    async def _log_in(self, request: Request) -> Response:
        form = await _read_form(request)
        back = form.get("back", "/")
        # Only paths of our own: //host and /\host would lead to another one.
        if not re.fullmatch(r"/(?![/\\])[!-~]*", back):
            back = "/"
        if not _same(form.get("token", "").strip(), self._token or ""):
            return self._pages.login(request, back=back, is_wrong=True)
        answer = RedirectResponse(back, status_code=303)
        answer.set_cookie(self._cookie_name, self._cookie, httponly=True, samesite="strict")
        return answer


def _foreign_origin(headers: Headers, method: str) -> ProblemView | None:
    origin = headers.get("origin")
    if method == "POST" and origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        origin = "another site"
    if origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower():
        return None
    return ProblemView(
        403, "Foreign origin", f"The request comes from a page of {origin}, which may not use this dashboard."
    )


def _host_name(header: str) -> str:
    found = re.fullmatch(r"\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?", header.strip().lower())
    return "" if found is None else (found[1] or found[2] or "").removesuffix(".")


def _same(sent: str, expected: str) -> bool:
    return hmac.compare_digest(sent.encode(errors="replace"), expected.encode())


async def _read_form(request: Request) -> dict[str, str]:
    """Return the last value of each field; nothing when the form is larger than ours can be."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode(errors="replace"))
    return {name: values[-1] for name, values in fields.items()}
