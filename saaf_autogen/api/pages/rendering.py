"""Templates to answers: escaped, styled by one sheet, and with the headers of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from saaf_autogen.api.pages.forgery import origin_of
from saaf_autogen.api.pages.text import clean, clip, duration, moment

__all__ = ["Renderer", "content_policy"]

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SOURCE = re.compile(r"https?://[A-Za-z0-9._-]+(:\d{1,5})?|[a-z][a-z0-9+.-]*:")
_PERMISSIONS = "publickey-credentials-get=(self), publickey-credentials-create=(self)"


def content_policy(*, targets: Iterable[str] = (), script: bool = False) -> str:
    """The content security policy of a page.

    Args:
        targets: addresses to which its forms lead in the end. Browsers hold redirects after a
            form to ``form-action`` too, so the client's origin has to be named.
        script: whether the page has the script for passkeys.
    """
    forms = dict.fromkeys(_source(target) for target in targets)
    rules = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action " + " ".join(["'self'", *forms]),
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if script:
        rules += ["script-src 'self'", "connect-src 'self'"]
    return "; ".join(rules)


def _source(target: str) -> str:
    """The origin in the grammar of CSP, which has no IPv6 addresses: then the scheme must do."""
    origin = origin_of(target)
    return origin if _SOURCE.fullmatch(origin) else origin.partition(":")[0] + ":"


class Renderer:
    """Renders templates and serves what they link to.

    Args:
        title: the deployment's name.
        base: the path of the public address, which all links start with.
    """

    def __init__(self, *, title: str, base: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            # Whatever a template shows is clean, without its having to say so.
            finalize=lambda value: clean(value) if type(value) is str else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(clip=clip, duration=duration, moment=moment)
        self._assets = {
            file.name: file.read_bytes() for file in sorted((_HERE / "static").iterdir())
        }
        version = sha256(b"".join(self._assets.values())).hexdigest()[:12]
        self._environment.globals.update(
            site=clip(title), base=base, assets=f"{base}/pages/{version}"
        )

    def page(
        self,
        template: str,
        values: Mapping[str, Any],
        *,
        status: int = 200,
        targets: Iterable[str] = (),
        script: bool = False,
    ) -> HTMLResponse:
        """A template as an answer that no cache keeps and no frame shows."""
        text = self._environment.get_template(template).render(**values, script=script)
        headers = {
            "Content-Security-Policy": content_policy(targets=targets, script=script),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": _PERMISSIONS,
        }
        return HTMLResponse(text, status, headers)

    def asset(self, name: str) -> Response | None:
        """A file that pages link to, by a path that changes with it; None if there is none."""
        body = self._assets.get(name)
        if body is None:
            return None
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(body, headers=kept, media_type=_MEDIA_TYPES[Path(name).suffix])
