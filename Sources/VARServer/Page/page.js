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
main.onscroll = () => {
  isAtEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 60;
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

function forget() {
  for (const turn of [...turns]) drop(turn);
  store.clear();
  say("The conversation is forgotten.");
}

/** Starts what was asked for. Others that run go on. */
function begin({ kind, text, pictures }) {
  const turn = {
    id: Math.max(Date.now(), (turns.at(-1)?.id ?? 0) + 1), kind, text, pictures, scales: [],
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

/** Takes what comes while a turn runs. */
function watch(turn) {
  return ({ note, text, preview }) => {
    if (note) turn.note = note;
    if (text) turn.answer += text;
    if (preview) turn.picture = preview;
    views.get(turn)?.update();
  };
}

async function draw(turn, signal) {
  const { model, size, seed } = settings.now();
  const request = { model, prompt: turn.text, images: await Promise.all(turn.pictures.map(address)) };
  if (size) request.size = size;
  if (seed !== "") request.seed = Number(seed);
  const { picture, seed: used } = await api.draw(request, watch(turn), signal);
  Object.assign(turn, { picture, seed: used });
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
  await api.ask({ model: settings.now().model, messages }, watch(turn), signal);
}

for (const turn of await store.turns()) {
  if (turn.state === "running") Object.assign(turn, { state: "stopped", error: "The page was left." });
  show(turn);
}
toEnd();
