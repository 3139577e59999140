// The search box: a selector or plain text, with completion.

import { h } from "./dom.js";
import { labelNames, labelValues } from "./api.js";
import { quote } from "./keys.js";

// Places in a selector in which something can be completed.
const inValue = /([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)$/;
const inName = /(^\s*\{|,)\s*([a-zA-Z_]\w*)?$/;

// Search is an input and its list. changed(text) is told when the text is to
// be searched for, leave() when the reader goes on to the results.
export class Search {
  constructor({ changed, leave }) {
    Object.assign(this, { changed, leave });
    this.options = [];
    this.list = h("ul", { id: "completions", role: "listbox", class: "completions", "aria-label": "Completions", hidden: true });
    this.input = h("input", {
      type: "text", id: "search", role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
      placeholder: 'Search: backup, or {job="backup"}', "aria-label": "Search groups by label text or by a selector",
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "completions",
      oninput: () => this.typed(), onkeydown: (e) => this.key(e), onblur: () => this.close(),
    });
    this.element = h("div", { class: "search" }, this.input, h("kbd", { "aria-hidden": "true" }, "/"), this.list);
  }

  get text() { return this.input.value; }

  set text(text) {
    if (this.input.value !== text) this.input.value = text;
  }

  // stop forgets what has been typed but not searched for, and the completions
  // that are on their way.
  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  typed() {
    this.stop();
    this.timer = setTimeout(() => {
      this.changed(this.text);
      this.complete();
    }, 150);
  }

  // complete shows what could follow at the cursor. A slow answer that has
  // been overtaken is dropped. What the reader has chosen from the list before
  // stays chosen.
  async complete() {
    const asked = this.asked = Symbol("complete");
    this.asking?.abort();
    this.asking = new AbortController();
    const options = await this.candidates(this.asking.signal).catch(() => []);
    if (this.asked !== asked || document.activeElement !== this.input) return;
    const chosen = this.options[this.active];
    this.options = options;
    this.active = chosen ? options.findIndex((o) => o.kind === chosen.kind && o.shown === chosen.shown) : -1;
    this.draw();
  }

  async candidates(signal) {
    const cursor = this.input.selectionStart;
    const before = this.text.slice(0, cursor);
    const after = this.text.slice(cursor);
    const value = before.match(inValue);
    if (value) return this.values(value, before, after, signal);
    const name = before.match(inName);
    if (name) return this.names(name[2] ?? "", before, after, signal);
    return /^[\w.-]+$/.test(before) && !after ? this.plain(before, signal) : [];
  }

  async values([, name, operator, part], before, after, signal) {
    if (operator.endsWith("~") && /[.*+?()[\]|\\]/.test(part)) return []; // a pattern of the reader's own
    const start = before.slice(0, before.length - part.length - 1);
    const rest = after.replace(/^"/, "");
    const found = await labelValues(name, new URLSearchParams({ contains: part, limit: 12 }), signal);
    return found.map((v) => ({ shown: v || '""', kind: name, text: start + quote(v), rest: rest || closing(before) }));
  }

  async names(part, before, after, signal) {
    const start = before.slice(0, before.length - part.length);
    const found = await labelNames(new URLSearchParams({ contains: part, limit: 12 }), signal);
    return found.map((n) => ({ shown: n, kind: "label", text: `${start}${n}="`, rest: after || '"', more: true }));
  }

  async plain(part, signal) {
    const [names, jobs] = await Promise.all([
      labelNames(new URLSearchParams({ contains: part, limit: 4 }), signal),
      labelValues("job", new URLSearchParams({ contains: part, limit: 8 }), signal),
    ]);
    return [
      ...names.map((n) => ({ shown: n, kind: "label", text: `{${n}="`, rest: '"}', more: true })),
      ...jobs.map((v) => ({ shown: v, kind: "job", text: `{job=${quote(v)}}`, rest: "" })),
    ];
  }

  draw() {
    this.list.replaceChildren(...this.options.map((o, i) => h("li", {
      role: "option", id: `completion-${i}`, "aria-selected": String(i === this.active),
      onmousedown: (e) => { e.preventDefault(); this.take(o); },
    }, h("span", {}, o.shown), h("small", {}, o.kind))));
    const open = this.options.length > 0;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    if (open && this.active >= 0) this.input.setAttribute("aria-activedescendant", `completion-${this.active}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.asked = undefined;
    this.asking?.abort();
    this.options = [];
    this.draw();
  }

  take(option) {
    this.input.value = option.text + option.rest;
    this.input.setSelectionRange(option.text.length, option.text.length);
    this.close();
    this.typed();
    if (!option.more) this.close();
  }

  key(e) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && this.options.length > 0) {
      e.preventDefault();
      const n = this.options.length + 1; // one place is the input itself
      this.active = (this.active + 1 + step + n) % n - 1;
      this.draw();
    } else if (e.key === "ArrowDown") {
      e.preventDefault();
      this.leave();
    } else if (e.key === "Enter") {
      e.preventDefault();
      this.enter();
    } else if (e.key === "Escape") {
      e.preventDefault();
      this.escape();
    }
  }

  enter() {
    if (this.options.length > 0 && this.active >= 0) return this.take(this.options[this.active]);
    this.close();
    this.stop();
    this.changed(this.text);
    this.leave();
  }

  // escape takes back one thing at a time.
  escape() {
    if (this.options.length > 0) return this.close();
    if (this.text === "") return this.input.blur();
    this.input.value = "";
    this.typed();
    this.close();
  }
}

// closing is the brace that is needed if one is open.
const closing = (before) => /^\s*[\w:]*\{/.test(before) ? "}" : "";
