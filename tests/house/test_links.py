"""What we write leads somewhere: relative links point to files that exist, and nothing is left to be filled in."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.house.places import ROOT, files

TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)[^`].*?\1")
#: `[text](target)` and `![text](target "title")`; `[label]: target`; `href="target"` and `src="target"`.
LINKS = [
    re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)"),
    re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE),
    re.compile(r"""\b(?:href|src)=["']([^"']+)["']"""),
]
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
#: `<!-- name: begin -->` and `<!-- name: end -->`, and something between them that is not white space.
WRITTEN = re.compile(r"<!-- (\w+): begin -->\s*(?!\s|<!--).+?<!-- \1: end -->", re.DOTALL)
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


def links(text: str) -> list[str]:
    """Where the relative links of a page lead, without their anchors; what is shown as code links nowhere."""
    prose = CODE.sub("", FENCED.sub("", text))
    found = [target for pattern in LINKS for target in pattern.findall(prose)]
    paths = [target.partition("#")[0] for target in found if not ELSEWHERE.match(target)]
    return [unquote(path) for path in paths if path]


def test_links_are_found_in_all_their_forms() -> None:
    """Or the law below would hold for pages that it cannot read."""
    text = """
[a](a.md) and [b](<docs/b.md#anchor> "title") and ![c](c%20d.png)
[far](https://example.org/a) [mail](mailto:a@example.org) [here](#anchor) `[code](nowhere.md)`
<img src="e.svg"> [f]

[f]: f.md

```python
[fenced](nowhere.md)
```
"""
    assert sorted(links(text)) == ["a.md", "c d.png", "docs/b.md", "e.svg", "f.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    """What they lead to exists and is, or would be, committed."""
    known = {place for path in files() for place in (path, *path.parents)}
    wanted = {link: (page.parent / link).resolve() for link in links(page.read_text(encoding="utf-8"))}
    assert not [link for link, path in wanted.items() if path not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_left_to_be_filled_in(page: Path) -> None:
    """A comment holds no place in what people read; only what a script writes stands between two, and is there."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    assert not COMMENT.findall(WRITTEN.sub("", prose))
