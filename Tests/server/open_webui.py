"""Sends what Open WebUI sends, byte for byte as its own HTTP client (aiohttp) writes it.

Usage: python3 Tests/server/open_webui.py

The requests are those of `open_webui/routers/openai.py` and `images.py`, with its defaults. Needs a release build.
"""

import base64
import http.client
import json

import program

CIRCLE = "Draw a big red circle on a mint background."
BOUNDARY = "0123456789abcdef0123456789abcdef"


class WebUI:
    def __init__(self, server: program.Server, authorization: str):
        self.server, self.authorization = server, authorization

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "Python/3.11 aiohttp/3.14.5"}
        if body is not None:
            headers["Content-Type"] = kind
        headers["Authorization"] = self.authorization
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (path, answer.status, content)
        return content

    def post(self, path: str, body: dict):
        return self.send("POST", path, json.dumps(body).encode())


def form(fields: dict[str, str], files: list[tuple[str, bytes]]) -> bytes:
    """A form as aiohttp writes it: each field tells its type, each file its name."""
    parts = []
    for name, value in fields.items():
        parts.append(f'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="{name}"'
                     f"\r\n\r\n{value}\r\n".encode())
    for name, content in files:
        parts.append(f'Content-Type: image/png\r\nContent-Disposition: form-data; name="{name}"; filename="image.png"'
                     "\r\n\r\n".encode() + content + b"\r\n")
    mark = f"--{BOUNDARY}".encode()
    return b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"


def picture(content: bytes) -> bytes:
    """Open WebUI takes what it gets for a PNG."""
    decoded = base64.b64decode(json.loads(content)["data"][0]["b64_json"])
    assert decoded.startswith(b"\x89PNG")
    return decoded


def talks(ui: WebUI):
    listed = json.loads(ui.send("GET", "/v1/models"))["data"]
    assert [model["id"] for model in listed] == ["shapes"], listed
    source = base64.b64encode(program.draw(CIRCLE)).decode()
    body = {
        "stream": True, "model": "shapes", "temperature": 0, "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "What color is the circle?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{source}"}}]}]}
    lines = ui.post("/v1/chat/completions", body).split(b"\n")
    # Its reader breaks at longer lines.
    assert max(map(len, lines)) < 131_072 and b"data: [DONE]" in lines
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events if event["choices"])
    assert "red" in text.lower() and events[-1]["usage"], text
    # It asks for a title of the conversation in the background.
    title = {"model": "shapes", "stream": False, "max_completion_tokens": 1000,
             "messages": [{"role": "user", "content": "### Task:\nGenerate a concise, 3-5 word title."}]}
    assert json.loads(ui.post("/v1/chat/completions", title))["choices"]


def draws(ui: WebUI):
    body = {"model": "dall-e-2", "prompt": CIRCLE, "n": 1, "size": "512x512", "response_format": "b64_json"}
    picture(ui.post("/v1/images/generations", body))
    # The administrator's own parameters, and a model of the other kind.
    picture(ui.post("/v1/images/generations?api-version=2024-02-01", {
        "model": "gpt-image-1", "prompt": CIRCLE, "n": 1, "size": "auto", "quality": "high", "moderation": "low"}))


def changes(ui: WebUI):
    source = program.draw(CIRCLE)
    fields = {"model": "gpt-image-1", "prompt": "Turn the red circle blue.", "n": "1", "background": "auto",
              "response_format": "b64_json"}
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    for name in ["image", "image[]"]:
        edited = ui.send("POST", "/v1/images/edits", form(fields, [(name, source)]), kind)
        assert picture(edited) != source


def main():
    with program.Server() as server:
        # Without a key it sends the word alone.
        ui = WebUI(server, "Bearer ")
        for part in [talks, draws, changes]:
            part(ui)
            print(f"open_webui: {part.__name__}")
    print("open_webui: passed")


if __name__ == "__main__":
    main()
