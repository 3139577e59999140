// The page of the whole gateway, drawn.

import * as api from "./api.js";
import { bars, endCharts, rates, share } from "./charts.js";
import { brief, h, update, updateEach } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { whose } from "./family.js";
import { groupAddress, rate, refusedLink } from "./groups.js";
import { text } from "./keys.js";
import * as query from "./query.js";

export class OverviewPage {
  constructor() {
    this.title = "Overview";
    this.numbers = h("dl", { class: "numbers large" });
    this.activity = h("div");
    this.legend = h("p", { class: "legend" });
    this.ages = h("div");
    this.jobs = h("div");
    this.hidden = h("div");
    const card = (id, title, ...content) => h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...content);
    this.element = h("div", { class: "page overview" }, h("h1", {}, "Overview"), this.numbers,
      h("div", { class: "cards" },
        card("activity", "Pushes per second, last ten minutes", this.activity),
        card("ages-title", "Groups by age of the last successful push", this.ages),
        card("jobs", "Largest jobs by series", this.jobs),
        card("left-out", "Families left out of the exposition", this.hidden)));
  }

  async show() { await this.refresh(); }
  hide() {}

  async refresh() {
    const o = await api.overview().catch(() => null);
    if (!o) return;
    this.drawNumbers(o);
    this.drawActivity(o);
    this.drawAges(o.ages);
    this.jobs = update(this.jobs, jobTable(o));
    this.hidden = update(this.hidden, h("div", {}, hiddenList(o)));
  }

  drawNumbers(o) {
    const item = (name, value, href, bad) => h("div", { class: bad ? "bad" : null }, h("dt", {}, name), h("dd", {}, h("a", { href }, value)));
    const left = item("Left out", count(o.families_left_out), "#left-out", o.families_left_out > 0);
    left.addEventListener("click", (e) => { e.preventDefault(); document.getElementById("left-out").scrollIntoView(); });
    updateEach(this.numbers, [
      item("Groups", count(o.groups), query.allGroups), item("Series", count(o.series), "./?sort=-series"), item("Families", count(o.families), "./?sort=-families"),
      item("Refused groups", count(o.groups_refused), "./?state=failing", o.groups_refused > 0), left]);
  }

  drawActivity(o) {
    const a = o.activity;
    const end = new Date(a.end) / 1000;
    const times = a.pushes.map((_, i) => end - (a.pushes.length - i) * a.step_seconds);
    // Nothing is known of the time before the start, which is not zero.
    const begin = new Date(a.begin) / 1000;
    const perSecond = (counts) => counts.map((n, i) => times[i] + a.step_seconds < begin ? null : n / a.step_seconds);
    const now = `${rate(a, "pushes")} accepted, ${rate(a, "refused")} refused`;
    const words = `Pushes over the last ten minutes; in the last minute ${now}`;
    const data = [times, perSecond(a.pushes), perSecond(a.refused)];
    this.rates ??= rates({ words, times, series: [{ values: data[1], color: "accent", fill: "wash" }, { values: data[2], color: "bad" }] });
    this.rates.update?.(data, words);
    if (!this.rates.isConnected) this.activity.replaceChildren(this.rates, this.legend);
    updateEach(this.legend, [
      h("span", { class: "key accent" }), h("span", {}, "accepted"), h("strong", {}, rate(a, "pushes")),
      h("span", { class: "key bad" }), h("span", {}, refusedLink(o, "refused")), h("strong", {}, rate(a, "refused")),
      h("span", { class: "none" }, "mean of the last minute")]);
  }

  // drawAges draws again only if a number has changed.
  drawAges(ages) {
    const known = JSON.stringify(ages);
    if (known === this.knownAges) return;
    this.knownAges = known;
    const name = (i) => ages[i].up_to_seconds ? `≤ ${duration(ages[i].up_to_seconds)}` : `> ${duration(ages[i - 1].up_to_seconds)}`;
    const labels = ages.map((_, i) => name(i));
    endCharts(this.ages);
    this.ages.replaceChildren(bars({
      words: `Groups by age: ${ages.map((a, i) => `${name(i)}: ${a.groups}`).join(", ")}`,
      labels, values: ages.map((a) => a.groups), detail: (i) => `${labels[i]}: ${plural(ages[i].groups, "group")}`,
    }), h("p", { class: "age-links" }, ages.map((a, i) => a.groups > 0 ? h("a", { href: ageAddress(ages, i) }, `${labels[i]}: ${count(a.groups)}`) : "")));
  }
}

// ageAddress leads to the groups of one bar.
function ageAddress(ages, i) {
  const seconds = (j) => ages[j]?.up_to_seconds ? `${ages[j].up_to_seconds}s` : "";
  return query.toAddress({ ...query.fromAddress(""), newer: seconds(i), older: seconds(i - 1), sort: "-push_time" });
}

function jobTable(o) {
  if (o.jobs.length === 0) return h("p", { class: "none" }, "No groups yet.");
  const address = (job) => query.toAddress({ ...query.fromAddress(""), text: query.narrowed("", "job", job) });
  return h("table", { class: "jobs" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Job"), h("th", { scope: "col", class: "number" }, "Groups"), h("th", { scope: "col", class: "number" }, "Series"), h("th", { scope: "col" }, h("span", { class: "offscreen" }, "Share")))),
    h("tbody", {}, o.jobs.map((j) => h("tr", {},
      h("td", {}, h("a", { href: address(j.job) }, j.job || "“”")), h("td", { class: "number" }, count(j.groups)),
      h("td", { class: "number" }, count(j.series)), h("td", { class: "wide" }, share(j.series, o.jobs[0].series))))));
}

function hiddenList(o) {
  if (o.families_left_out === 0) return [h("p", { class: "good" }, "None: scrapes include everything that is stored.")];
  const rest = o.families_left_out - o.left_out.length;
  return [
    h("ul", { class: "hidden-list" }, o.left_out.map((x) => h("li", {},
      h("code", {}, x.family), " of ", h("a", { href: groupAddress(x) }, brief(text(x.labels))), h("p", {}, `${x.reason}.`, whose(x))))),
    rest > 0 ? h("p", { class: "none" }, `And ${count(rest)} more.`) : "",
  ];
}
