"""Puts nginx and HAProxy before two servers, as the page "Serve models over HTTP" says, and uses them.

Usage: PYTHON Tests/server/proxies.py [--long]

Needs Debian's `nginx`, `haproxy` and `openssl`, a Python with `openai` and `requests`, and a release build. `--long`
draws for more than 60 silent seconds.
"""

import concurrent.futures
import contextlib
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import httpx2 as httpx
import openai
import program
import requests

CIRCLE = "Draw a big red circle on a mint background."
PAGE = program.REPOSITORY / "Sources" / "VARLite" / "VARLite.docc" / "Serving.md"
BOARDS = ["192.168.1.21:8080", "192.168.1.22:8080"]
NAME = "pictures.example"


def block(kind: str) -> str:
    """The page's block of this kind."""
    return re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.S)[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def adapted(text: str, ports: list[int], port: int, folder: pathlib.Path) -> str:
    """The page's configuration with the addresses of this test."""
    for board, other in zip(BOARDS, ports):
        assert board in text
        text = text.replace(board, f"127.0.0.1:{other}")
    text = text.replace("/etc/ssl", str(folder))
    return text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("bind :443", f"bind 127.0.0.1:{port}")


@contextlib.contextmanager
def proxy(kind: str, ports: list[int], folder: pathlib.Path):
    """Runs one; its port."""
    port = free_port()
    configuration = adapted(block(kind), ports, port, folder)
    file = folder / f"{kind}.conf"
    if kind == "nginx":
        file.write_text(f"pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n"
                        f"http {{\naccess_log off;\nclient_body_temp_path {folder}/bodies;\n{configuration}}}\n")
        command = ["nginx", "-c", file, "-g", "daemon off; user root;"]
    else:
        file.write_text(configuration)
        command = ["haproxy", "-q", "-db", "-f", file]
    process = subprocess.Popen(command)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, f"{kind} does not start"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


class Client:
    """A client that knows the proxy by its name and its certificate."""

    def __init__(self, kind: str, port: int, folder: pathlib.Path):
        self.kind, self.port = kind, port
        self.address = f"https://localhost:{port}"
        self.certificate = str(folder / "pictures.pem")
        context = ssl.create_default_context(cafile=self.certificate)
        self.openai = openai.OpenAI(
            base_url=f"{self.address}/v1", api_key="none", max_retries=0,
            http_client=httpx.Client(verify=context))

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.address + path, headers=headers, verify=self.certificate, timeout=20)


def figures(servers: list[program.Server], name: str) -> int:
    """The sum of a figure over all servers."""
    pages = "\n".join(server.get("/metrics").decode() for server in servers)
    return sum(int(value) for value in re.findall(rf"^{re.escape(name)} (\d+)$", pages, re.M))


def passes_everything(client: Client):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/", Host=NAME).text.startswith("<!doctype html>")
    assert client.get("/v1/models", Origin=client.address).status_code == 200
    assert client.get("/v1/models", Origin="https://attacker.example").status_code == 403
    events = list(client.openai.images.generate(prompt=CIRCLE, stream=True, partial_images=3, size="512x512"))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    # A picture that is sent, of more than a proxy takes where nobody tells it.
    picture = program.draw(CIRCLE, "--seed", "1") + bytes(3 << 20)
    assert client.openai.images.edit(image=("a.png", picture), prompt="Turn the red circle blue.").data


def stops_what_nobody_waits_for(client: Client, servers: list[program.Server]):
    stream = client.openai.images.generate(prompt=CIRCLE, stream=True, partial_images=1, size="1024x1024", n=10)
    next(iter(stream))
    assert figures(servers, "varlite_jobs_running") == 1
    stream.close()
    wait(lambda: figures(servers, "varlite_jobs_running") == 0, "the end of the job")


def asks_the_next_one(client: Client, servers: list[program.Server]):
    """Both have no queue: the second drawing comes to the one that is free, whichever the proxy asks first."""
    streams = []
    for count in [1, 2]:
        stream = client.openai.images.generate(prompt=CIRCLE, stream=True, partial_images=1, size="1024x1024", n=10)
        next(iter(stream))
        streams.append(stream)
        assert figures(servers, "varlite_jobs_running") == count
    with contextlib.suppress(openai.InternalServerError):
        client.openai.images.generate(prompt=CIRCLE)
        raise AssertionError("a third one is drawn")
    for stream in streams:
        stream.close()
    wait(lambda: figures(servers, "varlite_jobs_running") == 0, "the end of the jobs")


def leaves_out_what_is_down(client: Client):
    for _ in range(4):
        assert client.openai.images.generate(prompt=CIRCLE).data


def survives_a_minute(client: Client):
    """One second longer than the proxies' time-outs without a byte of the picture."""
    fields = {"prompt": CIRCLE, "n": 10, "size": "1024x1024"}
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        mine = pool.submit(client.openai.images.generate, **fields)
        other = pool.submit(requests.post, f"{client.address}/v1/images/generations", json=fields,
                            verify=client.certificate)
        assert len(mine.result().data) == 10
        assert len(other.result().json()["data"]) == 10
    seconds = time.monotonic() - began
    assert seconds > 61, f"{seconds} s are too few to tell"
    print(f"proxies: {client.kind}: pictures after {seconds:.0f} silent seconds")


def wait(condition, what: str):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"not within 10 s: {what}"
        time.sleep(0.1)


def main():
    is_long = "--long" in sys.argv
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="varlite-proxies.")))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}",
             "-addext", f"subjectAltName=DNS:localhost,DNS:{NAME}", "-keyout", "pictures.key", "-out", "pictures.pem"],
            cwd=folder, check=True, stderr=subprocess.DEVNULL)
        # HAProxy has both in one file, clients trust the certificate in it.
        with (folder / "pictures.pem").open("a") as file:
            file.write((folder / "pictures.key").read_text())
        options = ["--allow-host", NAME, "--max-queue", "0", "--threads", "1"]
        servers = [stack.enter_context(program.Server(*options)) for _ in BOARDS]
        for kind in ["nginx", "haproxy"]:
            with proxy(kind, [server.port for server in servers], folder) as port:
                client = Client(kind, port, folder)
                passes_everything(client)
                stops_what_nobody_waits_for(client, servers)
                asks_the_next_one(client, servers)
                if is_long:
                    survives_a_minute(client)
            with proxy(kind, [servers[0].port, free_port()], folder) as port:
                leaves_out_what_is_down(Client(kind, port, folder))
            print(f"proxies: {kind}")
    print("proxies: passed")


if __name__ == "__main__":
    main()
