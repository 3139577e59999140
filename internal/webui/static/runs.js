// The last runs of a job as small bars: how they ended by colour and shape, how
// long they took by height.

import { h } from "./dom.js";
import { age, duration, exact, plural } from "./format.js";

const height = 24;
const foot = 5; // pixels below the bars, for the marks of failures
const step = 6;
const wide = 5;
const enough = 4; // runs, to say what is usual

const exits = {
  124: "it took longer than its timeout", 125: "the container or the command could not be started", 126: "the command could not be executed", 127: "the command was not found",
  129: "SIGHUP", 130: "SIGINT: somebody interrupted it", 134: "SIGABRT", 137: "SIGKILL: often for lack of memory", 139: "SIGSEGV: it crashed", 143: "SIGTERM: somebody ended it",
};

// exitWords says what an exit code usually means, or nothing.
export const exitWords = (code) => exits[code] ?? (code > 128 && code < 192 ? `signal ${code - 128}` : "");

// usual is the median duration of the successful runs before the last one, or
// null if there are too few.
export function usual(runs) {
  const known = runs.slice(0, -1).filter((r) => r.outcome === "ok" && r.duration_seconds !== undefined).map((r) => r.duration_seconds).sort((a, b) => a - b);
  return known.length < enough ? null : known[Math.floor(known.length / 2)];
}

// slower says how a duration compares with the usual one, or nothing.
export function slower(seconds, runs) {
  const before = usual(runs);
  if (seconds === null || seconds === undefined || !before) return "";
  const times = seconds / before;
  if (times >= 1.5 && seconds - before >= 1) return `${times < 10 ? times.toFixed(1) : Math.round(times)} × as long as usual (${duration(before)})`;
  return "";
}

function words(runs) {
  const failed = runs.filter((r) => r.outcome === "failed").length;
  const last = runs.at(-1);
  const before = usual(runs);
  return `The last ${plural(runs.length, "run")}: ${failed} failed. The latest ${last.outcome === "ok" ? "succeeded" : "failed"}` +
    `${last.duration_seconds === undefined ? "" : ` after ${duration(last.duration_seconds)}`}${before === null ? "" : `; usual are ${duration(before)}`}.`;
}

function title(r) {
  const ended = new Date(r.ended * 1000).toISOString();
  const outcome = r.outcome === "ok" ? "succeeded" : `failed${r.exit_code === undefined ? "" : ` with exit code ${r.exit_code}`}`;
  return `${outcome}${r.duration_seconds === undefined ? "" : ` after ${duration(r.duration_seconds)}`}, ${age(ended)}: ${exact(ended)}`;
}

// runBars draws runs, oldest first. A run whose duration is not known has half the
// height, and no filling. One over four times the median is cut.
export function runBars(runs) {
  if (!runs || runs.length === 0) return h("span", { class: "none" }, "–");
  const known = runs.map((r) => r.duration_seconds ?? 0).sort((a, b) => a - b);
  // One very long run must not hide how the others differ.
  const longest = Math.min(known.at(-1), 4 * known[Math.floor(known.length / 2)] || known.at(-1));
  const bar = (r, i) => {
    const measured = r.duration_seconds !== undefined && longest > 0;
    const share = measured ? r.duration_seconds / longest : 0.5;
    const tall = Math.max(2, (height - foot) * Math.min(1, share));
    const x = i * step;
    return h("g", { class: `run ${r.outcome}${measured ? "" : " unsure"}` },
      h("title", {}, title(r)),
      h("rect", { class: "touch", x, y: 0, width: step, height }),
      h("rect", { class: "bar", x: x + 0.5, y: height - foot - tall, width: wide - 1, height: tall }),
      share > 1 ? h("path", { class: "cut", d: `M${x} 6l${wide} -3` }) : null,
      r.outcome === "failed" ? h("path", { class: "cross", d: `M${x + 0.5} ${height - 4}l4 4m0 -4l-4 4` }) : null);
  };
  return h("svg", { class: "runs", role: "img", "aria-label": words(runs), width: runs.length * step, height, viewBox: `0 0 ${runs.length * step} ${height}` }, runs.map(bar));
}
