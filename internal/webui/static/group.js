// The page of one group.

import * as api from "./api.js";
import { endCharts } from "./charts.js";
import { removeGroup } from "./cleanup.js";
import { brief, copy, copyButton, h, visible } from "./dom.js";
import { age, count, duration, exact, left, parseDuration, plural } from "./format.js";
import { family } from "./family.js";
import { pairs, path, text } from "./keys.js";
import * as query from "./query.js";
import { refusalList, sinceSuccess } from "./refusals.js";
import { prefixOf, runCard, runNames } from "./runcard.js";
import { stateOf, titleOf, wordOf } from "./state.js";

const openAtFirst = 3; // families
const shownFamilies = 100;

export class GroupPage {
  constructor(go) {
    this.go = go;
    this.title = "Group";
    this.element = h("div", { class: "page group" });
  }

  async show(search) {
    const key = new URLSearchParams(search).get("group");
    if (key !== this.key) {
      Object.assign(this, { key, known: null, filter: "", opened: new Map(), all: new Set(), allFamilies: false });
      this.element.replaceChildren(h("p", { class: "loading" }, "Loading…"));
    }
    await this.refresh();
  }

  hide() {}

  // refresh asks again, and draws only what has changed: the reader may be
  // marking a text.
  async refresh() {
    const key = this.key;
    try {
      const [json, lines] = await Promise.all([api.group(key), api.lines(key)]);
      if (key !== this.key) return;
      if (json !== this.known) this.draw(JSON.parse(json).data, lines);
      else this.drawTimes();
      this.known = json;
    } catch (e) {
      if (key === this.key && e instanceof api.Failure) await this.gone(e);
    }
  }

  // gone tells that nothing is stored, and if pushes were refused, why.
  async gone(e) {
    this.known = null;
    const key = this.key;
    const refused = e.status === 404 ? await api.refusals().catch(() => null) : null;
    const list = (refused?.refusals ?? []).filter((r) => r.labels && path(r.labels) === key);
    if (key !== this.key) return;
    if (list.length > 0) {
      return this.element.replaceChildren(this.backLink(),
        h("h1", {}, "Nothing is stored here: pushes were refused"), h("p", {}, h("code", {}, brief(text(list[0].labels)))),
        h("section", { class: "card" }, h("h2", {}, "Refused"), refusalList(list)));
    }
    this.element.replaceChildren(h("div", { class: "empty" },
      h("h1", {}, e.status === 404 ? "This group is gone" : "This group cannot be shown"),
      h("p", {}, e.message), h("a", { class: "button", href: query.allGroups }, "All groups")));
  }

  draw(group, lines) {
    endCharts(this.element);
    this.group = group;
    this.lines = lines;
    this.prefix = prefixOf(group.metrics);
    const focused = document.activeElement?.id;
    this.times = h("dl", { class: "facts" });
    this.families = h("div", { class: "families" });
    this.badge = h("span", { class: "badge" });
    this.element.replaceChildren(
      this.backLink(), this.heading(), this.denial(), this.failure(), this.prefix === null ? "" : runCard(group, this.prefix), this.times,
      h("section", { "aria-labelledby": "families" }, this.familiesHead(), this.families),
      this.commands(), linesSection(lines));
    this.title = brief(text(group.labels));
    this.drawTimes();
    this.drawFamilies();
    if (focused) document.getElementById(focused)?.focus();
  }

  // backLink leads to where the reader came from.
  backLink() {
    const from = history.state?.from;
    const back = (e) => {
      if (!["groups", "jobs"].includes(from)) return;
      e.preventDefault();
      e.stopPropagation();
      history.back();
    };
    return from === "jobs" ? h("a", { href: "./", class: "back", onclick: back }, "← Jobs") : h("a", { href: query.allGroups, class: "back", onclick: back }, "← All groups");
  }

  heading() {
    const group = this.group;
    const why = group.denied?.delete;
    return h("div", { class: "heading" },
      h("h1", { "aria-label": brief(text(group.labels)) }, pairs(group.labels).map(([n, v]) => h("a", {
        class: "chip", href: query.toAddress({ ...query.fromAddress(""), text: query.narrowed("", n, v) }), title: `Show all groups with ${brief(n)}="${brief(v)}"`,
      }, h("b", {}, brief(n)), brief(v) || "“”"))),
      this.badge,
      h("button", { type: "button", class: "danger quiet", disabled: Boolean(why), title: why, "aria-describedby": why ? "why-not" : null,
        onclick: () => removeGroup(group, () => this.go(query.allGroups)) }, "Delete…"));
  }

  denial() {
    const why = this.group.denied?.delete;
    return why ? h("p", { class: "note", id: "why-not" }, `You may not delete this group: ${why}.`) : "";
  }

  failure() {
    const g = this.group;
    const r = sinceSuccess(g);
    if (!g.last_push_refused) return "";
    const at = r?.time ?? g.push_failure_time;
    const why = r?.error ?? g.push_failure_message;
    return h("div", { class: "banner bad", role: "note" },
      h("strong", {}, "The last push was refused"), " ", h("time", { title: exact(at) }, age(at)), r ? [`, ${r.reason}, from ${r.user ? `${r.user} at ` : ""}${r.client}`, r.times > 1 ? `, ${plural(r.times, "time")} so far` : ""] : "", `. ${g.push_time ? "The group still has its earlier metrics." : "No push to this group has succeeded yet, so it has no metrics."}`,
      why ? h("pre", { tabindex: "0" }, why) : null);
  }

  drawTimes() {
    const g = this.group;
    const refused = [g.last_refusal?.time, g.push_failure_time].filter(Boolean).sort((a, b) => new Date(b) - new Date(a))[0];
    const state = stateOf(g, parseDuration(query.fromAddress("").stale));
    this.badge.hidden = state === "fresh" && this.prefix !== null; // the card says more
    this.badge.className = `badge ${state}`;
    this.badge.textContent = wordOf(state);
    this.badge.title = titleOf(state);
    const fact = (name, value, title) => h("div", {}, h("dt", {}, name), h("dd", { title }, value));
    this.times.replaceChildren(
      fact("Last successful push", age(g.push_time), exact(g.push_time)),
      fact("Last refused push", age(refused), exact(refused)),
      fact("Expires", g.expiry_time ? left(g.expiry_time) : "never", g.expiry_time ? exact(g.expiry_time) : "This group has no time to live"),
      g.ttl_seconds ? fact("Time to live", duration(g.ttl_seconds)) : "",
      fact("Families", count(g.families)), fact("Series", count(g.series)));
  }

  familiesHead() {
    const input = h("input", { type: "search", id: "series-search", placeholder: "Search families and series", "aria-label": "Search families and series",
      oninput: () => { this.filter = input.value.trim().toLowerCase(); this.drawFamilies(); } });
    input.value = this.filter;
    return h("div", { class: "section-head" }, h("h2", { id: "families" }, "Families"), input, copyButton("Copy all", "all lines", () => this.lines));
  }

  drawFamilies() {
    const ofRun = runNames(this.prefix);
    const names = Object.keys(this.group.metrics).sort((a, b) => ofRun.has(a) - ofRun.has(b) || (a < b ? -1 : 1)).filter((n) => this.matches(n));
    const shown = this.allFamilies ? names : names.slice(0, shownFamilies);
    endCharts(this.families);
    this.families.replaceChildren(
      ...shown.map((name, i) => this.drawFamily(name, i)),
      ...(names.length === 0 ? [h("p", { class: "none" }, this.filter ? "No families or series match." : "This group has no families.")] : []),
      ...(shown.length < names.length ? [h("button", { type: "button", onclick: () => { this.allFamilies = true; this.drawFamilies(); } }, `Show all ${plural(names.length, "family", "families")}`)] : []));
  }

  matches(name) {
    const f = this.group.metrics[name];
    const in_ = (s) => s.toLowerCase().includes(this.filter);
    return in_(name) || in_(f.help ?? "") || f.metrics.some((s) => Object.entries(s.labels).some(([n, v]) => in_(`${n}="${v}"`)));
  }

  drawFamily(name, i) {
    const open = this.opened.get(name) ?? (i < openAtFirst && !runNames(this.prefix).has(name) || this.filter !== "");
    const e = family({
      name, family: this.group.metrics[name], groupLabels: this.group.labels, filter: this.filter, open,
      leftOut: this.group.left_out?.find((x) => x.family === name),
      more: this.all.has(name), showMore: (n) => { this.all.add(n); this.drawFamilies(); },
    });
    e.addEventListener("toggle", (event) => { if (event.target === e) this.opened.set(name, e.open); });
    return e;
  }

  commands() {
    const url = api.here(`metrics/${path(this.group.labels)}`);
    return h("section", {}, h("h2", {}, "From a shell"),
      command("Push to this group", `echo 'my_metric 3.14' | curl -m 5 --data-binary @- '${url}'`),
      command("Delete this group", `curl -m 5 -X DELETE '${url}'`));
  }
}

function command(name, line) {
  return h("div", { class: "command" }, h("h3", {}, name), h("pre", { tabindex: "0" }, line),
    h("button", { type: "button", class: "small", "aria-label": `Copy: ${name}`, onclick: () => copy(line, "the command") }, "Copy"));
}

const shownLines = 200;

function linesSection(lines) {
  const all = lines.split("\n");
  const pre = h("pre", { tabindex: "0", class: "lines" }, all.slice(0, shownLines).join("\n"));
  const rest = all.length - 1 - shownLines;
  const more = rest > 0 ? h("button", { type: "button", class: "small", onclick: () => { pre.textContent = visible(lines); more.remove(); } }, `Show ${count(rest)} more lines`) : null;
  return h("section", {}, h("h2", {}, "As scraped"), pre, more);
}
