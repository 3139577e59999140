// A table of any number of groups, of which only the rows in view are in the
// page. The rest is fetched, a block at a time, when it comes into view.

import { h } from "./dom.js";
import { count } from "./format.js";
import { path } from "./keys.js";

const blockSize = 100; // groups fetched together
const keptBlocks = 20;
const overscan = 6; // rows made beyond the visible ones
const tallest = 15e6; // pixels, which every browser can scroll

export class Grid {
  // fetch(offset, limit, signal) gives {groups, total}. row(group) gives the
  // cells, header is the element of the head, open(group) is told of a choice,
  // changed(total) of each answer, and failed(error) of each that did not come.
  constructor({ label, columns, header, fetch, row, open, changed, failed }) {
    Object.assign(this, { fetch, row, open, changed, failed });
    this.body = h("div", { role: "rowgroup", class: "rows" });
    this.element = h("div", {
      role: "grid", class: "grid", tabindex: "0", "aria-label": label, "aria-colcount": columns,
      onscroll: () => this.draw(), onkeydown: (e) => this.key(e),
    }, h("div", { role: "rowgroup", class: "head" }, header), this.body);
    this.body.addEventListener("click", (e) => this.click(e));
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.forget();
    this.total = 0;
  }

  forget() {
    this.pending?.abort();
    this.pending = new AbortController();
    this.blocks = new Map();
    this.wanted = new Set();
    this.fresh = undefined; // {offset, groups} of the last refresh
    this.drawn = new Map();
    this.selected = null; // {key, index}
  }

  // reset begins anew, for another question, and tells whether there is an answer.
  // What is shown stays until then.
  async reset() {
    this.pending.abort();
    this.pending = new AbortController();
    const page = await this.ask(0, blockSize, this.pending.signal);
    if (!page) return false;
    this.forget();
    this.element.scrollTop = 0;
    this.element.removeAttribute("aria-activedescendant");
    this.blocks.set(0, page.groups);
    this.setTotal(page.total);
    this.redraw();
    return true;
  }

  // refresh asks again for what is in view, and follows the row at the top (or
  // the selected one) if others have come before it.
  async refresh() {
    const [first, last] = this.range();
    const anchor = this.anchor(first, last);
    const offset = Math.max(0, first - blockSize);
    const signal = this.pending.signal;
    const limit = Math.min(10 * blockSize, last - offset + blockSize);
    const page = await this.ask(offset, limit, signal);
    if (!page) return;
    this.blocks.clear();
    this.wanted.clear();
    this.fresh = { offset, groups: page.groups };
    for (let b = Math.ceil(offset / blockSize); (b + 1) * blockSize <= offset + page.groups.length; b++) {
      this.blocks.set(b, page.groups.slice(b * blockSize - offset, (b + 1) * blockSize - offset));
    }
    this.setTotal(page.total);
    if (anchor) this.follow(anchor, offset, page.groups);
    this.redraw();
  }

  anchor(first, last) {
    const s = this.selected;
    if (s && s.index >= first && s.index <= last) return s;
    const top = this.at(Math.floor(this.element.scrollTop / this.rowHeight()));
    return this.element.scrollTop > 0 && top ? { key: path(top), index: Math.floor(this.element.scrollTop / this.rowHeight()) } : null;
  }

  follow(anchor, offset, groups) {
    const found = groups.findIndex((g) => path(g.labels) === anchor.key);
    if (found < 0) return;
    const moved = offset + found - anchor.index;
    if (this.selected) this.selected.index = this.selected.key === anchor.key ? offset + found : this.selected.index + moved;
    if (this.element.scrollTop > 0) this.element.scrollTop += moved * this.rowHeight();
  }

  at(index) {
    return this.groupAt(index)?.labels;
  }

  groupAt(index) {
    const group = this.blocks.get(Math.floor(index / blockSize))?.[index % blockSize];
    return group ?? this.fresh?.groups[index - this.fresh.offset];
  }

  async ask(offset, limit, signal) {
    try {
      const page = await this.fetch(offset, limit, signal);
      return signal.aborted ? null : page;
    } catch (e) {
      if (e.name !== "AbortError") this.failed(e);
      return null;
    }
  }

  async load(block) {
    if (this.blocks.has(block) || this.wanted.has(block)) return;
    this.wanted.add(block);
    const page = await this.ask(block * blockSize, blockSize, this.pending.signal);
    this.wanted.delete(block);
    if (!page) return;
    this.blocks.set(block, page.groups);
    if (this.blocks.size > keptBlocks) this.blocks.delete(this.blocks.keys().next().value);
    this.setTotal(page.total);
    this.redraw();
  }

  setTotal(total) {
    this.total = total;
    this.shown = Math.min(total, Math.floor(tallest / this.rowHeight()));
    this.element.setAttribute("aria-rowcount", total + 1);
    this.body.style.height = `${this.shown * this.rowHeight()}px`;
    this.changed(total);
  }

  rowHeight() {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 42; // before the style sheet is there
  }

  // range is the rows that have to be in the page.
  range() {
    const height = this.rowHeight();
    const first = Math.floor(this.element.scrollTop / height) - overscan;
    const last = Math.ceil((this.element.scrollTop + this.element.clientHeight) / height) + overscan;
    return [Math.max(0, first), Math.max(0, Math.min((this.shown ?? 0) - 1, last))];
  }

  // redraw makes the rows in view again, and keeps those that are the same.
  redraw() {
    this.before = this.drawn;
    this.drawn = new Map();
    this.draw();
    this.before = undefined;
  }

  draw() {
    if (!this.element.isConnected || this.element.clientHeight === 0 || this.shown === undefined) return;
    const height = this.rowHeight();
    if (this.height !== height) {
      this.height = height;
      this.shown = Math.min(this.total, Math.floor(tallest / height));
      this.drawn.clear();
      this.body.style.height = `${this.shown * height}px`;
    }
    const [first, last] = this.range();
    const rows = [];
    for (let i = first; i <= last && i < this.shown; i++) rows.push(this.rowAt(i, height));
    for (const [i, row] of this.drawn) if (!rows.includes(row)) this.drawn.delete(i);
    if (rows.length !== this.body.children.length || rows.some((r, i) => r !== this.body.children[i])) this.body.replaceChildren(...rows);
    if (this.selected) this.element.setAttribute("aria-activedescendant", `row-${this.selected.index}`);
  }

  rowAt(index, height) {
    const known = this.drawn.get(index);
    if (known) return known;
    const group = this.groupAt(index);
    if (!group) this.load(Math.floor(index / blockSize));
    const key = group && path(group.labels);
    const selected = this.selected?.key === key && key !== undefined;
    if (selected) this.selected.index = index;
    const row = h("div", {
      role: "row", class: "row", id: `row-${index}`, "data-index": index, "aria-rowindex": index + 2,
      "aria-selected": String(selected), style: { transform: `translateY(${index * height}px)` },
    }, group ? this.row(group) : h("span", { role: "gridcell", class: "loading" }, "…"));
    if (!group) return row;
    const before = this.before?.get(index);
    const kept = before?.isEqualNode(row) ? before : row;
    this.drawn.set(index, kept);
    return kept;
  }

  // select marks a row and brings it into view.
  select(index) {
    const bounded = Math.max(0, Math.min(this.shown - 1, index));
    const labels = this.at(bounded);
    if (!labels) return;
    this.selected = { key: path(labels), index: bounded };
    this.reveal(bounded);
    this.redraw();
  }

  reveal(index) {
    const height = this.rowHeight();
    const head = this.element.firstChild.offsetHeight;
    const top = index * height;
    const bottom = top + height + head - this.element.clientHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    if (bottom > this.element.scrollTop) this.element.scrollTop = bottom;
  }

  key(e) {
    if (e.target !== this.element || e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight()) - 2);
    const now = this.selected?.index ?? -1;
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      this.select(to);
    } else if (e.key === "Enter" && this.selected) {
      const group = this.groupAt(now);
      if (group && path(group.labels) === this.selected.key) this.open(group); // it may be gone
    }
  }

  click(e) {
    if (e.target.closest("a, button")) return;
    const row = e.target.closest(".row");
    const group = row && this.groupAt(Number(row.dataset.index));
    if (!group) return;
    this.select(Number(row.dataset.index));
    this.open(group);
  }

  // hide and show keep the place, which a browser forgets.
  hide() { this.place = this.element.scrollTop; }

  show() {
    this.element.scrollTop = this.place ?? 0;
    this.redraw();
  }
}

export const rowsText = (total, shown) => total > shown ? ` The first ${count(shown)} can be scrolled to; narrow the search for the rest.` : "";
