"""Every link in the documentation leads to a page that is there, and to a heading on it."""

from __future__ import annotations

import pytest

from tests.pages import headings, links, read


@pytest.mark.parametrize("page", ["attaching.md", "data.md", "other-modules.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    found = links(read(f"docs/{page}"))
    assert len(found) > 5
    for other, heading in found:
        assert heading in headings(read(f"docs/{other or page}")), (other, heading)
