"""The first page in a real browser, as a student uses it."""

from __future__ import annotations

import pytest

from service.pages.examples import EXAMPLES

pytestmark = pytest.mark.browser

CONTRAST = """() => {
  const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const rgba = text => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = text; paint.fillRect(0, 0, 1, 1)
    return [...paint.getImageData(0, 0, 1, 1).data]
  }
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92
      : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const shade = rgba(getComputedStyle(e).backgroundColor)
      if (shade[3] === 255) return shade
    }
    return [255, 255, 255, 255]
  }
  const found = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    if (!own || element.closest('svg') || !element.checkVisibility()) continue
    const a = light(rgba(getComputedStyle(element).color)), b = light(ground(element))
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) found.push(`${element.tagName} ${element.textContent.trim()} ${ratio}`)
  }
  return found
}"""


def fill(page, source=None, **fields):
    if source is not None:
        page.get_by_label("Expression").fill(source)
    for name, text in fields.items():
        page.get_by_label(name.replace("_", " "), exact=True).fill(text)
    page.get_by_role("button", name="Evaluate and check").click()


def test_wrong_then_right_claim(page, url):
    page.goto(url)
    fill(page, Your_gradient_for_w1="1.2")
    verdict = page.get_by_role("status")
    assert "w1: you say 1.2, the slope is 1.0000." in verdict.inner_text()
    assert verdict.inner_text().lower().startswith("fail")
    fill(page, Your_gradient_for_w1="1")
    assert verdict.inner_text().lower().startswith("pass")
    page.reload()
    assert page.get_by_label("Your gradient for w1").input_value() == "1"


def test_mistake_is_marked_and_mended(page, url):
    page.goto(url)
    fill(page, "y = x^2")
    assert "^" in page.locator("mark").inner_text()
    assert page.get_by_label("Expression").input_value() == "y = x^2"
    fill(page, "y = x**2")
    assert "Give x a value." in page.get_by_role("status").inner_text()
    fill(page, Value_of_x="3", Your_gradient_for_x="6")
    assert page.get_by_role("status").inner_text().lower().startswith("pass")


def test_slip_halfway_is_explained_and_mended(page, url):
    page.goto(url)
    page.get_by_role("link", name="a slip halfway").click()
    answer = page.locator("#result")
    assert page.get_by_role("heading", name="Probably: sign lost").is_visible()
    assert answer.locator("mark").inner_text() == "e + c"
    assert page.get_by_role("heading", name="Where it goes wrong first").is_visible()
    fill(page, Your_gradient_for_e="-2", Your_gradient_for_a="6", Your_gradient_for_b="-4")
    assert page.get_by_role("status").inner_text().lower().startswith("pass")
    assert not answer.locator("mark").count()


def test_error_curve_is_unfolded_by_the_keyboard(page, url):
    page.goto(url)
    curve = page.get_by_role("img", name="Relative error of difference quotients")
    assert not curve.is_visible()
    page.locator("summary", has_text="Error against the step h").focus()
    page.keyboard.press("Enter")
    assert curve.is_visible()
    assert page.get_by_role("rowheader", name="1e-16").is_visible()


def test_examples_lead_to_a_graph(page, url):
    page.goto(url)
    page.get_by_role("link", name="micrograd's README").click()
    assert page.get_by_role("img", name="Graph of g").is_visible()
    assert "138.8338192419825" in page.locator("main").inner_text()


def test_keyboard_alone_is_enough(page, url):
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_label("Your gradient for b").focus()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    page.wait_for_url("**#result")
    assert page.get_by_role("status").inner_text().lower().startswith("pass")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_and_reads_well(page, url, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    slip = dict(EXAMPLES)["a slip halfway"].query
    twice = "source=b+%3D+a%2Ba&at.a=3&claim.a=1"
    for query in ("", "?source=y+%3D+x^2&at.x=2", f"?{twice}", f"?{slip}"):
        page.goto(f"{url}/{query}")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []


def test_missing_page_leads_back(page, url):
    answer = page.request.get(f"{url}/nowhere")
    assert answer.status == 404
    page.set_content(answer.text())
    assert page.get_by_role("link", name="To the start page").get_attribute("href") == "/"


def test_docs_work_offline(page, url):
    page.goto(f"{url}/docs")
    page.get_by_text("gradchecks").first.wait_for()
