// The last run of a job on one card: started, took, exit code, CPU, memory,
// expected, next.

import { h } from "./dom.js";
import { age, bytes, clock, duration, took } from "./format.js";
import { due, moment, reason } from "./jobs.js";
import { exitWords, history, slower, usual } from "./runs.js";
import { wordsOf } from "./state.js";

// ends are those of the names of metrics that tell of a run.
const ends = [
  "exit_code", "last_success_timestamp_seconds", "last_success_unixtime", "last_start_timestamp_seconds", "last_completion_timestamp_seconds",
  "expected_interval_seconds", "duration_seconds", "running", "success", "cpu_seconds", "max_resident_memory_bytes",
];
const alone = new Set(["exit_code", "last_success_timestamp_seconds", "last_success_unixtime", "last_start_timestamp_seconds", "success"]);

// prefixOf is what the names of the metrics of a run begin with, or null if
// none tells of one.
export function prefixOf(metrics) {
  const found = new Map();
  for (const name of Object.keys(metrics)) {
    const end = ends.find((e) => name === e || name.endsWith(`_${e}`));
    if (!end) continue;
    const prefix = name.slice(0, -end.length);
    const p = found.get(prefix) ?? { prefix, n: 0, says: false };
    found.set(prefix, { prefix, n: p.n + 1, says: p.says || alone.has(end) });
  }
  const telling = [...found.values()].filter((p) => p.says).sort((a, b) => b.n - a.n);
  return telling.length > 0 ? telling[0].prefix : null;
}

// runNames are the families that the card shows.
export const runNames = (prefix) => new Set(prefix === null ? [] : ends.map((e) => prefix + e));

const advice = {
  failing: "Read the output of this run where the job runs. The next run that succeeds ends this.",
  late: "Check that the job is still started there, by cron or a timer, and that its pushes reach this gateway.",
  running_too_long: "Check where the job runs whether it hangs. If it has ended without a push, its next run ends this.",
  push_refused: "Change what the job pushes, as the reason says. Scrapes still get what it pushed before.",
  stale: "Delete the group if the job is no more. Otherwise push how often it runs, as pushgateway run --expect=24h does.",
};

// runCard draws the card of a group with such metrics.
export function runCard(group, prefix) {
  const j = group.job;
  const value = (end, labels = {}) => {
    const s = group.metrics[prefix + end]?.metrics?.find((x) => Object.entries(labels).every(([n, v]) => x.labels[n] === v));
    const n = Number(s?.value ?? NaN);
    return Number.isFinite(n) ? n : null;
  };
  const running = value("running") === 1;
  const seconds = value("duration_seconds");
  const cpu = [value("cpu_seconds", { mode: "user" }), value("cpu_seconds", { mode: "system" })];
  const code = value("exit_code");
  const expected = value("expected_interval_seconds");
  const fact = (name, content, raw) => content === null ? "" : h("div", {}, h("dt", {}, name), h("dd", { title: raw === null || raw === undefined ? null : String(raw), "data-raw": raw ?? null }, content));
  const time = (end) => { const at = value(end); return at > 0 ? moment(at, age) : null; };
  return h("section", { class: "run-card", "aria-labelledby": "run" },
    h("div", { class: "section-head" },
      h("h2", { id: "run" }, running ? "The run in progress" : "The last run"),
      h("span", { class: `badge ${j.state}` }, wordsOf(j.state)),
      j.since ? h("span", { class: "since" }, "since ", moment(j.since, clock), ", ", moment(j.since, age)) : ""),
    j.reason ? h("p", { class: "verdict" }, h("strong", {}, reason(j))) : "",
    advice[j.state] ? h("p", {}, h("b", {}, "What to do: "), advice[j.state]) : "",
    h("dl", { class: "facts" },
      fact("Started", time("last_start_timestamp_seconds"), value("last_start_timestamp_seconds")),
      fact(running ? "The last one ended" : "Ended", time("last_completion_timestamp_seconds"), value("last_completion_timestamp_seconds")),
      fact(running ? "The last one took" : "Took", seconds === null ? null : [took(seconds), extra(slower(seconds, j.runs ?? []) || usualWords(j.runs))], seconds),
      fact("Exit code", code === null ? null : [String(code), extra(exitWords(code))], code),
      fact("CPU", cpuWords(cpu, seconds), cpu[0] === null ? null : `user ${cpu[0]} s, system ${cpu[1]} s`),
      fact("Memory", value("max_resident_memory_bytes") === null ? null : [bytes(value("max_resident_memory_bytes")), extra("at most")], value("max_resident_memory_bytes")),
      fact("Last success", j.last_success === null ? "none known" : moment(j.last_success, age), j.last_success),
      fact("Expected", expected > 0 ? `every ${duration(expected)}` : null, expected),
      fact("Next", j.next_expected === null ? null : moment(j.next_expected, due), j.next_expected)),
    j.runs?.length > 0 ? history(j.runs) : "");
}

const extra = (words) => words ? h("small", {}, words) : "";

const usualWords = (runs) => runs && usual(runs) !== null ? `usually ${duration(usual(runs))}` : "";

function cpuWords([user, system], seconds) {
  if (user === null && system === null) return null;
  const all = (user ?? 0) + (system ?? 0);
  return [took(all), extra(seconds > 0 ? `${Math.round(100 * all / seconds)} % of one core` : "")];
}

