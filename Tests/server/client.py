"""Uses the server through the `openai` client as it comes from PyPI.

Usage: PYTHON Tests/server/client.py

Needs a Python with the package `openai` (seen with 3.57.0), and a release build.
"""

import base64
import contextlib
import pathlib
import shutil
import tempfile
import time

import openai
import program

CIRCLE = "Draw a big red circle on a mint background."


def connect(server: program.Server, **options) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": f"{server.address}/v1", "api_key": "none", "max_retries": 0, **options})


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def address(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def models(client: openai.OpenAI):
    listed = client.models.list().data
    assert [(model.id, model.object, model.owned_by) for model in listed] == [("shapes", "model", "varlite")], listed
    assert client.models.retrieve("shapes").created > 0


def chat(client: openai.OpenAI):
    messages = [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": address(program.draw(CIRCLE))}},
        {"type": "text", "text": "What color is the circle?"}]}]
    plain = client.chat.completions.create(model="any", messages=messages, temperature=0, max_tokens=64)
    assert "red" in plain.choices[0].message.content.lower(), plain
    assert plain.choices[0].finish_reason == "stop" and plain.usage.completion_tokens > 0, plain
    chunks = list(client.chat.completions.create(
        model="any", messages=messages, temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content, (text, plain)
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens and not chunks[-1].choices, chunks[-1]
    assert all(chunk.usage is None for chunk in chunks[:-1])
    # A conversation without pictures, with all kinds of turns.
    told = client.chat.completions.create(model="any", max_completion_tokens=4, messages=[
        {"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "What can you do?"}])
    assert told.usage.completion_tokens <= 4, told


def pictures(client: openai.OpenAI):
    wanted = program.draw(CIRCLE, "--seed", "7")
    seed = {"extra_body": {"seed": 7}}
    plain = client.images.generate(prompt=CIRCLE, model="dall-e-2", response_format="b64_json", **seed)
    assert decoded(plain.data[0].b64_json) == wanted
    assert plain.size == "96x96" and plain.output_format == "png" and plain.usage.output_tokens > 0, plain
    assert plain.model_extra["seed"] == 7, plain.model_extra
    for count in [0, 1, 3]:
        events = list(client.images.generate(prompt=CIRCLE, stream=True, partial_images=count, **seed))
        kinds = [event.type for event in events]
        assert kinds == ["image_generation.partial_image"] * count + ["image_generation.completed"], kinds
        assert [event.partial_image_index for event in events[:-1]] == list(range(count))
        assert all(decoded(event.b64_json).startswith(b"\x89PNG") for event in events)
        assert decoded(events[-1].b64_json) == wanted and events[-1].usage.total_tokens > 0, events[-1]
    two = client.images.generate(prompt=CIRCLE, n=2, output_format="jpeg", quality="low", user="someone", **seed)
    assert len(two.data) == 2 and decoded(two.data[1].b64_json).startswith(b"\xff\xd8"), two.output_format


def edits(client: openai.OpenAI):
    picture = program.draw(CIRCLE)
    fields = {"prompt": "Turn the red circle blue.", "extra_body": {"seed": 0}}
    one = client.images.edit(image=("circle.png", picture), **fields)
    several = client.images.edit(image=[("circle.png", picture)], **fields)
    assert decoded(one.data[0].b64_json) == decoded(several.data[0].b64_json) != picture
    events = list(client.images.edit(image=("circle.png", picture), stream=True, partial_images=2, **fields))
    kinds = [event.type for event in events]
    assert kinds == ["image_edit.partial_image"] * 2 + ["image_edit.completed"], kinds
    assert events[-1].b64_json == one.data[0].b64_json
    refuses(openai.BadRequestError, 400, "mask", "not_supported",
            lambda: client.images.edit(image=("a.png", picture), mask=("b.png", picture), **fields))


def refuses(kind: type, status: int, param: str | None, code: str, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, error
        found = (error.status_code, error.param, error.code)
        assert found == (status, param, code), found
        assert error.type and error.body["message"], error.body
        return error
    raise AssertionError(f"not refused: {status} {code}")


def refusals(client: openai.OpenAI, folder: pathlib.Path):
    hello = [{"role": "user", "content": "Hello"}]
    wrong = openai.BadRequestError
    ask = client.chat.completions.create
    refuses(wrong, 400, "temperature", "invalid_value", lambda: ask(model="a", messages=hello, temperature=-1))
    refuses(wrong, 400, "n", "not_supported", lambda: ask(model="a", messages=hello, n=2))
    refuses(wrong, 400, "messages[0].content[0].image_url", "unsupported_image_url", lambda: ask(
        model="a", messages=[{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]))
    refuses(wrong, 400, "size", "invalid_value", lambda: client.images.generate(prompt="a", size="31x17"))
    refuses(wrong, 400, "prompt", "invalid_value", lambda: client.images.generate(prompt=" "))
    with program.Server(keys=["a-key"]) as server:
        refuses(openai.AuthenticationError, 401, None, "invalid_api_key", connect(server).models.list)
        connect(server, api_key="a-key").models.list()
    other = folder / "other.vq4"
    shutil.copy(program.DEMO_MODEL, other)
    with program.Server("--model", program.DEMO_MODEL, "--model", other, "--max-body", "64K") as server:
        both = connect(server)
        refuses(openai.NotFoundError, 404, "model", "model_not_found",
                lambda: both.chat.completions.create(model="gpt-4o", messages=hello))
        refuses(openai.APIStatusError, 413, None, "body_too_large", lambda: both.chat.completions.create(
            model="other", messages=[{"role": "user", "content": "a" * 100_000}]))
        assert both.images.generate(model="other", prompt=CIRCLE).data


@contextlib.contextmanager
def drawing(client: openai.OpenAI):
    """Keeps the server at work on a large picture."""
    stream = client.images.generate(prompt=CIRCLE, size="1024x1024", n=10, stream=True, partial_images=3)
    iterator = iter(stream)
    next(iterator)
    yield
    stream.close()


def a_full_queue():
    with program.Server("--max-queue", "0") as server:
        client = connect(server, max_retries=2)
        with drawing(client):
            error = refuses(openai.InternalServerError, 503, None, "queue_full",
                            lambda: connect(server).images.generate(prompt=CIRCLE))
            headers = error.response.headers
            assert headers.get("x-should-retry") == "false" or int(headers["retry-after"]) < 120, headers
            # Questions do not wait behind drawings.
            assert client.chat.completions.create(
                model="a", max_tokens=1, messages=[{"role": "user", "content": "Hello"}]).choices


def a_key_with_too_many_requests():
    with program.Server("--max-queue-per-key", "1", keys=["one", "two"]) as server:
        first, second = (connect(server, api_key=key) for key in ["one", "two"])
        with drawing(first):
            error = refuses(openai.RateLimitError, 429, None, "rate_limit_exceeded",
                            lambda: first.images.generate(prompt=CIRCLE))
            assert error.type == "rate_limit_error", error.body
            headers = error.response.headers
            assert headers.get("x-should-retry") == "false" or int(headers["retry-after"]) < 120, headers
            assert second.chat.completions.create(
                model="a", max_tokens=1, messages=[{"role": "user", "content": "Hello"}]).choices


def a_short_time_out():
    """A job that takes longer than the client waits: one job, and its answer arrives."""
    with program.Server() as server:
        client = connect(server, timeout=2, max_retries=2)
        began = time.monotonic()
        assert len(client.images.generate(prompt=CIRCLE, size="512x512", n=4).data) == 4
        seconds = time.monotonic() - began
        page = server.get("/metrics").decode()
        assert 'route="generations",code="200"} 1\n' in page and "code=\"499\"" not in page, page
        print(f"client: a picture after {seconds:.1f} s with a time-out of 2 s")


def main():
    with program.Server() as server:
        client = connect(server)
        for part in [models, chat, pictures, edits]:
            part(client)
            print(f"client: {part.__name__}")
        with tempfile.TemporaryDirectory() as folder:
            refusals(client, pathlib.Path(folder))
        print("client: refusals")
    a_full_queue()
    print("client: a full queue")
    a_key_with_too_many_requests()
    print("client: a key with too many requests")
    a_short_time_out()
    print(f"client: passed with openai {openai.__version__}")


if __name__ == "__main__":
    main()
