"""Uses the web page as a person does, in headless Chromium.

Usage: python3 Tests/server/page.py [FOLDER]

Needs Debian's `chromium` and `chromium-driver`, and a release build. Leaves screenshots in FOLDER.
"""

import pathlib
import sys
import tempfile
import time

import program
from browser import ENTER, ESCAPE, TAB, Browser

CIRCLE = "Draw a big red circle on a mint background."

# Remembers what every unfinished picture looked like.
WATCH = """
window.seen = [];
document.addEventListener("load", ({ target }) => {
  if (!target.matches?.(".drawn")) return;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [target.naturalWidth, target.naturalHeight];
  canvas.getContext("2d").drawImage(target, 0, 0);
  const text = canvas.toDataURL();
  if (!window.seen.includes(text)) window.seen.push(text);
}, true);
"""
LAST = "document.querySelector('#turns > li:last-child')"
IS_DONE = f"return {LAST}?.ariaBusy === 'false'"


class Page:
    def __init__(self, browser: Browser, server: program.Server, folder: pathlib.Path):
        self.browser, self.server, self.folder = browser, server, folder

    def open(self):
        self.browser.open(self.server.address + "/")
        self.browser.wait("return document.querySelector('#model').textContent", "the name of the model")
        self.browser.run(WATCH)

    def done(self, count: int):
        """Waits until the turn of this number has ended."""
        self.browser.wait(f"return document.querySelectorAll('#turns > li').length === {count}", f"turn {count}")
        self.browser.wait(IS_DONE, f"the end of turn {count}")

    def last(self, selector: str) -> str:
        return self.browser.run(f"return {LAST}.querySelector(arguments[0])?.textContent ?? ''", selector)

    def picture(self) -> list[int]:
        """The colour of the last picture's middle."""
        return self.browser.run(f"""
            const image = {LAST}.querySelector(".drawn"), canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];""")

    def screenshot(self, name: str):
        # Until what has come is laid out.
        time.sleep(0.3)
        self.browser.screenshot(self.folder / f"{name}.png")

    def quiet(self):
        """Nothing failed, and nothing was asked of another server."""
        entries = [entry["message"] for entry in self.browser.log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        assert not entries, entries
        own = (self.server.address, "blob:", "data:,")
        foreign = [address for address in self.browser.requests() if not address.startswith(own)]
        assert not foreign, foreign


def draws(page: Page):
    """A person who has never seen the page presses the first example."""
    page.screenshot("welcome")
    page.browser.click("#examples button")
    page.done(1)
    assert page.last(".error") == "", page.last(".error")
    red, green, blue, _ = page.picture()
    assert red > 150 > max(green, blue), (red, green, blue)
    page.screenshot("drawn")
    page.quiet()


def changes_the_last_picture(page: Page):
    page.browser.click("#turns > li:last-child .actions button")
    page.browser.type("#text", "Turn the red circle blue." + ENTER)
    page.done(2)
    red, green, blue, _ = page.picture()
    assert blue > max(red, green), (red, green, blue)
    page.screenshot("changed")
    page.quiet()


def changes_an_upload_and_asks(page: Page):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "circle.png"
        path.write_bytes(program.draw(CIRCLE, "--seed", "3"))
        page.browser.type("#file", str(path))
        page.browser.wait("return document.querySelectorAll('#pictures img').length === 1", "the chosen picture")
        assert page.browser.run("return document.querySelector('#composer').elements.kind.value") == "edit"
        page.browser.type("#text", "Turn the red circle green.")
        page.browser.click("#send")
        page.done(3)
        red, green, blue, _ = page.picture()
        assert green > max(red, blue), (red, green, blue)
        page.browser.type("#file", str(path))
        page.browser.wait("return document.querySelectorAll('#pictures img').length === 1", "the chosen picture")
        page.browser.click("input[value=ask] + span")
        page.browser.type("#text", "What color is the circle?" + ENTER)
        page.done(4)
    assert "red" in page.last(".answer").lower(), page.last(".answer")
    page.screenshot("asked")
    page.quiet()


def sets_the_size(page: Page, size: str):
    page.browser.click("#open-settings")
    page.browser.run("document.querySelector('#size').value = arguments[0]", size)
    page.screenshot("settings")
    page.browser.press(ESCAPE)


def waits_and_stops(page: Page):
    sets_the_size(page, "1024x1024")
    page.browser.click("input[value=draw] + span")
    page.browser.type("#text", CIRCLE + ENTER)
    page.browser.wait(f"return {LAST}.querySelector('progress').value > 0", "a running turn")
    page.browser.type("#text", CIRCLE + ENTER)
    page.browser.wait(f"return {LAST}.textContent.includes('Waiting: one before this')", "the place in the queue")
    page.screenshot("waiting")
    page.browser.click("#turns > li:last-child .progress button")
    page.done(6)
    page.browser.click("#turns > li[aria-busy=true] .progress button")
    assert page.last(".progress ~ .quiet") == "Stopped.", page.last(".progress ~ .quiet")
    page.browser.wait("return !document.querySelector('#turns > li[aria-busy=true]')", "the end of both")
    # The server has stopped, too.
    end = time.monotonic() + 10
    while b"\nvarlite_jobs_running 0\n" not in page.server.get("/metrics"):
        assert time.monotonic() < end, "the job goes on"
        time.sleep(0.1)
    page.quiet()


def goes_on_without_the_page(page: Page):
    """Who leaves the page while previews change and comes back finds the picture."""
    sets_the_size(page, "512x512")
    page.browser.run("window.seen.length = 0")
    page.browser.type("#text", CIRCLE + ENTER)
    page.browser.wait("return window.seen.length >= 3", "several previews")
    assert page.browser.run(f"return {LAST}.ariaBusy") == "true", "previews come before the end"
    page.screenshot("running")
    page.open()
    page.done(7)
    red, green, blue, _ = page.picture()
    assert red > 150 > max(green, blue), (red, green, blue)
    assert page.browser.run("return document.querySelectorAll('.drawn:not([hidden])').length") >= 4
    page.quiet()


def varies(page: Page):
    before = page.browser.run(f"return {LAST}.querySelector('.seed').textContent")
    page.browser.click("#turns > li:last-child summary")
    page.screenshot("varying")
    page.browser.run("window.seen.length = 0")
    page.browser.click("#turns > li:last-child .scales button")
    page.done(8)
    assert page.last(".seed") not in ["", before], "another seed"
    assert page.last(".error") == "", page.last(".error")
    assert page.browser.run("return window.seen.length") >= 2, "previews"
    page.screenshot("varied")
    page.quiet()


def can_be_used_by_keyboard_and_screen_reader(page: Page):
    # Every control has a name.
    nodes = page.browser.command("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "textbox", "radio", "combobox", "link", "image", "progressbar"}
    controls = [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]
    assert len(controls) > 15, len(controls)
    nameless = [node["role"]["value"] for node in controls if not node.get("name", {}).get("value")]
    assert not nameless, nameless
    # Tab goes from the top to the button that sends.
    page.browser.run("document.activeElement.blur(); window.getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.browser.run("document.querySelector('.skip').focus()")
    reached = []
    for _ in range(60):
        page.browser.press(TAB)
        reached.append(page.browser.run("return document.activeElement.id || document.activeElement.textContent"))
        if reached[-1] == "send":
            break
    for wanted in ["open-settings", "Remove", "text", "file", "send"]:
        assert wanted in reached, (wanted, reached)
    # Letters stand out from what is behind them.
    low = page.browser.run(CONTRAST)
    assert not low, low


CONTRAST = """
const part = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const light = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const color = numbers(getComputedStyle(element).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("h1, h2, p, button, label span, .button, textarea, legend")]
  .filter((element) => element.checkVisibility() && element.textContent.trim())
  .map((element) => {
    const pair = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    return [element.textContent.trim(), (pair[0] + 0.05) / (pair[1] + 0.05)];
  })
  .filter(([, contrast]) => contrast < 4.5);
"""


def fits_a_phone(page: Page):
    for name, is_dark in [("phone", False), ("phone-dark", True)]:
        page.browser.show_as(360, 640, is_dark=is_dark, is_phone=True)
        page.open()
        assert page.browser.run("return document.documentElement.scrollWidth <= 360"), "wider than a phone"
        low = page.browser.run(CONTRAST)
        assert not low, low
        page.screenshot(name)
    page.browser.run("document.querySelector('#turns > li').scrollIntoView()")
    page.screenshot("phone-drawn")
    page.browser.show_as(1000, 800)
    page.quiet()


def forgets(page: Page):
    page.browser.click("#open-settings")
    page.browser.click("#forget")
    page.browser.wait("return document.querySelector('#status').textContent.includes('forgotten')", "the end of it")
    assert page.browser.run("return !document.querySelector('#welcome').hidden")
    page.open()
    assert page.browser.run("return document.querySelectorAll('#turns > li').length") == 0
    page.quiet()


def asks_for_the_key(browser: Browser, folder: pathlib.Path):
    with program.Server(keys=["a-key-of-the-tests"]) as server:
        page = Page(browser, server, folder)
        browser.open(server.address + "/")
        browser.wait("return document.querySelector('#settings').open", "the dialog that asks for the key")
        page.screenshot("key")
        browser.type("#key", "a-key-of-the-tests" + ENTER)
        browser.wait("return document.querySelector('#model').textContent", "the name of the model")
        # The browser itself tells of the one answer without a key.
        entries = [entry["message"] for entry in browser.log("browser") if entry["level"] == "SEVERE"]
        assert all("401" in entry for entry in entries), entries


STEPS = [
    draws, changes_the_last_picture, changes_an_upload_and_asks, waits_and_stops, goes_on_without_the_page, varies,
    can_be_used_by_keyboard_and_screen_reader, fits_a_phone, forgets,
]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="varlite-page."))
    folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        with program.Server() as server:
            page = Page(browser, server, folder)
            page.open()
            for step in STEPS:
                step(page)
                print(f"page: {step.__name__.replace('_', ' ')}")
        asks_for_the_key(browser, folder)
        print("page: asks for the key")
    print(f"page: passed; screenshots in {folder}")


if __name__ == "__main__":
    main()
