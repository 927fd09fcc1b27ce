"""What the server refuses before it looks at a request: other sites' pages, and names that are not this machine's."""

import ipaddress
from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden, UnsupportedMediaType
from werkzeug.wrappers import Request, Response

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Who may ask."""

    def __init__(self, host: str):
        """Args: the address that the server listens at."""
        self._host = host.lower()

    def check(self, request: Request) -> None:
        """Refuses requests for another host's name, from another site's page, and of a form's content type.

        A page of another site can reach this server through a name of its own that it lets point here, so only names
        that no one else can own are taken. A page's POST of JSON or bytes would first ask, and gets no answer.

        Raises:
            HTTPException: if it is refused.
        """
        if not self._is_ours(request.headers.get("Host", "")):
            raise Forbidden("this server answers to its own address only: open the one that it printed")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{request.headers.get('Host')}":
            raise Forbidden("requests of other sites' pages are refused")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and request.path != "/":
            raise Forbidden("requests of other sites' pages are refused")
        if request.method == "POST" and request.mimetype not in ("application/json", "application/octet-stream"):
            raise UnsupportedMediaType("send JSON, or a picture as application/octet-stream")

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if not name or parts.username is not None or parts.path:
            return False
        return name in ("localhost", self._host) or is_loopback(name) or (not is_loopback(self._host) and _is_ip(name))


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other machine can reach."""
    return host.lower() == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def protect(response: Response) -> Response:
    """Adds the headers that keep a page from loading anything of others, and others from loading it."""
    response.headers.update(HEADERS)
    return response
