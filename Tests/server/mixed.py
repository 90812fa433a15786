"""Sends what many clients send at once: questions, drawings, edits, jobs, streams, requests that are wrong in every
way, and leaves at any moment.

Usage: python3 Tests/server/mixed.py [--count N] [--seed N] [--health-seconds S]

16 clients send 1,000 requests by default. Every answer has to be well formed. The server must not grow behind the first
tenth of the requests (below 1,000 of them its size tells nothing), and answers /health within 0.1 s meanwhile. Needs a
release build.
"""

import argparse
import base64
import dataclasses
import json
import multiprocessing
import pathlib
import random
import socket
import struct
import tempfile
import threading
import time

import program

CLIENTS = 16
KEYS = ["one", "two", "three", "four"]
QUEUE, QUEUE_PER_KEY, BODY = 8, 3, 256 << 10
OPTIONS = ["--max-queue", QUEUE, "--max-queue-per-key", QUEUE_PER_KEY, "--max-body", BODY, "--keep-bytes", 512 << 10]
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error",
         503: "unavailable_error"}
"""What an answer's error says its type is; the other ones of 4xx say invalid_request_error."""
BUSY = {429, 503}
SECONDS = 60
"""Within which each answer is there."""


@dataclasses.dataclass
class Case:
    """A request, and what may come of it."""

    method: str
    path: str
    body: bytes | None = None
    headers: list[str] = dataclasses.field(default_factory=list)
    statuses: set[int] = dataclasses.field(default_factory=lambda: {200})
    kind: str = "application/json"
    """Of the answer."""
    works: bool = False
    """Whether the model is asked: the answer takes a while, and the queue may be full."""
    raw: bytes | None = None
    """What is sent in place of all that."""
    may_end: bool = False
    """Whether the connection may end without an answer."""


# What is asked for


class Requests:
    """Makes one request after the other by chance."""

    def __init__(self, chance: random.Random, picture: bytes):
        self.chance, self.picture = chance, picture
        self.address = "data:image/png;base64," + base64.b64encode(picture).decode()
        self.makers = [(self.question, 20), (self.drawing, 20), (self.edit, 12), (self.form, 10), (self.web_ui, 5),
                       (self.job, 15), (self.told, 12), (self.wrong_json, 10), (self.wrong_form, 8),
                       (self.too_large, 6), (self.nowhere, 6), (self.garbage, 6), (self.stranger, 4)]

    def next(self) -> Case:
        makers, weights = zip(*self.makers)
        return self.chance.choices(makers, weights)[0]()

    def maybe(self, share: float = 0.5) -> bool:
        return self.chance.random() < share

    def json(self, path: str, document: dict, **options) -> Case:
        headers = ["Content-Type: application/json"]
        if self.maybe(0.3):
            headers.append(f"X-Stainless-Read-Timeout: {self.chance.choice(['2', '600'])}")
        if self.maybe(0.1):
            headers.append("Expect: 100-continue")
        return Case("POST", path, json.dumps(document).encode(), headers, **options)

    def question(self) -> Case:
        content = "What color is the circle?"
        if self.maybe():
            content = [{"type": "image_url", "image_url": {"url": self.address}}, {"type": "text", "text": content}]
        document = {"messages": [{"role": "user", "content": content}], "max_tokens": self.chance.randint(1, 12)}
        streams = self.maybe()
        if streams:
            document |= {"stream": True, "stream_options": {"include_usage": self.maybe()}}
        return self.json("/v1/chat/completions", document, works=True,
                         kind="text/event-stream" if streams else "application/json")

    def asked(self) -> dict:
        document = {"prompt": "Draw a big red circle.", "seed": self.chance.randrange(1000),
                    "size": self.chance.choices(["auto", "256x256"], [9, 1])[0]}
        if self.maybe(0.2):
            document |= {"output_format": "jpeg"}
        return document

    def pictures(self, path: str, document: dict) -> Case:
        streams = self.maybe(0.4)
        if streams:
            document |= {"stream": True, "partial_images": self.chance.randint(0, 3)}
        elif self.maybe(0.2):
            document["n"] = 2
        return self.json(path, document, works=True, kind="text/event-stream" if streams else "application/json")

    def drawing(self) -> Case:
        return self.pictures("/v1/images/generations", self.asked())

    def edit(self) -> Case:
        document = {"prompt": "Turn the red circle blue.", "seed": 0, "images": [{"image_url": self.address}]}
        return self.pictures("/v1/images/edits", document)

    def parts(self, boundary: str, fields: dict[str, str]) -> bytes:
        parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                 for name, value in fields.items()]
        parts.append(b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n'
                     b"Content-Type: image/png\r\n\r\n" + self.picture + b"\r\n")
        mark = f"--{boundary}".encode()
        return b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"

    def form(self) -> Case:
        fields = {"prompt": "Turn the red circle blue.", "seed": "0"}
        return Case("POST", "/v1/images/edits", self.parts("mark", fields),
                    ["Content-Type: multipart/form-data; boundary=mark"], works=True)

    def web_ui(self) -> Case:
        return self.json("/sdapi/v1/txt2img", {"prompt": "Draw it.", "seed": 3}, works=True)

    def job(self) -> Case:
        document = {"type": "image.generation"} | self.asked()
        if self.maybe(0.3):
            document = {"type": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
        return self.json("/varlite/v1/jobs", document, works=True, statuses={202})

    def told(self) -> Case:
        path, kind = self.chance.choice([
            ("/v1/models", "application/json"), ("/v1/models/shapes", "application/json"), ("/metrics", "text/plain"),
            ("/", "text/html"), ("/page.js", "text/javascript"), ("/sdapi/v1/progress", "application/json")])
        return Case("GET", path, kind=kind)

    # What is wrong

    WORKING = ["/v1/chat/completions", "/v1/images/generations", "/v1/images/edits", "/varlite/v1/jobs",
               "/sdapi/v1/txt2img", "/sdapi/v1/img2img"]

    def wrong_json(self) -> Case:
        whole = json.dumps({"type": "chat", "prompt": 7, "messages": [{"role": "user", "content": {"a": []}}]}).encode()
        body = self.chance.choice([
            b"", b"{", b"null", b"[]", b'"', b"[" * 5000, b'{"a":' * 5000, b'{"prompt": "\\ud800"', b'{"prompt": NaN}',
            b'{"seed": 1e999, "prompt": 1}', b'{"prompt": ' + b"9" * 5000 + b"}", b"\xff\xfe{}", whole,
            whole[:self.chance.randrange(len(whole))], self.chance.randbytes(200), b'{"prompt": "", "messages": ""}'])
        return Case("POST", self.chance.choice(self.WORKING), body, ["Content-Type: application/json"], {400})

    def wrong_form(self) -> Case:
        whole = self.parts("mark", {"prompt": "Draw it."})
        cut = self.chance.randrange(len(whole) - 8)
        body, boundary = self.chance.choice([
            (whole[:cut], "mark"), (whole, "other"), (whole, ""), (b"", "mark"), (b"--mark--\r\n", "mark"),
            (b"--mark\r\n\r\n\r\n--mark--\r\n", "mark"), (self.chance.randbytes(2000), "mark"),
            (b"--mark\r\nContent-Disposition: form-data; name=\"prompt\r\n\r\na\r\n--mark--\r\n", "mark"),
            (self.parts("mark", {"prompt": "a", "mask": "b", "n": "many"}), "mark"),
            (self.parts("mark", {"a" * 5000: "b"}).replace(b"\r\n\r\nb\r\n", b"\r\n\r\n\xff\r\n"), "mark")])
        return Case("POST", self.chance.choice(["/v1/images/edits", "/varlite/v1/jobs"]), body,
                    [f"Content-Type: multipart/form-data; boundary={boundary}"], {400})

    def too_large(self) -> Case:
        path, size = self.chance.choice(self.WORKING), BODY + self.chance.randint(1, 100_000)
        if self.maybe(0.3):
            return Case("POST", path, statuses={413}, may_end=True,
                        headers=[f"Content-Length: {size << 20}", "Expect: 100-continue"])
        if self.maybe():
            return Case("POST", path, b" " * size, statuses={413}, may_end=True)
        body = b"".join(b"10000\r\n" + b" " * 65536 + b"\r\n" for _ in range(size // 65536 + 1)) + b"0\r\n\r\n"
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer one\r\nConnection: close\r\n"
        return Case("POST", path, statuses={413}, may_end=True,
                    raw=head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + body)

    def nowhere(self) -> Case:
        name = "".join(self.chance.choices("abc/%.?=~é", k=12))
        return self.chance.choice([
            Case("GET", f"/v1/{name}", statuses={400, 404}), Case("POST", "/v1/embeddings", b"{}", statuses={404}),
            Case("DELETE", "/v1/models", statuses={405}), Case("GET", "/v1/chat/completions", statuses={405}),
            Case("PUT", "/health", b"a", statuses={405}), Case("GET", "/varlite/v1/jobs/../../etc", statuses={404}),
            Case("GET", f"/varlite/v1/jobs/job_{'0' * 32}", statuses={404}),
            Case("GET", "/v1/models/gpt-4o", statuses={404})])

    def garbage(self) -> Case:
        host = b"Host: localhost\r\nAuthorization: Bearer one\r\n"
        raw = self.chance.choice([
            self.chance.randbytes(300) + b"\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"\r\n" * 50 + b"x\r\n\r\n",
            b"GET /health HTTP/1.1\r\n" + host + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Expect: something\r\nContent-Length: 2\r\n\r\n{}"])
        return Case("GET", "", statuses={400, 417, 431}, raw=raw, may_end=True)

    def stranger(self) -> Case:
        return self.chance.choice([
            Case("GET", "/v1/models", headers=["Authorization: Bearer five"], statuses={401}),
            Case("GET", "/v1/models", headers=["Host: attacker.example"], statuses={403}),
            Case("POST", "/v1/chat/completions", b"{}", ["Origin: http://attacker.example"], {403})])


# What comes of it


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @staticmethod
    def parse(received: bytes):
        """The answer behind those of the interim; nothing where there is none."""
        while True:
            if not received:
                return None
            head, mark, rest = received.partition(b"\r\n\r\n")
            assert mark and head.startswith(b"HTTP/1.1 "), f"no head: {received[:200]}"
            lines = head.decode("ascii").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
            assert status in (100, 102) and len(lines) == 1, lines
            received = rest
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size, mark, rest = rest.partition(b"\r\n")
                assert mark, f"cut behind {len(body)} bytes"
                count = int(size, 16)
                assert rest[count:count + 2] == b"\r\n", f"cut behind {len(body)} bytes"
                if count == 0:
                    assert rest == b"\r\n", rest[:100]
                    return Answer(status, headers, body)
                body, rest = body + rest[:count], rest[count + 2:]
        assert int(headers["content-length"]) == len(rest), (headers, len(rest))
        return Answer(status, headers, rest)

    def check(self, case: Case):
        allowed = case.statuses | (BUSY if case.works else set())
        assert self.status in allowed, f"{self.status}, not {allowed}: {self.body[:300]}"
        kind = self.headers["content-type"].split(";")[0]
        if self.status >= 400:
            assert kind == "application/json", kind
            return self.check_error(json.loads(self.body))
        assert kind == case.kind, f"{kind}, not {case.kind}"
        if kind == "text/event-stream":
            return self.check_events(case.path)
        if kind == "application/json":
            self.check_document(case.path, json.loads(self.body))

    def check_error(self, document: dict):
        assert list(document) == ["error"], document
        error = document["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert error["message"] and "\n" not in error["message"] and len(error["message"]) <= 1100, error
        assert error["code"] and error["type"] == TYPES.get(self.status, "invalid_request_error"), (self.status, error)
        assert error["param"] is None or 0 < len(error["param"]) <= 1100, error
        if self.status in BUSY:
            assert error["code"] == {429: "rate_limit_exceeded", 503: "queue_full"}[self.status], error
            after = self.headers.get("retry-after")
            assert self.headers.get("x-should-retry") == "false" or 0 < int(after) < 120, self.headers

    def check_document(self, path: str, document):
        if path == "/v1/chat/completions":
            assert document["choices"][0]["finish_reason"] in ("stop", "length"), document
        elif path.startswith("/v1/images/"):
            for picture in document["data"]:
                check_picture(picture["b64_json"], document["output_format"])
        elif path == "/sdapi/v1/txt2img":
            check_picture(document["images"][0], "png")

    def check_events(self, path: str):
        assert self.body.endswith(b"\n\n"), self.body[-100:]
        events = [event for event in self.body.decode().split("\n\n")[:-1] if not event.startswith(":")]
        lines = [line for event in events for line in event.split("\n") if line.startswith("data: ")]
        assert len(lines) == len(events) and lines, events
        documents = [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]
        if lines[-1] != "data: [DONE]":
            return self.check_error(documents[-1])
        assert lines.count("data: [DONE]") == 1, lines
        if path == "/v1/chat/completions":
            assert all(len(line) <= 128 << 10 for line in lines)
            assert all(document["object"] == "chat.completion.chunk" for document in documents), documents
            reasons = [choice["finish_reason"] for document in documents for choice in document["choices"]]
            assert sum(reason is not None for reason in reasons) == 1, reasons
        else:
            assert documents[-1]["type"].endswith(".completed"), documents[-1]["type"]
            for document in documents:
                check_picture(document["b64_json"], document["output_format"])


def check_picture(text: str, kind: str):
    """Whether it is a whole file."""
    file = base64.b64decode(text, validate=True)
    start, end = {"png": (b"\x89PNG", b"IEND\xaeB`\x82"), "jpeg": (b"\xff\xd8", b"\xff\xd9")}[kind]
    assert file.startswith(start) and file.endswith(end), file[:8]


# Who asks


class Client:
    def __init__(self, port: int, key: str, requests: Requests):
        self.port, self.key, self.requests, self.chance = port, key, requests, requests.chance
        self.counts: dict[str, int] = {}

    def count(self, name: object):
        self.counts[str(name)] = self.counts.get(str(name), 0) + 1

    def bytes(self, case: Case) -> bytes:
        if case.raw is not None:
            return case.raw
        names = {header.split(":")[0].lower() for header in case.headers}
        lines = [f"{case.method} {case.path} HTTP/1.1", "Connection: close", *case.headers]
        if "host" not in names:
            lines.append("Host: localhost")
        if "authorization" not in names:
            lines.append(f"Authorization: Bearer {self.key}")
        if case.body is not None:
            lines.append(f"Content-Length: {len(case.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (case.body or b"")

    def ask(self, case: Case, leaves_after: float | None = None) -> Answer | None:
        """The answer; nothing where the client left before."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            message, received = self.bytes(case), b""
            if leaves_after is not None and self.chance.random() < 0.2:
                message = message[:self.chance.randrange(len(message))]
            if self.chance.random() < 0.3:
                # It has no word with the network about it: the other end resets what it did not read.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            deadline = time.monotonic() + (SECONDS if leaves_after is None else leaves_after)
            try:
                connection.sendall(message)
                while (left := deadline - time.monotonic()) > 0:
                    connection.settimeout(left)
                    piece = connection.recv(1 << 16)
                    if not piece:
                        return Answer.parse(received)
                    received += piece
            except TimeoutError:
                pass
            except OSError:
                # The server reads no more of what is wrong: its answer may be lost on the way.
                if not (case.may_end or leaves_after is not None):
                    raise
                return None
            assert leaves_after is not None, f"no end of the answer within {SECONDS} s: {received[:300]}"
            return None

    def once(self):
        case = self.requests.next()
        leaves = case.works and self.chance.random() < 0.2
        answer = self.ask(case, self.chance.random() ** 2 if leaves else None)
        if answer is None:
            assert leaves or case.may_end, f"no answer to {case}"
            return self.count("left" if leaves else "no answer")
        try:
            answer.check(case)
        except Exception as error:
            raise AssertionError(f"{str(case)[:600]}: {type(error).__name__}: {error}") from error
        self.count(answer.status)
        if answer.status == 202:
            self.follow(json.loads(answer.body)["id"])

    def follow(self, job: str):
        """Looks at a job, stops it, or leaves it alone."""
        path = f"/varlite/v1/jobs/{job}"
        course = self.chance.choice(["wait", "stop", "leave"])
        while course == "wait":
            state = self.told("GET", path)
            if state["status"] == "completed":
                if state["type"] == "image.generation":
                    file = self.ask(Case("GET", f"{path}/result")).body
                    check_picture(base64.b64encode(file).decode(), "png" if file[0] == 0x89 else "jpeg")
                break
            assert state["status"] in ("queued", "running"), state
            time.sleep(0.05)
        if course != "leave":
            assert self.told("DELETE", path)["status"] in ("completed", "cancelled")

    def told(self, method: str, path: str) -> dict:
        answer = self.ask(Case(method, path))
        assert answer.status == 200, answer
        return json.loads(answer.body)


def watch(port: int, stop, found):
    """Asks for /health again and again, in a process of its own, and looks at the queue. Puts times and lengths."""
    client = Client(port, KEYS[0], Requests(random.Random(0), b""))
    times, lengths, count = [], [], 0
    while not stop.is_set():
        began = time.monotonic()
        health = client.ask(Case("GET", "/health"))
        times.append(time.monotonic() - began)
        assert health.status == 200, health
        count += 1
        if count % 5 == 0:
            page = client.ask(Case("GET", "/metrics", kind="text/plain")).body.decode()
            lengths.append(int(page.split("\nvarlite_jobs_queued ")[1].split("\n")[0]))
        time.sleep(0.01)
    found.put((times, lengths))


class Turmoil:
    """A server and its clients."""

    def __init__(self, server: program.Server, seed: int):
        self.server, self.failures = server, []
        chances = [random.Random(seed * CLIENTS + number) for number in range(CLIENTS)]
        first = Requests(chances[0], b"")
        drawn = Client(server.port, KEYS[0], first).ask(
            Case("POST", "/v1/images/generations", b'{"prompt": "Draw a big red circle.", "seed": 7}'))
        picture = base64.b64decode(json.loads(drawn.body)["data"][0]["b64_json"])
        self.clients = [Client(server.port, KEYS[number % len(KEYS)], Requests(chance, picture))
                        for number, chance in enumerate(chances)]

    def run(self, count: int):
        def work(client: Client, own_count: int):
            for _ in range(own_count):
                if self.failures:
                    return
                try:
                    client.once()
                except Exception as error:
                    self.failures.append(f"{type(error).__name__}: {error}")

        shares = [count * (number + 1) // CLIENTS - count * number // CLIENTS for number in range(CLIENTS)]
        threads = [threading.Thread(target=work, args=pair) for pair in zip(self.clients, shares)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rest()

    def rest(self):
        """Waits until nothing runs any more."""
        deadline = time.monotonic() + SECONDS
        while not self.failures:
            page = self.clients[0].ask(Case("GET", "/metrics")).body.decode()
            if "\nvarlite_jobs_running 0\n" in page and "\nvarlite_jobs_queued 0\n" in page:
                return
            if time.monotonic() > deadline:
                self.failures.append("work goes on that nobody waits for")
            time.sleep(0.05)

    def resident_bytes(self) -> int:
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    @property
    def counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for client in self.clients:
            for name, count in client.counts.items():
                total[name] = total.get(name, 0) + count
        return dict(sorted(total.items()))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seed", type=int, default=19)
    options.add_argument("--health-seconds", type=float, default=0.1)
    options = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, program.Server(*OPTIONS, "--state", folder, keys=KEYS) as server:
        turmoil = Turmoil(server, options.seed)
        stop, found = multiprocessing.Event(), multiprocessing.Queue()
        watcher = multiprocessing.Process(target=watch, args=(server.port, stop, found), daemon=True)
        watcher.start()
        first = options.count // 10
        turmoil.run(first)
        early = turmoil.resident_bytes()
        turmoil.run(options.count - first)
        late = turmoil.resident_bytes()
        stop.set()
        times, lengths = found.get(timeout=SECONDS)
        watcher.join()
        assert not turmoil.failures, "\n".join(turmoil.failures)
        times.sort()
        slowest = times[len(times) * 99 // 100]
        print(f"mixed: {options.count} requests in {time.monotonic() - began:.0f} s: {turmoil.counts}")
        print(f"mixed: /health {len(times)} times, p99 {slowest * 1000:.0f} ms; at most {max(lengths)} waited; "
              f"{early / (1 << 20):.1f} MiB behind {first} requests, {late / (1 << 20):.1f} MiB in the end")
        assert max(lengths) <= QUEUE, lengths
        assert slowest <= options.health_seconds, f"p99 of /health: {slowest:.3f} s"
        if options.count >= 1000:
            assert {"429", "503"} <= set(turmoil.counts), "no limit was met"
            assert late <= early * 1.05, f"{early} bytes, then {late}"
        server.end()
    print("mixed: passed")


if __name__ == "__main__":
    main()
