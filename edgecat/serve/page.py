"""A page for people: one file, and a policy that lets the browser load nothing else."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from importlib.resources import files


def load_page(package: str, texts: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the page of a package and the headers it is sent with.

    The Content-Security-Policy names the page's own script and style by their hashes, so that
    nothing that gets into the page in another way is run.

    Args:
        package: Whose `page.html`; `{{style}}` in it is how all pages begin theirs, `page.css`.
        texts: What stands in it for each `{{name}}`.
    """
    text = (files(package) / "page.html").read_text(encoding="utf-8")
    look = (files("edgecat.serve") / "page.css").read_text(encoding="utf-8")
    text = text.replace("{{style}}\n", look)
    for name, words in texts.items():
        text = text.replace(f"{{{{{name}}}}}", html.escape(words))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash_of('script', text)}",
            f"style-src {_hash_of('style', text)}",
            "img-src blob: data:",  # the chosen photo; the icon
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return text.encode(), headers


def _hash_of(tag: str, page: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digest = hashlib.sha256("".join(found).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
