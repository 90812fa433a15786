"""A browser that a script drives: headless Chromium behind chromedriver, in the words of WebDriver."""

import base64
import json
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

# How WebDriver calls an element in JSON.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB, ESCAPE = "\ue007", "\ue004", "\ue00c"


class Browser:
    """One window; use it in a `with` statement."""

    def __init__(self, width: int = 1000, height: int = 800):
        self.root = f"http://127.0.0.1:{self.start()}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.root += f"/session/{session['sessionId']}"

    def start(self) -> str:
        """Starts the driver; its port. One that it picks for IPv4 may be taken for IPv6."""
        for _ in range(5):
            self.driver = subprocess.Popen(
                ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in self.driver.stdout:
                if found := re.search(r"successfully on port (\d+)", line):
                    return found[1]
        raise SystemExit("chromedriver does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("DELETE", "")
        self.driver.terminate()
        self.driver.communicate(timeout=30)

    def call(self, method: str, path: str, body: object = None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, address: str):
        self.call("POST", "/url", {"url": address})

    def run(self, script: str, *arguments):
        """What a function's body returns in the page."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def command(self, name: str, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def find(self, selector: str) -> str:
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector: str):
        self.call("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector: str, text: str):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, key: str):
        """A key for whatever has the focus."""
        down, up = {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [down, up]}]})

    def wait(self, script: str, what: str, seconds: float = 60):
        """Waits until a function's body returns something true, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what}")

    def log(self, kind: str) -> list[dict]:
        """What came since the last call."""
        return self.call("POST", "/se/log", {"type": kind})

    def requests(self) -> list[str]:
        """Addresses that the page asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: pathlib.Path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def show_as(self, width: int, height: int, *, is_dark: bool = False, is_phone: bool = False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=is_phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
