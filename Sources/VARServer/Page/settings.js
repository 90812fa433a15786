// The settings, and what the server offers.

import * as api from "./api.js";
import * as store from "./store.js";
import { make } from "./turn.js";

const dialog = document.getElementById("settings");
const fields = Object.fromEntries(
  [["key", "key"], ["model", "models"], ["size", "size"], ["seed", "seed"]]
    .map(([name, id]) => [name, document.getElementById(id)]));

/**
 * Shows the settings when they are wanted.
 * @param actions {forget}
 * @returns {now, askForKey}
 */
export function connectSettings(actions) {
  let chosen = store.settings();
  api.useKey(chosen.key);
  const askForKey = () => {
    document.getElementById("key-wanted").hidden = false;
    if (!dialog.open) open();
    fields.key.focus();
  };

  function open() {
    for (const [name, field] of Object.entries(fields)) field.value = chosen[name];
    dialog.showModal();
  }

  document.getElementById("open-settings").onclick = open;
  document.getElementById("forget").onclick = () => {
    actions.forget();
    dialog.close();
  };
  fields.model.onchange = () => offerSizes(models.find(({ id }) => id === fields.model.value));
  dialog.onclose = () => {
    const key = chosen.key;
    for (const [name, field] of Object.entries(fields)) {
      if (field.validity.valid) chosen[name] = field.value.trim();
    }
    store.saveSettings(chosen);
    api.useKey(chosen.key);
    if (chosen.key !== key) load();
    name();
  };

  let models = [];
  function name() {
    const model = models.find(({ id }) => id === chosen.model) ?? models[0];
    document.getElementById("model").textContent = model?.id ?? "";
  }

  async function load() {
    try {
      models = await api.models();
    } catch (error) {
      if (error.status === 401) askForKey();
      // Models are opened when the server starts.
      if (error.code === "loading") setTimeout(load, 1000);
      return;
    }
    document.getElementById("key-wanted").hidden = true;
    document.getElementById("model-choice").hidden = models.length < 2;
    fields.model.replaceChildren(...models.map(({ id }) => make("option", { textContent: id })));
    const model = models.find(({ id }) => id === chosen.model) ?? models[0];
    chosen.model = model.id;
    offerSizes(model);
    if (![...fields.size.options].some(({ value }) => value === chosen.size)) chosen.size = "";
    name();
  }

  load();
  return { now: () => chosen, askForKey };
}

function offerSizes(model) {
  const own = fields.size.options[0];
  const sizes = (model?.sizes ?? []).map((size) => make("option", { value: size, textContent: size.replace("x", " × ") }));
  fields.size.replaceChildren(own, ...sizes);
}
