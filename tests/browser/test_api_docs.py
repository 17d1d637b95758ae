"""The page of the API in a real browser: it draws itself from here alone, under our own policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_docs_page_lists_every_resource(page, url):
    page.goto(url + "/docs")
    for name in ("evaluations", "gradchecks", "runs", "ops"):
        expect(page.locator(f"#operations-tag-{name}")).to_be_visible(timeout=15_000)


def test_operation_can_be_tried_from_the_page(page, url):
    page.goto(url + "/docs")
    page.locator("#operations-version-version_show").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text('"api": "v1"', timeout=15_000)
