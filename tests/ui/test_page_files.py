"""The page's files keep what the gateway's Content-Security-Policy and its tests stand on."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

UI = files("headrace.ui")
FILES = ("index.html", "page.js", "page.css", "headrace.js")


class Page(HTMLParser):
    """Gathers what a policy without 'unsafe-inline' and without foreign sources would block."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.testids: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.inline.append(f"<{tag} {name}>")
            if name in {"src", "href", "action"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "data-testid":
                self.testids.append(value or "")
        if tag in {"script", "style"}:
            self.in_script = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script and data.strip():
            self.inline.append(data)


def read_page() -> Page:
    page = Page()
    page.feed(UI.joinpath("index.html").read_text("utf-8"))
    page.close()
    return page


def test_nothing_in_the_page_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = read_page()
    assert page.inline == []
    own = {"assets/page.css", "assets/page.js"}
    assert {address for address in page.addresses if not address.startswith("data:")} == own


def test_no_file_loads_anything_from_elsewhere_or_writes_markup() -> None:
    for name in FILES:
        text = UI.joinpath(name).read_text("utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?\w+:|from ['\"]\w+:", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


def test_what_others_look_for_is_there_once() -> None:
    page = read_page()
    assert len(page.ids) == len(set(page.ids))
    assert {"prompt", "send", "stop", "model", "status"} <= set(page.ids)
    assert {"answer", "notice"} <= set(page.testids)


def test_every_element_that_the_script_looks_for_is_in_the_page() -> None:
    page = read_page()
    wanted = re.findall(r'find\(document, "#(\w+)"', UI.joinpath("page.js").read_text("utf-8"))
    assert wanted
    assert set(wanted) <= set(page.ids)
