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

const isMuchMore = (seconds, before) => seconds >= 1.5 * before && seconds - before >= 1;

// isSlow reports whether a duration is much longer than the usual one.
export const isSlow = (seconds, runs) => usual(runs) !== null && isMuchMore(seconds, usual(runs));

// slower says how a long duration compares with the usual one, or nothing.
export function slower(seconds, runs) {
  if (seconds === null || !isSlow(seconds, runs)) return "";
  const before = usual(runs);
  if (before === 0) return "longer than usual (0s)";
  const times = seconds / before;
  return `${times < 10 ? times.toFixed(1) : Math.round(times)} × as long as usual (${duration(before)})`;
}

// slowSince is the first of the successful runs, up to the last one, that all took
// much longer than those before them, or nothing. One run is no trend.
export function slowSince(runs) {
  const known = runs.filter((r) => r.outcome === "ok" && r.duration_seconds !== undefined);
  let since = null;
  for (let i = known.length - 1; i >= enough; i--) {
    const before = known.slice(0, i).map((r) => r.duration_seconds).sort((a, b) => a - b)[Math.floor(i / 2)];
    if (known.slice(i).every((r) => isMuchMore(r.duration_seconds, before))) since = { run: known[i], before };
    else if (since) break;
  }
  return since && known.at(-1) !== since.run ? since : null;
}

// streak says how many of the last runs failed, one after the other, as the end of
// a reason, or nothing if it is one.
export function streak(runs) {
  const good = runs.findLastIndex((r) => r.outcome === "ok");
  const n = runs.length - 1 - good;
  return n < 2 ? "" : `; the last ${n} runs failed, the first ${age(new Date(runs[good + 1].ended * 1000).toISOString())}`;
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

// history draws the runs of a card, with their times and what has changed.
export function history(runs) {
  const failed = runs.filter((r) => r.outcome === "failed").length;
  const slow = slowSince(runs);
  const time = (r) => { const at = new Date(r.ended * 1000).toISOString(); return h("time", { datetime: at, title: exact(at) }, age(at)); };
  return h("div", { class: "history" },
    h("h3", {}, `The last ${plural(runs.length, "run")}: ${failed === 0 ? "none failed" : `${failed} failed`}`),
    h("div", { class: "bars" }, runBars(runs, 2), h("p", {}, time(runs[0]), runs.length > 1 ? time(runs.at(-1)) : "")),
    slow ? h("p", { class: "slower" }, `Slower since ${day(slow.run.ended)}: before, runs usually took ${duration(slow.before)}.`) : "");
}

const day = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// runBars draws runs, oldest first. A run whose duration is not known is a dot. A bar
// over four times the median is cut.
export function runBars(runs, scale = 1) {
  if (!runs || runs.length === 0) return h("span", { class: "none" }, "–");
  const known = runs.map((r) => r.duration_seconds ?? 0).sort((a, b) => a - b);
  // One very long run must not hide how the others differ.
  const longest = Math.min(known.at(-1), 4 * known[Math.floor(known.length / 2)] || known.at(-1));
  // One element a run: a page has thousands of them.
  const bar = (r, i) => {
    const measured = r.duration_seconds !== undefined && longest > 0;
    const share = measured ? r.duration_seconds / longest : 0;
    const tall = Math.max(2, (height - foot) * Math.min(1, share));
    const x = i * step + 0.5;
    if (share > 1) cuts.push(`M${x - 0.5} 6l${wide} -3`);
    return h("path", { class: `run ${r.outcome}`,
      d: `${measured ? `M${x} ${height - foot}v${-tall}h${wide - 1}v${tall}z` : `M${x} ${height / 2}a2 2 0 1 1 ${wide - 1} 0a2 2 0 1 1 ${1 - wide} 0z`}${r.outcome === "failed" ? `M${x} ${height - 4}l4 4m0 -4l-4 4` : ""}` });
  };
  const cuts = [];
  const bars = runs.map(bar);
  const detail = h("title");
  const point = (e) => {
    const box = e.currentTarget.getBoundingClientRect();
    const r = runs[Math.floor((e.clientX - box.left) / box.width * runs.length)];
    detail.textContent = r ? title(r) : "";
  };
  return h("svg", { class: "runs", role: "img", "aria-label": words(runs), width: runs.length * step * scale, height: height * scale, viewBox: `0 0 ${runs.length * step} ${height}`, onpointermove: point },
    detail, bars, cuts.length > 0 ? h("path", { class: "cut", d: cuts.join("") }) : null);
}
