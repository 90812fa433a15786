// Talks to the server: the only file that knows its routes.

let key = "";

/** Shows a key from now on. */
export function useKey(text) {
  key = text;
}

/** What the server says instead of an answer. */
export class ServerError extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server says ${status}.`);
    this.status = status;
    this.code = error?.code;
  }
}

/** The models: {id, sizes}. */
export async function models() {
  return (await (await send("GET", "/v1/models")).json()).data;
}

/**
 * Asks, and hands out the answer as it comes.
 * @param request {model, messages}
 * @param watch takes {text} for more of the answer, {note} for what the server does meanwhile
 */
export async function ask(request, watch, signal) {
  const answer = await send("POST", "/v1/chat/completions", { ...request, stream: true }, signal);
  await readEvents(answer, watch, (event) => {
    const text = event.choices?.[0]?.delta?.content;
    if (text) watch({ text });
  });
}

/**
 * Draws, or changes pictures.
 * @param request {model, prompt, size, seed, images: [data: addresses]}
 * @param watch takes {preview} for each picture that is not finished, {note}
 * @returns {picture, seed}
 */
export async function draw(request, watch, signal) {
  const { images, ...fields } = request;
  const body = { ...fields, stream: true, partial_images: 3 };
  if (images.length) body.images = images.map((address) => ({ image_url: address }));
  const route = images.length ? "/v1/images/edits" : "/v1/images/generations";
  let result;
  await readEvents(await send("POST", route, body, signal), watch, (event) => {
    if (event.type.endsWith(".partial_image")) watch({ preview: blob(event.b64_json) });
    if (event.type.endsWith(".completed")) result = { picture: blob(event.b64_json), seed: event.seed };
  });
  if (!result) throw new ServerError(0, { message: "The connection was lost before the picture was done." });
  return result;
}

async function send(method, route, body, signal) {
  const headers = {};
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(route, { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError(0, { message: "The server does not answer. Does it run?" });
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw new ServerError(answer.status, document.error);
}

/** Reads server-sent events; comments become notes, errors are thrown. */
async function readEvents(answer, watch, take) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith(": ")) watch({ note: line.slice(2) });
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new ServerError(answer.status, event.error);
      take(event);
    }
  }
}

function blob(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}
