"""The built site, read as a browser would: every link leads somewhere, and no page asks the network for anything.

``python docs/links.py docs/_build/html`` prints what is wrong, and exits with 1 if anything is.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
NOT_LOADED = frozenset({"search", "next", "prev", "index", "author", "canonical"})  # of <link rel=...>


class Page(HTMLParser):
    """What a page names and what it asks for.

    Attributes:
        anchors: its ids.
        links: where its <a> lead.
        loaded: what the browser fetches to show it.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for key, value in attrs if key in ("id", "name") and value}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        target = given.get(LOADS.get(tag, ""))
        if target and not (tag == "link" and given.get("rel") in NOT_LOADED):
            self.loaded.append(target)


def problems(folder: Path) -> list[str]:
    """What is wrong with the site in ``folder``, a line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = [] if pages else [f"{folder} holds no page; build the site first"]
    for path, page in pages.items():
        where = path.relative_to(folder)
        for target in page.links:
            found += [f"{where}: {target} leads nowhere"] if not _there(path, target, pages) else []
        for target in page.loaded:
            if urlsplit(target).scheme not in ("", "data") or target.startswith("//"):
                found.append(f"{where}: {target} is fetched from the network")
            elif not _there(path, target, pages):
                found.append(f"{where}: {target} is not there")
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        if "url(http" in text.replace('"', "").replace("'", "") or ("@import" in text and "http" in text):
            found.append(f"{sheet.relative_to(folder)} asks the network for something")
    return found


def _there(path: Path, target: str, pages: dict[Path, Page]) -> bool:
    """Whether a relative link from a page leads to a file, and to an anchor where it names one."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True  # of others: not ours to check without a network
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not file.is_file():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or file not in pages or anchor in pages[file].anchors or anchor == "top"


def main(arguments: list[str]) -> int:
    """Check the folder that is named; 1 if something is wrong."""
    if len(arguments) != 1:
        print("expected one folder, that of the built site", file=sys.stderr)
        return 2
    found = problems(Path(arguments[0]).resolve())
    print("\n".join(found) if found else "every link leads somewhere, and nothing is fetched from the network")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
