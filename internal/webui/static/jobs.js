// The page of all jobs: which are in trouble, since when, and why.

import * as api from "./api.js";
import { brief, h, update, updateEach } from "./dom.js";
import { age, count, duration, exact, left, plural } from "./format.js";
import { groupAddress, noGroups } from "./groups.js";
import { pairs } from "./keys.js";
import * as query from "./query.js";

const most = 500; // rows
const states = ["failing", "late", "running_too_long", "push_refused", "stale", "ok", "unknown"];

// wordsOf is how a state is called where people read it.
const wordsOf = (state) => state.replaceAll("_", " ");

const addressOf = (state) => state ? `./?view=jobs&state=${state}` : "./";

export class JobsPage {
  constructor() {
    this.title = "Jobs";
    this.tabs = h("nav", { class: "states", "aria-label": "States of jobs" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.table = h("div");
    this.element = h("div", { class: "page jobs-page" }, h("h1", {}, "Jobs"), this.tabs, this.problem, this.table);
  }

  async show(search) {
    const state = new URLSearchParams(search).get("state");
    this.state = states.includes(state) ? state : "";
    await this.refresh();
  }

  hide() {}

  async refresh() {
    const asked = this.state;
    const p = new URLSearchParams({ limit: most });
    if (asked) p.set("state", asked);
    const page = await api.jobs(p).catch((e) => this.wrong(e));
    if (!page || asked !== this.state) return;
    this.problem.hidden = true;
    updateEach(this.tabs, tabs(page.counts, this.state));
    this.table = update(this.table, h("div", {}, table(page.jobs, this.state), rest(page, this.state)));
  }

  wrong(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = error.status === undefined; // the banner tells
  }
}

const sum = (counts) => states.reduce((n, s) => n + counts[s], 0);

function tabs(counts, shown) {
  const tab = (state, words, n) => h("a", {
    href: addressOf(state), class: n > 0 ? `tab ${state}` : "tab", "aria-current": state === shown ? "true" : null,
  }, words, " ", h("strong", {}, count(n)));
  return [tab("", "all", sum(counts)), ...states.map((s) => tab(s, wordsOf(s), counts[s]))];
}

function rest(page, state) {
  const more = (state ? page.counts[state] : sum(page.counts)) - page.jobs.length;
  return more > 0 ? h("p", { class: "none" }, `And ${plural(more, "more job")}. pushgateway jobs lists them.`) : "";
}

const heads = [["", "Job"], ["", "State"], ["", "Since"], ["extra", "Success"], ["extra", "Took"], ["extra", "Next"], ["", "Reason"]];

function table(jobs, state) {
  if (jobs.length === 0) return state ? h("p", { class: "none" }, `No job is ${wordsOf(state)}.`) : h("div", { class: "empty" }, noGroups());
  return h("table", { class: "states" },
    h("thead", {}, h("tr", {}, heads.map(([className, name]) => h("th", { scope: "col", class: className }, name)))),
    h("tbody", {}, jobs.map(row)));
}

function row(j) {
  return h("tr", {},
    h("td", {}, h("a", { href: target(j) }, name(j)), j.groups > 1 ? h("span", { class: "none" }, ` ${plural(j.groups, "group")}`) : ""),
    h("td", {}, h("span", { class: `badge ${j.state}` }, wordsOf(j.state))),
    h("td", {}, moment(j.since, age)),
    h("td", { class: "extra" }, moment(j.last_success, age)),
    h("td", { class: "extra" }, j.duration_seconds === null ? "–" : h("span", { title: `${j.duration_seconds} s` }, duration(j.duration_seconds))),
    h("td", { class: "extra" }, moment(j.next_expected, due)),
    h("td", { class: "why" }, brief(j.reason)));
}

const name = (j) => brief(pairs(j.labels).map(([n, v]) => n === "job" ? v : `${n}="${v}"`).join(" "));

// target is the group that the row is about, or all groups of the job.
const target = (j) => j.groups === 1 ? groupAddress({ labels: j.group })
  : query.toAddress({ ...query.fromAddress(""), text: query.narrowed("", "job", j.labels.job) });

// moment is a Unix time, written by words; the exact one is in the title.
function moment(seconds, words) {
  if (seconds === null) return "–";
  const time = new Date(seconds * 1000).toISOString();
  return h("time", { datetime: time, title: exact(time) }, words(time));
}

const due = (time) => new Date(time) < Date.now() ? age(time) : left(time);
