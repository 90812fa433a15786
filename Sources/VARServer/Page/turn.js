// One request and its answer, as the page shows them.

import { image, show } from "./pictures.js";

const names = { draw: "Draw", edit: "Change", ask: "Ask" };

/** A new element with some properties and children. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export class TurnView {
  /**
   * @param turn {kind, text, pictures, state, note, fraction, answer, picture, scales, scaleCount, seed, error}
   * @param actions what its buttons do: {stop, again, vary, edit, ask, remove}, called with the turn
   */
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    this.answer = make("p", { className: "answer" });
    this.drawn = make("img", { className: "drawn", hidden: true });
    this.bar = make("progress", { max: 1 });
    this.note = make("p", { className: "quiet" });
    this.progress = make("div", { className: "progress" },
      this.bar, this.note, this.button("Stop", actions.stop));
    this.error = make("p");
    this.row = make("div", { className: "actions" });
    this.element = make("li", {},
      this.asked(), this.answer, this.drawn, this.progress, this.error, this.row);
    this.update();
  }

  asked() {
    const { kind, text, pictures } = this.turn;
    const asked = make("div", { className: "asked" }, make("p", { className: "quiet", textContent: names[kind] }));
    if (pictures.length) {
      const label = kind === "edit" ? "The picture to change" : "A picture of the question";
      asked.append(make("div", { className: "thumbs" }, ...pictures.map((blob) => image(blob, label))));
    }
    asked.append(make("p", { textContent: text }));
    return asked;
  }

  button(text, action) {
    return make("button", { type: "button", textContent: text, onclick: () => action(this.turn) });
  }

  /** Shows what the turn is now. */
  update() {
    const { turn } = this;
    const isRunning = turn.state === "running";
    this.element.ariaBusy = String(isRunning);
    this.answer.textContent = turn.answer;
    this.answer.hidden = !turn.answer;
    this.progress.hidden = !isRunning;
    this.note.textContent = turn.note;
    this.bar.ariaLabel = `Progress: ${turn.text}`;
    if (turn.fraction > 0) this.bar.value = turn.fraction;
    else this.bar.removeAttribute("value");
    this.error.textContent = turn.error ?? "";
    this.error.className = turn.state === "failed" ? "error" : "quiet";
    this.error.hidden = !turn.error;
    if (turn.picture) this.preview(turn.picture, !isRunning);
    this.row.replaceChildren(...(isRunning ? [] : this.buttons()));
  }

  /** Shows a picture, finished or not. */
  preview(blob, isFinished) {
    if (blob !== this.shown) show(this.drawn, blob);
    this.shown = blob;
    this.drawn.hidden = false;
    this.drawn.classList.toggle("unfinished", !isFinished);
    this.drawn.alt = `${isFinished ? "The picture" : "The unfinished picture"}: ${this.turn.text}`;
  }

  buttons() {
    const { turn, actions } = this;
    const buttons = [];
    if (turn.picture && turn.state === "done") {
      buttons.push(this.button("Change it", actions.edit), this.button("Ask about it", actions.ask));
    }
    buttons.push(this.button(turn.state === "done" ? "Again" : "Try again", actions.again));
    if (turn.picture && turn.state === "done") buttons.push(this.saving());
    if (turn.kind === "draw" && turn.scaleCount > 1 && turn.state === "done") buttons.push(this.varying());
    buttons.push(this.button("Remove", actions.remove));
    if (turn.seed !== undefined) {
      buttons.push(make("span", { className: "quiet seed", textContent: `seed ${turn.seed}` }));
    }
    return buttons;
  }

  /** Chooses how many of the coarse scales a variation keeps. */
  varying() {
    const { turn } = this;
    const group = `kept-${turn.id}`;
    const choices = Array.from({ length: turn.scaleCount - 1 }, (_, index) => {
      const count = index + 1;
      const seen = turn.scales.find((scale) => scale.count === count);
      const input = make("input", { type: "radio", name: group, value: count });
      input.checked = count === Math.ceil(turn.scaleCount / 3);
      input.ariaLabel = `Keep ${count} of ${turn.scaleCount} steps`;
      return make("label", {}, input, seen ? image(seen.picture, "") : make("span", { textContent: count }));
    });
    const fieldset = make("fieldset", { className: "scales" },
      make("legend", { className: "quiet", textContent: "Begin from this step, and draw the rest anew:" }),
      ...choices, this.button("Draw a variation", () => {
        this.actions.vary(turn, Number(fieldset.querySelector("input:checked").value));
      }));
    return make("details", {}, make("summary", { className: "button", textContent: "Vary" }), fieldset);
  }

  saving() {
    const { turn } = this;
    return this.button("Save", () => {
      const address = URL.createObjectURL(turn.picture);
      make("a", { href: address, download: `varlite-${turn.seed ?? turn.id}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    });
  }
}
