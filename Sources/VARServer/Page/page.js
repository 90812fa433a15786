// The page: what is written below becomes turns above.

import * as api from "./api.js";
import * as store from "./store.js";
import { Composer } from "./composer.js";
import { address } from "./pictures.js";
import { connectSettings } from "./settings.js";
import { TurnView } from "./turn.js";

const main = document.querySelector("main");
const list = document.getElementById("turns");
const welcome = document.getElementById("welcome");
const status = document.getElementById("status");

/** Turns, the oldest first, with their views and what stops them. */
const turns = [];
const views = new Map();
const stops = new Map();

const settings = connectSettings({ forget });
const composer = new Composer({ send: begin, lastPicture });

const actions = {
  stop: (turn) => stops.get(turn)?.abort(),
  again: (turn) => begin({ kind: turn.kind, text: turn.text, pictures: turn.pictures }),
  vary: (turn, kept) => begin({ kind: "draw", text: turn.text, pictures: [], like: { job: turn.job, kept } }),
  edit: (turn) => composer.take("edit", turn.picture),
  ask: (turn) => composer.take("ask", turn.picture),
  remove: async (turn) => {
    const next = views.get(turn).element.nextElementSibling ?? document.getElementById("text");
    drop(turn);
    (next.querySelector?.("button") ?? next).focus();
    say("Removed.");
  },
};

/** Who reads the end of the conversation goes on reading it while it grows. */
let isAtEnd = true;
let lastTop = 0;
main.onscroll = () => {
  const rest = main.scrollHeight - main.scrollTop - main.clientHeight;
  // It may have grown before this is called: only who goes up leaves the end.
  isAtEnd = rest < 60 || (isAtEnd && main.scrollTop >= lastTop);
  lastTop = main.scrollTop;
};
const growth = new ResizeObserver(() => {
  if (isAtEnd) toEnd();
});
growth.observe(list);
growth.observe(main);

function toEnd() {
  isAtEnd = true;
  main.scrollTop = main.scrollHeight;
}

/** Tells those who do not see the page. */
function say(text) {
  status.textContent = text;
}

function lastPicture() {
  return turns.findLast((turn) => turn.picture && turn.state === "done")?.picture;
}

function show(turn) {
  turns.push(turn);
  const view = new TurnView(turn, actions);
  views.set(turn, view);
  list.append(view.element);
  welcome.hidden = true;
}

function drop(turn) {
  stops.get(turn)?.abort();
  views.get(turn).element.remove();
  views.delete(turn);
  turns.splice(turns.indexOf(turn), 1);
  store.remove(turn);
  welcome.hidden = turns.length > 0;
}

async function forget() {
  for (const turn of [...turns]) drop(turn);
  await store.clear();
  say("The conversation is forgotten.");
}

/** Starts what was asked for. Others that run go on. */
function begin({ kind, text, pictures, like }) {
  const turn = {
    id: Math.max(Date.now(), (turns.at(-1)?.id ?? 0) + 1), kind, text, pictures, like, scales: [],
    state: "running", note: "Starting…", fraction: 0, answer: "",
  };
  show(turn);
  toEnd();
  run(turn);
}

async function run(turn) {
  const stop = new AbortController();
  stops.set(turn, stop);
  say(`${turn.kind === "ask" ? "Asked" : "Drawing"}: ${turn.text}`);
  try {
    await (turn.kind === "ask" ? answer(turn, stop.signal) : draw(turn, stop.signal));
    turn.state = "done";
    say(turn.answer || "The picture is done.");
  } catch (error) {
    turn.state = stop.signal.aborted ? "stopped" : "failed";
    turn.error = stop.signal.aborted ? "Stopped." : error.message;
    say(turn.error);
    if (error.status === 401) settings.askForKey();
  }
  stops.delete(turn);
  if (!views.has(turn)) return;
  views.get(turn).update();
  await store.save(turn);
  for (const old of store.surplus(turns)) drop(old);
}

async function draw(turn, signal) {
  if (!turn.job) {
    turn.job = await api.begin(await request(turn));
    // Whoever comes back to the page finds the job by its name.
    await store.save(turn);
  }
  Object.assign(turn, await api.follow(turn.job, (news) => {
    if (news.preview) {
      turn.picture = news.preview;
      turn.scales.push({ count: news.scale, picture: news.preview });
    } else {
      turn.note = note(news);
      turn.fraction = news.fraction ?? 0;
      turn.scaleCount = news.scales ?? turn.scaleCount;
    }
    views.get(turn)?.update();
  }, signal));
}

async function request({ text, pictures, like }) {
  const { model, size, seed } = settings.now();
  const request = like
    ? { model, like: like.job, keep_scales: like.kept }
    : { model, prompt: text, images: await Promise.all(pictures.map(address)) };
  if (size && !like) request.size = size;
  // A variation with the seed of its original would be the original.
  if (seed !== "" && !like) request.seed = Number(seed);
  return request;
}

/** How far a job is, in words. */
function note({ place, stage, scale, scales, seconds }) {
  if (place > 0) return place === 1 ? "Waiting: one before this" : `Waiting: ${place} before this`;
  const words = { reading: "Reading", looking: "Looking", writing: "Thinking", decoding: "Painting", loading: "Loading" };
  const now = stage === "drawing" ? `Step ${scale} of ${scales}` : words[stage] ?? "Starting";
  return seconds >= 1 ? `${now}, ${duration(seconds)} left` : `${now}…`;
}

function duration(seconds) {
  return seconds < 90 ? `about ${Math.ceil(seconds)} s` : `about ${Math.ceil(seconds / 60)} min`;
}

/** Asks with what was said before: since pictures were last shown, which begins another talk. */
async function answer(turn, signal) {
  const said = turns.filter((other) => other.kind === "ask" && (other === turn || other.answer));
  const first = said.findLastIndex((other) => other.pictures.length > 0 && said.indexOf(other) <= said.indexOf(turn));
  const talk = said.slice(Math.max(first, 0), said.indexOf(turn) + 1);
  const messages = [];
  for (const { text, pictures, answer } of talk) {
    const parts = await Promise.all(pictures.map(async (blob) => (
      { type: "image_url", image_url: { url: await address(blob) } })));
    messages.push({ role: "user", content: [...parts, { type: "text", text }] });
    if (answer) messages.push({ role: "assistant", content: answer });
  }
  await api.ask({ model: settings.now().model, messages }, ({ text, note }) => {
    if (text) turn.answer += text;
    if (note) turn.note = note;
    views.get(turn)?.update();
  }, signal);
}

for (const turn of await store.turns()) {
  const isRunning = turn.state === "running";
  if (isRunning && !turn.job) Object.assign(turn, { state: "stopped", error: "The page was left." });
  show(turn);
  // A drawing has gone on meanwhile.
  if (isRunning && turn.job) run(turn);
}
toEnd();
