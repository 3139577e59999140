// Charts, drawn by uPlot, which is loaded when the first one is needed.

import { h } from "./dom.js";
import { clock, short } from "./format.js";

let loading;

function library() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(
      h("link", { rel: "stylesheet", href: "static/vendor/uPlot.min.css" }),
      h("script", { src: "static/vendor/uPlot.iife.min.js", onload: () => resolve(window.uPlot), onerror: reject }));
  });
  return loading;
}

// ink gives a colour of the style sheet as a canvas understands it.
function ink(name) {
  const probe = h("span", { style: { color: `var(--${name})` } });
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

const axis = (more) => ({
  stroke: () => ink("muted"), grid: { stroke: () => ink("line"), width: 1 }, ticks: { show: false },
  font: "12px system-ui, sans-serif", ...more,
});

// chart keeps a plot as wide as its element, in the colours of the theme,
// until endCharts. words says in text what it shows.
function chart(words, height, options, data) {
  const element = h("div", { class: "chart", role: "img", "aria-label": words });
  element.style.height = `${height}px`;
  library().then((uPlot) => {
    if (element.ended) return;
    const plot = new uPlot({ width: Math.max(200, element.clientWidth), height, legend: { show: false }, ...options(uPlot) }, data, element);
    element.update = (fresh, text) => {
      plot.setData(fresh);
      element.setAttribute("aria-label", text);
    };
    const size = new ResizeObserver(() => element.clientWidth > 0 && plot.setSize({ width: element.clientWidth, height }));
    size.observe(element);
    element.plot = plot;
  }, () => { element.textContent = "The chart library could not be loaded. Reload the page to retry."; });
  return element;
}

// endCharts ends those within an element that is about to go: they listen to
// the window.
export function endCharts(parent) {
  for (const element of parent.querySelectorAll(".chart")) {
    element.ended = true;
    element.plot?.destroy();
  }
}

addEventListener("theme", () => {
  for (const element of document.querySelectorAll(".chart")) element.plot?.redraw(false, true);
});

// bars draws one bar for each label. detail(i) is what is said of a bar when
// the pointer is on it.
export function bars({ words, labels, values, detail, height = 190, color = "accent" }) {
  const hint = h("p", { class: "hint", "aria-hidden": "true" }, " ");
  const drawn = chart(words, height, (uPlot) => ({
    padding: [8, 8, 0, 0],
    scales: { x: { time: false, range: [-0.6, labels.length - 0.4] }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] } },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    axes: [
      axis({
        size: 30, grid: { show: false }, splits: () => labels.map((_, i) => i),
        values: (u) => thinned(labels, u.width),
      }),
      axis({ size: 48, values: (_, splits) => splits.map(short) }),
    ],
    series: [{}, { fill: () => ink(color), stroke: () => ink(color), width: 0, paths: uPlot.paths.bars({ size: [0.86, 80], radius: 0.12 }), points: { show: false } }],
    hooks: { setCursor: [(u) => { hint.textContent = u.cursor.idx === null || u.cursor.idx === undefined ? " " : detail(u.cursor.idx); }] },
  }), [labels.map((_, i) => i), values]);
  return h("div", { class: "plot" }, drawn, hint);
}

// thinned leaves labels out where they would run into each other.
function thinned(labels, width) {
  const longest = Math.max(...labels.map((l) => l.length));
  const every = Math.max(1, Math.ceil(labels.length * (longest * 7 + 10) / Math.max(1, width - 56)));
  return labels.map((l, i) => i % every === 0 ? l : "");
}

// rates draws counts over time as rates: one line for each series.
export function rates({ words, times, series, height = 190 }) {
  return chart(words, height, () => ({
    padding: [8, 8, 0, 0],
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    cursor: { drag: { x: false, y: false } },
    axes: [axis({ size: 30, grid: { show: false }, space: 64, values: (_, splits) => splits.map((s) => clock(s * 1000)) }), axis({ size: 48, values: (_, splits) => splits.map(short) })],
    series: [{}, ...series.map(({ color, fill }) => ({
      stroke: () => ink(color), width: 1.75, points: { show: false }, fill: fill ? () => ink(fill) : undefined,
    }))],
  }), [times, ...series.map((s) => s.values)]);
}

// share draws a bar within a cell.
export function share(part, whole) {
  const inner = h("span", { style: { width: `${whole > 0 ? Math.max(0.5, 100 * part / whole) : 0}%` } });
  return h("span", { class: "share", "aria-hidden": "true" }, inner);
}

// marks draws quantiles on one scale, as far apart as their values are.
export function marks({ words, points }) {
  const known = points.filter((p) => Number.isFinite(p.value));
  const low = Math.min(0, ...known.map((p) => p.value));
  const high = Math.max(...known.map((p) => p.value), low + Number.MIN_VALUE);
  const x = (v) => 4 + 92 * (v - low) / (high - low || 1);
  return h("div", { class: "marks", role: "img", "aria-label": words },
    h("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("line", { x1: x(low), x2: x(high), y1: 5, y2: 5, class: "scale" }),
      known.map((p) => h("line", { x1: x(p.value), x2: x(p.value), y1: 1, y2: 9, class: "mark" }))),
    known.map((p, i) => h("span", { class: i % 2 ? "below" : "above", style: { left: `${x(p.value)}%`, transform: `translateX(-${x(p.value)}%)` } },
      h("b", {}, p.name), ` ${short(p.value)}`)));
}
