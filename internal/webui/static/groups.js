// The page of all groups: numbers, search, table.

import * as api from "./api.js";
import { brief, h, updateEach, visible } from "./dom.js";
import { age, count, exact, left, parseDuration, plural } from "./format.js";
import { Grid, rowsText } from "./grid.js";
import { pairs, path, text } from "./keys.js";
import * as query from "./query.js";
import { Search } from "./search.js";
import { isLost, sinceSuccess } from "./refusals.js";
import { stateOf, titleOf, wordOf, wordsOf } from "./state.js";
import { cleanUp } from "./cleanup.js";

// columns have the sort of the API that belongs to them, and in which
// direction it begins.
const columns = [
  { name: "Group", sort: "job" },
  { name: "Last push", sort: "push_time", first: "-push_time" },
  { name: "State", sort: "status", first: "-status" },
  { name: "Families", sort: "families", first: "-families", number: true },
  { name: "Series", sort: "series", first: "-series", number: true },
  { name: "Expires", sort: "expiry_time" },
];

const states = [["", "All"], ["failing", "Push refused"], ["expiring", "Expiring"], ["stale", "Stale"]];

export class GroupsPage {
  // go(address) leads to another address.
  constructor(go) {
    this.go = go;
    this.title = "Groups";
    this.search = new Search({
      changed: (t) => this.change({ text: t }),
      leave: () => this.enterGrid(),
    });
    this.grid = new Grid({
      label: "Groups", columns: columns.length, header: this.header(),
      fetch: (offset, limit, signal) => this.fetch(offset, limit, signal),
      row: (g) => this.row(g), open: (g) => go(groupAddress(g)),
      changed: (total) => this.counted(total), failed: (e) => this.wrong(e),
    });
    this.build();
  }

  build() {
    this.numbers = h("dl", { class: "numbers", "aria-label": "This gateway" });
    this.total = h("p", { class: "total", role: "status" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.hint = h("p", { class: "hint", role: "status", hidden: true });
    this.lost = h("p", { class: "total", hidden: true });
    this.folding = h("button", { type: "button", class: "phone", "aria-expanded": "false", onclick: () => this.fold() }, "Filters");
    this.empty = h("div", { class: "empty", hidden: true });
    this.stale = h("input", {
      type: "text", size: "4", id: "stale", list: "ages", autocomplete: "off",
      title: "Maximum age of the last successful push, like 90m, 24h or 7d", onchange: () => this.setStale(),
    });
    this.tabs = states.map(([state, name]) => h("button", { type: "button", "data-state": state, onclick: () => this.change({ state }) }, name));
    this.sorts = this.sortSelect();
    this.element = h("div", { class: "page groups" },
      h("h1", { class: "offscreen" }, "Groups"), this.numbers,
      h("div", { class: "toolbar" },
        this.search.element, this.folding,
        h("div", { class: "tabs", role: "group", "aria-label": "State" }, this.tabs),
        h("label", { class: "inline folds" }, "stale after ", this.stale),
        h("datalist", { id: "ages" }, ["1h", "6h", "24h", "7d", "30d"].map((v) => h("option", { value: v }))),
        h("label", { class: "inline phone folds" }, "sort by ", this.sorts),
        h("button", { type: "button", class: "folds", onclick: () => cleanUp(this.query, () => this.refresh()) }, "Clean up…")),
      this.problem, this.hint, this.total, this.lost, this.empty, this.grid.element);
  }

  // fold opens and closes the controls, which on a phone leave the screen to the
  // list.
  fold() {
    const open = this.element.classList.toggle("unfolded");
    this.folding.setAttribute("aria-expanded", String(open));
  }

  header() {
    this.heads = columns.map((c) => h("span", { role: "columnheader", class: c.number ? "number" : null },
      h("button", { type: "button", onclick: () => this.sortBy(c) }, c.name)));
    return h("div", { role: "row", class: "row" }, this.heads);
  }

  sortSelect() {
    const options = columns.flatMap((c) => c.first ? [c.first, c.sort] : [c.sort, `-${c.sort}`]);
    return h("select", { onchange: (e) => this.change({ sort: e.target.value }) },
      options.map((s) => h("option", { value: s }, sortWords(s))));
  }

  sortBy(column) {
    const [first, second] = column.first ? [column.first, column.sort] : [column.sort, `-${column.sort}`];
    this.change({ sort: this.query.sort === first ? second : first });
  }

  setStale() {
    const value = this.stale.value.trim();
    const bad = parseDuration(value) === null;
    this.stale.setAttribute("aria-invalid", String(bad));
    if (bad) return this.wrong(new Error(`“${value}” is not a duration like 90m, 24h or 7d.`));
    localStorage.setItem("stale", value);
    this.change({ stale: value });
  }

  // change goes to the address of another question.
  change(part) {
    const next = { ...this.query, ...part };
    const address = query.toAddress(next);
    if (address !== query.toAddress(this.query)) this.go(address, { replace: "text" in part });
  }

  async show(search) {
    const next = query.fromAddress(search);
    const same = this.query && JSON.stringify(next) === JSON.stringify(this.query);
    this.query = next;
    this.search.text = next.text;
    this.stale.value = next.stale;
    this.sorts.value = next.sort;
    for (const tab of this.tabs) tab.setAttribute("aria-pressed", String(tab.dataset.state === next.state));
    this.heads.forEach((head, i) => head.setAttribute("aria-sort", direction(columns[i].sort, next.sort)));
    const whole = query.isWhole(next.text);
    this.hint.hidden = whole;
    this.hint.textContent = whole ? "" : "The selector is not complete yet.";
    if (!whole && this.asked) return same && this.grid.show(); // the rows stay
    const before = this.asked;
    this.asked = next;
    if (same) {
      this.grid.show();
      return this.refresh();
    }
    const [found] = await Promise.all([this.grid.reset(), this.count()]);
    if (!found && this.asked === next) this.asked = before ?? next;
  }

  hide() {
    this.search.stop();
    this.grid.hide();
  }

  async refresh() {
    await Promise.all([this.grid.refresh(), this.count()]);
  }

  fetch(offset, limit, signal) {
    const p = query.filter(this.asked);
    p.set("sort", this.asked.sort);
    p.set("offset", offset);
    p.set("limit", limit);
    return api.groups(p, signal);
  }

  counted(total) {
    if (this.asked === this.query) this.problem.hidden = true;
    const what = query.words(this.asked);
    this.total.textContent = `${plural(total, "group")}${what ? ` ${visible(what)}` : ""}.${rowsText(total, this.grid.shown)}`;
    this.grid.element.hidden = total === 0;
    this.empty.hidden = total > 0;
    this.total.hidden = total === 0;
    if (total === 0) this.empty.replaceChildren(...(what ? nothingFound(what, () => this.change({ text: "", state: "", newer: "", older: "" })) : noGroups()));
  }

  wrong(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = error.status === undefined && error instanceof TypeError; // the banner tells
  }

  async count() {
    const o = await api.overview().catch(() => null);
    if (!o) return;
    updateEach(this.numbers, numbers(o));
    const lost = o.refusals.filter(isLost).length;
    this.lost.hidden = this.query.state !== "failing" || lost === 0;
    this.lost.replaceChildren(lost === 1 ? "Of one more refused push nothing is stored: " : `Of ${count(lost)} more refused pushes nothing is stored: `, h("a", { href: "./status" }, "see Status"), ".");
  }

  enterGrid() {
    this.grid.element.focus();
    if (!this.grid.selected) this.grid.select(0);
  }

  row(g) {
    const state = stateOf(g, parseDuration(this.query.stale));
    const cell = (name, ...children) => h("span", { role: "gridcell", class: name }, ...children);
    return [
      cell("labels", pairs(g.labels).map(([n, v]) => this.chip(n, v)),
        h("a", { href: groupAddress(g), class: "open", tabindex: "-1", "aria-label": `Open ${brief(text(g.labels))}` }, "Open")),
      cell("age", h("time", { title: exact(g.push_time) }, age(g.push_time))),
      cell("state", g.job_state && state !== "failing" ? h("span", { class: `badge ${g.job_state}`, title: "So its metrics say" }, `job ${wordsOf(g.job_state)}`) :
        h("span", { class: `badge ${state}`, title: titleOf(state) }, wordOf(state))),
      state === "failing" ? this.refusedRow(g, cell) : null,
      cell("number families", count(g.families)),
      cell("number series", count(g.series)),
      cell("expiry", g.expiry_time ? h("time", { title: exact(g.expiry_time) }, left(g.expiry_time)) : h("span", { class: "none" }, "never")),
    ];
  }

  // refusedRow says when and why the last push was refused.
  refusedRow(g, cell) {
    const r = sinceSuccess(g) ?? { time: g.push_failure_time, error: g.push_failure_message ?? "" };
    return cell("why", h("time", { title: exact(r.time) }, age(r.time)), ": ", h("span", { title: r.error }, brief(r.error)));
  }

  chip(name, value) {
    return h("button", {
      type: "button", class: "chip", tabindex: "-1", title: `Show only ${brief(name)}="${brief(value)}"`,
      onclick: () => this.change({ text: query.narrowed(this.query.text, name, value) }),
    }, h("b", {}, brief(name)), brief(value) || "“”");
  }
}

export const groupAddress = (g) => `./?${new URLSearchParams({ group: path(g.labels) })}`;

function direction(sort, now) {
  if (now === sort) return "ascending";
  return now === `-${sort}` ? "descending" : "none";
}

const sortNames = {
  job: ["job", "job, reversed"], status: ["pushed first", "refused first"], push_time: ["oldest push", "latest push"],
  families: ["fewest families", "most families"], series: ["fewest series", "most series"], expiry_time: ["next to expire", "last to expire"],
};

const sortWords = (sort) => sort.startsWith("-") ? sortNames[sort.slice(1)][1] : sortNames[sort][0];

// rate is the mean of the last minute, or of the time since the start.
export function rate(activity, what) {
  const n = Math.round(60 / activity.step_seconds);
  const sum = activity[what].slice(-n).reduce((a, b) => a + b, 0);
  const r = sum / Math.min(60, Math.max(activity.step_seconds, (new Date(activity.end) - new Date(activity.begin)) / 1000));
  return r === 0 ? "0/s" : r < 10 ? `${r.toFixed(2)}/s` : `${count(Math.round(r))}/s`;
}

// refusedLink leads to whose pushes were refused, once there were any.
export const refusedLink = (o, words) => o.refusals.length > 0 ? h("a", { href: "./status", title: "See whose pushes were refused, and why" }, words) : words;

function numbers(o) {
  const item = (name, value, className, title) => h("div", { class: className, title }, h("dt", {}, name), h("dd", {}, value));
  const last = o.scrapers[0];
  return [
    item("Groups", count(o.groups)),
    item("Series", count(o.series)),
    item("Refused groups", count(o.groups_refused), o.groups_refused > 0 ? "bad" : null, "Groups whose last push was refused"),
    item("Pushes", rate(o.activity, "pushes"), null, "Accepted pushes per second over the last minute"),
    item(refusedLink(o, "Refused pushes"), rate(o.activity, "refused"), null, "Refused pushes per second over the last minute"),
    item("Last scrape", last ? age(last.time) : "never", last ? null : "bad", last ? `${last.user_agent} at ${last.client}, ${exact(last.time)}` : "Nobody has scraped this gateway since it started"),
  ];
}

function nothingFound(what, clear) {
  return [
    h("h2", {}, "No group matches"),
    h("p", {}, `There are no groups ${what}.`),
    h("button", { type: "button", onclick: clear }, "Show all groups"),
  ];
}

// noGroups is what is shown of a gateway without groups.
export function noGroups() {
  const url = api.here("metrics/job/my_job");
  return [
    h("h2", {}, "No groups yet"),
    h("p", {}, "Nothing has been pushed to this gateway. This command pushes a first metric:"),
    h("pre", { tabindex: "0" }, `echo 'my_metric 3.14' | curl -m 5 --data-binary @- '${url}'`),
    h("p", {}, "It then appears here automatically."),
  ];
}
