// The request that is being written: its words, its pictures, and what is to be done.

import { files, image, readable } from "./pictures.js";
import { make } from "./turn.js";

const kinds = {
  draw: { button: "Draw", label: "Describe the picture" },
  edit: { button: "Change", label: "Say what to change" },
  ask: { button: "Ask", label: "Ask a question" },
};

const examples = [
  "Draw a big red circle on a mint background.",
  "Draw a big yellow star in the top right and a small green square at the bottom on a gray background.",
  "Draw a big purple ring on the left and a big green cross on the right on a white background.",
];

const maximumPictures = 8;
const form = document.getElementById("composer");
const field = document.getElementById("text");
const label = document.getElementById("text-label");
const button = document.getElementById("send");
const list = document.getElementById("pictures");
const input = document.getElementById("file");

export class Composer {
  #pictures = [];
  #actions;

  /** @param actions {send: takes {kind, text, pictures}, lastPicture: the one that was drawn last} */
  constructor(actions) {
    this.#actions = actions;
    form.onsubmit = (event) => this.#submit(event);
    form.onchange = (event) => {
      if (event.target.name === "kind") this.#kindChanged();
    };
    field.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    };
    field.oninput = () => field.setCustomValidity("");
    input.onchange = async () => {
      await this.#add([...input.files]);
      input.value = "";
    };
    this.#takeDropsAndPastes();
    document.getElementById("examples").append(...examples.map((text) => make("li", {},
      make("button", {
        type: "button", textContent: text,
        onclick: () => actions.send({ kind: "draw", text, pictures: [] }),
      }))));
    this.#update();
  }

  /** Begins a request about a picture. */
  take(kind, picture) {
    this.#pictures = [picture];
    this.#choose(kind);
    field.focus();
  }

  get #kind() {
    return form.elements.kind.value;
  }

  #choose(kind) {
    form.elements.kind.value = kind;
    this.#update();
  }

  /** Who wants to change a picture and shows none means the last one. */
  #kindChanged() {
    const last = this.#actions.lastPicture();
    if (this.#kind === "edit" && !this.#pictures.length && last) this.#pictures = [last];
    this.#update();
  }

  #submit(event) {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return this.#complain("Write some words first.");
    if (this.#kind === "edit" && !this.#pictures.length) return this.#complain("Add the picture to change first.");
    const pictures = this.#kind === "draw" ? [] : this.#pictures;
    this.#actions.send({ kind: this.#kind, text, pictures });
    field.value = "";
    // The next change is one of the picture that comes now; the next question goes on with this one.
    this.#pictures = [];
    this.#update();
  }

  #complain(text) {
    field.setCustomValidity(text);
    field.reportValidity();
  }

  async #add(files) {
    for (const file of files) {
      try {
        this.#pictures.push(await readable(file));
      } catch {
        this.#complain(`${file.name}: the browser cannot read this picture.`);
      }
    }
    this.#pictures = this.#pictures.slice(-maximumPictures);
    if (this.#kind === "draw" && this.#pictures.length) this.#choose("edit");
    this.#update();
    field.focus();
  }

  #takeDropsAndPastes() {
    const { body } = document;
    let depth = 0;
    body.ondragenter = () => body.classList.toggle("dropping", ++depth > 0);
    body.ondragleave = () => body.classList.toggle("dropping", --depth > 0);
    body.ondragover = (event) => event.preventDefault();
    body.ondrop = (event) => {
      event.preventDefault();
      depth = 0;
      body.classList.remove("dropping");
      this.#add(files(event.dataTransfer));
    };
    document.onpaste = (event) => {
      const pasted = files(event.clipboardData);
      if (!pasted.length) return;
      event.preventDefault();
      this.#add(pasted);
    };
  }

  #update() {
    const { button: name, label: words } = kinds[this.#kind];
    button.textContent = name;
    label.textContent = words;
    field.placeholder = `${words}…`;
    const shown = this.#kind === "draw" ? [] : this.#pictures;
    list.replaceChildren(...shown.map((picture, index) => make("li", {},
      image(picture, `Picture ${index + 1} of the request`),
      make("button", {
        type: "button", textContent: "×", ariaLabel: `Leave picture ${index + 1} out`,
        onclick: () => {
          this.#pictures.splice(index, 1);
          this.#update();
          field.focus();
        },
      }))));
  }
}
