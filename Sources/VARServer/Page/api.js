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
 * Starts a job that draws, or changes pictures. It goes on when the page is left.
 * @param request {model, prompt, size, seed, images: [data: addresses]}, or {model, like: job, keep_scales, seed}
 * @returns the name of the job
 */
export async function begin(request) {
  const { images, ...fields } = request;
  const body = { type: images?.length ? "image.edit" : "image.generation", ...fields };
  if (images?.length) body.images = images.map((address) => ({ image_url: address }));
  return (await (await send("POST", "/varlite/v1/jobs", body)).json()).id;
}

/**
 * Waits for a job, and stops it where the signal says so.
 * @param watch takes {place, stage, scale, scales, fraction, seconds} for how far it is, {preview, scale}
 * @returns {picture, seed}
 */
export async function follow(job, watch, signal) {
  const route = `/varlite/v1/jobs/${job}`;
  const stop = () => send("DELETE", route).catch(() => {});
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  // Quick ones are looked at often, so that all their previews are seen.
  for (let [pause, shown] = [50, 0]; ; pause = Math.min(pause * 1.1, 1000)) {
    const state = await (await send("GET", route, undefined, signal)).json();
    if (state.status === "completed") {
      const { url, seed } = state.result.data[0];
      return { picture: await picture(url, signal), seed };
    }
    if (state.status === "failed") throw new ServerError(0, state.error);
    if (state.status === "cancelled") throw new ServerError(0, { message: "Stopped." });
    const { stage, scale, scales, fraction, seconds_left: seconds } = state.progress ?? {};
    watch({ place: state.queue_place, stage, scale, scales, fraction, seconds });
    const done = Number(state.preview?.match(/scale=(\d+)/)?.[1] ?? 0);
    if (done > shown) {
      shown = done;
      // It may have been the last one, and be gone.
      const preview = await picture(state.preview, signal).catch(() => null);
      if (preview) watch({ preview, scale: done });
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function picture(route, signal) {
  return (await send("GET", route, undefined, signal)).blob();
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
