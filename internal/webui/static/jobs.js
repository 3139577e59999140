// The page of all jobs: which are in trouble, since when, and why.

import * as api from "./api.js";
import { brief, h, update, updateEach, visible } from "./dom.js";
import { age, count, duration, exact, left, plural } from "./format.js";
import { groupAddress, noGroups } from "./groups.js";
import { pairs, text } from "./keys.js";
import * as query from "./query.js";
import { isUntold, refusalList } from "./refusals.js";
import { exitWords, isSlow, runBars, streak, usual } from "./runs.js";
import { Search } from "./search.js";
import { wordsOf } from "./state.js";

const first = 100; // rows, until the reader wants more
const most = 500;
const shownRuns = 20;
const shownRefusals = 5;
const states = ["failing", "late", "running_too_long", "push_refused", "stale", "ok", "unknown"];

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
    this.untold = h("div");
    this.notice = h("p", { class: "notice", hidden: true });
    this.element = h("div", { class: "page jobs-page" }, h("h1", {}, "Jobs"), this.tabs, this.notice, this.toolbar(), this.problem, this.hint, this.table, this.untold);
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
    const untold = this.query.state || this.query.text ? [] : refusals.filter(isUntold);
    this.untold = update(this.untold, untoldPushes(untold));
    this.notify(untold.length);
  }

  // notify leads to what stands below the rows.
  notify(n) {
    this.notice.hidden = n === 0;
    const words = n === 1 ? "One more push was refused" : `${count(n)} more pushes were refused`;
    const link = h("a", { href: "#untold", onclick: (e) => { e.preventDefault(); document.getElementById("untold").scrollIntoView(); } }, words);
    updateEach(this.notice, n === 0 ? [] : [link, h("span", {}, ", which no state of a job tells of.")]);
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
    return h("p", { class: "more" }, h("button", { type: "button", onclick: () => { this.limit = most; this.refresh(); } }, `Show ${count(Math.min(more, most - page.jobs.length))} more`));
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
    h("td", { class: "job" }, h("a", { href: target(j) }, name(j)), j.groups > 1 && !isTrouble(j) ? h("span", { class: "none" }, ` ${plural(j.groups, "group")}`) : ""),
    h("td", {}, h("span", { class: `badge ${j.state}` }, wordsOf(j.state))),
    h("td", { class: "since", "data-head": j.since === null ? null : "since" }, moment(j.since, age)),
    h("td", { class: "extra", "data-head": "last success" }, moment(j.last_success, age)),
    h("td", { class: "extra", "data-head": "took" }, lasted(j)),
    h("td", { class: "runs-cell" }, runBars(j.runs)),
    h("td", { class: "extra", "data-head": "next" }, moment(j.next_expected, due)),
    h("td", { class: "why" }, j.reason ? h("span", { class: "reason", title: j.reason }, reason(j)) : "", whichGroups(j), refusal ? h("p", { class: "refused" }, "A push was refused ", h("time", { title: exact(refusal.time) }, age(refusal.time)), `: ${refusal.error}`) : ""));
}

// reason is why a job has its state, with what an exit code usually means.
export function reason(j) {
  const words = exitWords(Number(/^exit code (\d+)$/.exec(j.reason)?.[1]));
  const again = j.state === "failing" && j.groups === 1 ? streak(j.runs ?? []) : "";
  return `${words ? `${j.reason}: ${words}` : brief(j.reason)}${again}`;
}

const isTrouble = (j) => !["ok", "unknown"].includes(j.state);

// whichGroups says how many groups of a job are in trouble, and which one the
// row is about.
function whichGroups(j) {
  if (j.groups < 2 || !isTrouble(j)) return "";
  const rest = Object.fromEntries(Object.entries(j.group).filter(([n]) => !(n in j.labels)));
  return h("p", { class: "which" }, `${count(j.groups_in_state)} of ${plural(j.groups, "group")}, ${j.groups_in_state > 1 ? "the latest " : ""}`, h("a", { href: groupAddress({ labels: j.group }) }, brief(text(rest))));
}

function lasted(j) {
  if (j.duration_seconds === null) return "–";
  const runs = j.runs ?? [];
  return [h("span", { title: `${j.duration_seconds} s` }, duration(j.duration_seconds)), isSlow(j.duration_seconds, runs) ? h("span", { class: "slower" }, `usually ${duration(usual(runs))}`) : ""];
}

const name = (j) => brief(pairs(j.labels).map(([n, v]) => n === "job" ? v : `${n}="${v}"`).join(" "));

// target is the group that the row is about, or all groups of the job.
const target = (j) => j.groups === 1 ? groupAddress({ labels: j.group })
  : query.toAddress({ ...query.fromAddress(""), text: text(j.labels) });

// untoldPushes are refused pushes that no state tells of: nothing is stored
// where they went, or they could not even be read.
function untoldPushes(list) {
  if (list.length === 0) return h("div");
  const rest = list.length - shownRefusals;
  return h("section", { class: "card", "aria-labelledby": "untold" }, h("h2", { id: "untold" }, "More refused pushes"),
    h("p", { class: "note" }, "No job above shows these. Their path was wrong, nothing is stored in their group, their sender may not push there, or they could not be read."),
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
