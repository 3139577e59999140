// The page of all jobs: which are in trouble, since when, and why.

import * as api from "./api.js";
import { brief, h, update, updateEach, visible } from "./dom.js";
import { age, count, duration, exact, left, plural } from "./format.js";
import { groupAddress, noGroups } from "./groups.js";
import { pairs, text } from "./keys.js";
import * as query from "./query.js";
import { isLost, refusalList } from "./refusals.js";
import { exitWords, runBars, slower } from "./runs.js";
import { Search } from "./search.js";

const first = 100; // rows, until the reader wants more
const most = 500;
const shownRuns = 20;
const shownRefusals = 5;
const states = ["failing", "late", "running_too_long", "push_refused", "stale", "ok", "unknown"];

// wordsOf is how a state is called where people read it.
export const wordsOf = (state) => state.replaceAll("_", " ");

// fromAddress reads {state, text, by}.
function fromAddress(search) {
  const p = new URLSearchParams(search);
  const by = (p.get("by") ?? "").split(",").map((n) => n.trim()).filter((n) => n && n !== "job");
  return { state: states.includes(p.get("state")) ? p.get("state") : "", text: p.get("q") ?? "", by: by.join(",") };
}

function toAddress(q) {
  const p = new URLSearchParams({ view: "jobs" });
  if (q.state) p.set("state", q.state);
  if (q.text) p.set("q", q.text);
  if (q.by) p.set("by", q.by);
  return p.size > 1 ? `./?${p}` : "./";
}

export class JobsPage {
  // go(address) leads to another address.
  constructor(go) {
    this.go = go;
    this.title = "Jobs";
    this.limit = first;
    this.search = new Search({ changed: (t) => this.change({ text: t }), leave: () => this.table.querySelector("a")?.focus() });
    this.by = h("input", { type: "text", id: "by", size: "16", list: "by-names", autocomplete: "off", spellcheck: "false", placeholder: "instance",
      title: "Labels that tell rows apart, besides job: like instance, or instance,env", onfocus: () => this.nameLabels(), onchange: () => this.change({ by: this.by.value.trim() }) });
    this.names = h("datalist", { id: "by-names" });
    this.tabs = h("nav", { class: "states", "aria-label": "States of jobs" });
    this.hint = h("p", { class: "hint", role: "status" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.table = h("div");
    this.lost = h("div");
    this.element = h("div", { class: "page jobs-page" }, h("h1", {}, "Jobs"), this.tabs, this.toolbar(), this.problem, this.hint, this.table, this.lost);
  }

  toolbar() {
    return h("details", { class: "toolbar-fold", open: innerWidth > 760 }, h("summary", {}, "Search"),
      h("div", { class: "toolbar" }, this.search.element, h("label", { class: "inline" }, "a row for each job and ", this.by), this.names));
  }

  async nameLabels() {
    const names = await api.labelNames(new URLSearchParams({ limit: 30 })).catch(() => []);
    this.names.replaceChildren(...names.filter((n) => n !== "job").map((n) => h("option", { value: n })));
  }

  change(part) {
    const address = toAddress({ ...this.query, ...part });
    if (address !== toAddress(this.query)) this.go(address, { replace: "text" in part });
  }

  async show(search) {
    this.query = fromAddress(search);
    this.search.text = this.query.text;
    this.by.value = this.query.by;
    if (this.query.text || this.query.by) this.element.querySelector("details").open = true;
    this.hint.textContent = query.isWhole(this.query.text) ? "" : "The selector is not complete yet.";
    await this.refresh();
  }

  hide() { this.search.stop(); }

  // parameters are what is asked for. An incomplete selector changes nothing.
  parameters() {
    if (query.isWhole(this.query.text)) this.asked = this.query;
    const { state, text, by } = this.asked ?? { ...this.query, text: "" };
    const p = query.filter({ text });
    p.set("limit", this.limit);
    p.set("runs", shownRuns);
    if (state) p.set("state", state);
    if (by) p.set("by", by);
    return p;
  }

  async refresh() {
    const asked = this.query;
    const [page, refused] = await Promise.all([
      api.jobs(this.parameters()).catch((e) => this.wrong(e, asked)),
      api.refusals().catch(() => null),
    ]);
    if (!page || asked !== this.query) return;
    this.problem.hidden = true;
    const refusals = refused?.refusals ?? [];
    updateEach(this.tabs, tabs(page.counts, this.query));
    this.table = update(this.table, h("div", {}, table(page.jobs, this.query, refusals), this.rest(page)));
    this.lost = update(this.lost, lostPushes(refusals.filter(isLost), this.query));
  }

  wrong(error, asked) {
    if (asked !== this.query) return;
    this.problem.textContent = error.message;
    this.problem.hidden = error.status === undefined; // the banner tells
  }

  rest(page) {
    const all = this.query.state ? page.counts[this.query.state] : sum(page.counts);
    const more = all - page.jobs.length;
    if (more <= 0) return "";
    if (this.limit >= most) return h("p", { class: "none" }, `And ${plural(more, "more job")}. Search for them, or use pushgateway jobs.`);
    return h("p", {}, h("button", { type: "button", onclick: () => { this.limit = most; this.refresh(); } }, `Show ${count(Math.min(more, most - page.jobs.length))} more`));
  }
}

const sum = (counts) => states.reduce((n, s) => n + counts[s], 0);

function tabs(counts, q) {
  const tab = (state, words, n) => h("a", {
    href: toAddress({ ...q, state }), class: `tab ${n > 0 || state === q.state ? state : "zero"}`, "aria-current": state === q.state ? "true" : null,
  }, words, " ", h("strong", {}, count(n)));
  return [tab("", "all", sum(counts)), ...states.map((s) => tab(s, wordsOf(s), counts[s]))];
}

const heads = [["", "Job"], ["", "State"], ["", "Since"], ["extra", "Success"], ["extra", "Took"], ["runs-head", "Runs"], ["extra", "Next"], ["", "Reason"]];

function table(jobs, q, refusals) {
  if (jobs.length === 0) {
    if (q.text) return h("p", { class: "none" }, `No job ${query.words({ text: q.text })}${q.state ? ` is ${wordsOf(q.state)}` : ""}.`);
    return q.state ? h("p", { class: "none" }, `No job is ${wordsOf(q.state)}.`) : h("div", { class: "empty" }, noGroups());
  }
  return h("table", { class: "states" },
    h("thead", {}, h("tr", {}, heads.map(([className, name]) => h("th", { scope: "col", class: className }, name)))),
    h("tbody", {}, jobs.map((j) => row(j, refusals.find((r) => isOf(r, j))))));
}

// isOf reports whether a push to a group of the job was refused, though the
// state does not say so, and after the last success.
function isOf(r, j) {
  return r.stored && r.method !== "DELETE" && j.state !== "push_refused" && Object.entries(j.labels).every(([n, v]) => r.labels?.[n] === v) &&
    (j.last_success === null || +new Date(r.time) > j.last_success * 1000);
}

function row(j, refusal) {
  return h("tr", {},
    h("td", { class: "job" }, h("a", { href: target(j) }, name(j)), j.groups > 1 ? h("span", { class: "none" }, ` ${plural(j.groups, "group")}`) : ""),
    h("td", {}, h("span", { class: `badge ${j.state}` }, wordsOf(j.state))),
    h("td", { class: "since" }, moment(j.since, age)),
    h("td", { class: "extra", "data-head": "last success" }, moment(j.last_success, age)),
    h("td", { class: "extra", "data-head": "took" }, lasted(j)),
    h("td", { class: "runs-cell" }, runBars(j.runs)),
    h("td", { class: "extra", "data-head": "next" }, moment(j.next_expected, due)),
    h("td", { class: "why" }, j.reason ? h("span", { class: "reason", title: j.reason }, reason(j)) : "", refusal ? h("p", { class: "refused" }, "A push was refused ", h("time", { title: exact(refusal.time) }, age(refusal.time)), `: ${refusal.error}`) : ""));
}

// reason is why a job has its state, with what an exit code usually means.
function reason(j) {
  const words = exitWords(Number(/^exit code (\d+)$/.exec(j.reason)?.[1]));
  return words ? `${j.reason}: ${words}` : brief(j.reason);
}

function lasted(j) {
  if (j.duration_seconds === null) return "–";
  const more = slower(j.duration_seconds, j.runs ?? []);
  return [h("span", { title: `${j.duration_seconds} s` }, duration(j.duration_seconds)), more ? h("span", { class: "slower" }, more) : ""];
}

const name = (j) => brief(pairs(j.labels).map(([n, v]) => n === "job" ? v : `${n}="${v}"`).join(" "));

// target is the group that the row is about, or all groups of the job.
const target = (j) => j.groups === 1 ? groupAddress({ labels: j.group })
  : query.toAddress({ ...query.fromAddress(""), text: text(j.labels) });

// lostPushes are refused pushes that no row tells of: nothing is stored where
// they went, or they went nowhere.
function lostPushes(list, q) {
  if (list.length === 0 || q.state || q.text) return h("div");
  const rest = list.length - shownRefusals;
  return h("section", { class: "card", "aria-labelledby": "lost" }, h("h2", { id: "lost" }, "Refused pushes of which nothing is stored"),
    refusalList(list.slice(0, shownRefusals)),
    rest > 0 ? h("p", {}, h("a", { href: "./status" }, `And ${plural(rest, "more")}`)) : "");
}

// moment is a Unix time, written by words; the exact one is in the title.
export function moment(seconds, words) {
  if (seconds === null) return "–";
  const time = new Date(seconds * 1000).toISOString();
  return h("time", { datetime: time, title: exact(time) }, words(time));
}

export const due = (time) => new Date(time) < Date.now() ? `due ${age(time)}` : left(time);
