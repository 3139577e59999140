// A family of a group: its series as numbers, bars or marks.

import { bars, marks, share } from "./charts.js";
import { brief, h } from "./dom.js";
import { count, exact, number, plural, readable, short } from "./format.js";
import { groupAddress } from "./groups.js";
import { matcher, text } from "./keys.js";

const shownSeries = 50; // at first, of each family
const shownCharts = 4;

// family draws one. {name, family, hidden, text} come from the group; open
// says whether its series are shown.
export function family({ name, family: f, groupLabels, filter, leftOut, open, more, showMore }) {
  const type = f.type.toLowerCase().replace("_", " ");
  const series = f.metrics.filter((s) => filter === "" || name.toLowerCase().includes(filter) || labelText(s, groupLabels).toLowerCase().includes(filter));
  const shown = series.slice(0, more ? series.length : isDrawn(f) ? shownCharts : shownSeries);
  return h("details", { class: "family", open, "data-family": name },
    h("summary", {},
      h("span", { class: "name" }, brief(name)), h("span", { class: "type" }, type),
      leftOut ? h("span", { class: "badge failing" }, "left out") : null,
      h("span", { class: "size" }, plural(f.metrics.length, "series", "series")),
      f.help ? h("span", { class: "help" }, brief(f.help)) : null),
    h("div", { class: "inside" },
      leftOut ? h("p", { class: "note" }, `Stored, but not exposed: ${leftOut.reason}.`, whose(leftOut)) : null,
      isDrawn(f) ? shown.map((s) => drawn(f, s, groupLabels)) : table(name, shown, groupLabels),
      h("div", { class: "actions start" },
        shown.length < series.length ? h("button", { type: "button", class: "small", onclick: () => showMore(name) }, `Show all ${count(series.length)} series`) : null)));
}

// whose links to the group that is the reason why a family is left out.
export function whose(leftOut) {
  if (!leftOut.by) return null;
  return [" That group is ", h("a", { href: groupAddress({ labels: leftOut.by }) }, brief(text(leftOut.by))), "."];
}

const isDrawn = (f) => ["HISTOGRAM", "GAUGE_HISTOGRAM", "SUMMARY"].includes(f.type);

// labelText is what a series has beside the labels of its group.
function labelText(s, groupLabels) {
  const own = Object.entries(s.labels).filter(([n, v]) => !(n in groupLabels) && !(n === "instance" && v === ""));
  return own.length > 0 ? `{${own.map(([n, v]) => matcher(n, v)).join(", ")}}` : "";
}

function table(name, series, groupLabels) {
  const named = series.some((s) => labelText(s, groupLabels));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Series of ${brief(name)}` }, h("table", {},
    h("thead", {}, h("tr", {}, named ? h("th", { scope: "col" }, "Labels") : null, h("th", { scope: "col", class: "number" }, "Value"))),
    h("tbody", {}, series.map((s) => h("tr", {},
      named ? h("td", {}, h("code", {}, brief(labelText(s, groupLabels)) || "{}")) : null,
      h("td", { class: "number", title: hintOf(s.value), "data-raw": s.value }, readable(name, s.value)))))));
}

// hintOf is the number as it was pushed. If it looks like a time, that too.
function hintOf(value) {
  const n = Number(value);
  return n > 1e9 && n < 4e9 ? `${value}; as a Unix time: ${exact(new Date(n * 1000).toISOString())}` : value;
}

function drawn(f, s, groupLabels) {
  const labels = labelText(s, groupLabels);
  return h("figure", {},
    labels ? h("figcaption", {}, h("code", {}, brief(labels))) : null,
    f.type === "SUMMARY" ? summary(s) : histogram(s),
    h("p", { class: "sums" }, `count ${s.count ?? "0"}, sum ${s.sum ?? "0"}`, mean(s)));
}

function mean(s) {
  const m = number(s.sum ?? "NaN") / number(s.count ?? "NaN");
  return Number.isFinite(m) ? `, mean ${short(m)}` : "";
}

function summary(s) {
  const points = Object.entries(s.quantiles ?? {}).map(([q, v]) => ({ name: q, value: number(v), text: v }))
    .sort((a, b) => number(a.name) - number(b.name));
  if (points.length === 0) return h("p", { class: "none" }, "No quantiles.");
  const words = `Quantiles: ${points.map((p) => `${p.name} is ${p.text}`).join(", ")}`;
  return points.some((p) => Number.isFinite(p.value)) ? marks({ words, points }) : h("p", { class: "none" }, words);
}

// histogram draws the observations between one bound and the next.
function histogram(s) {
  const buckets = Array.isArray(s.buckets) ? native(s.buckets) : classic(s.buckets ?? {});
  if (buckets.length === 0) return h("p", { class: "none" }, "No observations.");
  const kind = Array.isArray(s.buckets) ? "Native histogram" : "Histogram";
  const words = `${kind} of ${s.count ?? "0"} observations in ${plural(buckets.length, "bucket")}, most in ${range(most(buckets))}`;
  return [
    bars({ words, labels: buckets.map((b) => b.label), values: buckets.map((b) => b.count), detail: (i) => `${range(buckets[i])}: ${short(buckets[i].count)}` }),
    h("details", { class: "buckets" }, h("summary", {}, "Buckets as a table"), bucketTable(buckets)),
  ];
}

const most = (buckets) => buckets.reduce((a, b) => (b.count > a.count ? b : a));
const range = (b) => `${b.open}${short(b.lower)}, ${short(b.upper)}${b.close}`;

function bucketTable(buckets) {
  const highest = most(buckets).count;
  return h("table", { class: "bucket-table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Range"), h("th", { scope: "col", class: "number" }, "Observations"), h("th", { scope: "col" }, h("span", { class: "offscreen" }, "Share")))),
    h("tbody", {}, buckets.map((b) => h("tr", {}, h("td", {}, range(b)), h("td", { class: "number" }, short(b.count)), h("td", { class: "wide" }, share(b.count, highest))))));
}

// classic buckets are cumulative: each has all observations below its bound.
function classic(buckets) {
  const bounds = Object.keys(buckets).sort((a, b) => number(a) - number(b));
  return bounds.map((bound, i) => ({
    lower: i > 0 ? number(bounds[i - 1]) : -Infinity, upper: number(bound), open: "(", close: "]",
    count: number(buckets[bound]) - (i > 0 ? number(buckets[bounds[i - 1]]) : 0), label: short(number(bound)),
  }));
}

// native buckets come with the kind of their bounds: 0 is open on the left, 1
// on the right, 2 on both sides, 3 closed on both.
function native(buckets) {
  return buckets.map(([kind, lower, upper, n]) => ({
    lower: number(lower), upper: number(upper), count: number(n), label: short(number(upper)),
    open: kind === 1 || kind === 3 ? "[" : "(", close: kind === 0 || kind === 3 ? "]" : ")",
  }));
}
