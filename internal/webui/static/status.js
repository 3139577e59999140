// The page about the process: who scrapes it, whose pushes it refuses, where it
// keeps things, how it was started.

import * as api from "./api.js";
import { h, updateEach } from "./dom.js";
import { age, bytes, duration, exact, plural } from "./format.js";
import { refusalList } from "./refusals.js";
import { pastTroubles, was } from "./troubles.js";

export class StatusPage {
  constructor() {
    this.title = "Status";
    this.cards = h("div", { class: "cards" }, h("p", { class: "loading" }, "Loading…"));
    this.flags = h("div", { id: "flags" });
    this.element = h("div", { class: "page status" }, h("h1", {}, "Status"), this.cards, this.flags);
  }

  async show() { await this.refresh(); }
  hide() {}

  async refresh() {
    const answers = await Promise.all([api.status(true), api.overview(), api.members()]).catch(() => null);
    if (!answers) return;
    const [status, o, { members }] = answers;
    updateEach(this.cards, cards(status, o, members));
    const known = JSON.stringify(status.flags);
    if (known === this.known) return; // the reader may be searching in them
    this.known = known;
    this.flags.replaceChildren(flags(status.flags));
  }
}

function cards(status, o, members) {
  const card = (title, content, wide) => h("section", { class: `card${wide ? " wide" : ""}` }, h("h2", {}, title), content);
  const build = status.build_information;
  return [
    card("Scrapes", scrapes(o.scrapers, status.flags)),
    card("Storage", storage(o.storage, status.flags)),
    ...(members.length > 0 ? [card("Members of the cluster", memberTable(members), true)] : []),
    card(status.user ? "Refused requests" : "Refused pushes", refusals(o.refusals), true),
    card("Earlier troubles", earlier(), true),
    card("Enabled features", allowed(status.flags)),
    card("Build", facts([["Version", build.version], ["Revision", build.revision], ["Branch", build.branch], ["Go", build.goVersion],
      ["Started", exact(status.start_time)]])),
    ...(status.user ? [card("You", you(status))] : []),
  ];
}

function facts(pairs) {
  return h("dl", { class: "pairs" }, pairs.filter(([, v]) => v).map(([n, v]) => h("div", {}, h("dt", {}, n), h("dd", {}, v))));
}

function scrapes(list, flags) {
  if (list.length === 0) {
    const apart = /(?:^|,)[^,/]*:(\d+)(?:,|$)/.exec(flags["web.telemetry-listen-address"] ?? "");
    const target = apart ? `${location.hostname}:${apart[1]}` : location.host;
    return h("div", {}, h("p", { class: "banner bad" }, h("strong", {}, "Nobody has scraped this gateway since it started."), " Prometheus does not see what is pushed here. Add this to its configuration:"),
      h("pre", { tabindex: "0" }, [
        "scrape_configs:", "  - job_name: pushgateway", "    honor_labels: true",
        ...(new URL(".", document.baseURI).pathname + flags["web.telemetry-path"].slice(1) === "/metrics" ? [] : [`    metrics_path: ${new URL(".", document.baseURI).pathname}${flags["web.telemetry-path"].slice(1)}`]),
        ...(location.protocol === "https:" ? ["    scheme: https"] : []),
        "    static_configs:", `      - targets: ["${target}"]`].join("\n")));
  }
  // On a phone the heads are gone, and each cell has its own.
  const cell = (head, text, title) => h("td", { "data-head": head, title }, text);
  return h("table", { class: "scrapes" },
    h("thead", {}, h("tr", {}, ["Client", "Address", "Path", "Last scrape", "Format", "Size"].map((n) => h("th", { scope: "col" }, n)))),
    h("tbody", {}, list.map((s) => h("tr", {}, cell("Client", s.user_agent || "unknown"), cell("Address", s.client), cell("Path", s.path), cell("Last scrape", age(s.time), exact(s.time)),
      cell("Format", s.format), cell("Size", bytes(s.bytes), `in ${s.duration_seconds} s`)))));
}

function refusals(list) {
  if (list.length === 0) return h("p", { class: "good" }, "None since the gateway started.");
  return refusalList(list);
}

function earlier() {
  const past = pastTroubles();
  if (past.length === 0) return h("p", { class: "good" }, "None since the gateway started.");
  return h("ul", { class: "hidden-list" }, past.map((t) => h("li", {}, was(t))));
}

// you says who the reader is, and what they may do.
function you(s) {
  const list = [...s.may.map((name) => [name, ""]), ...Object.entries(s.denied ?? {})];
  return h("div", {},
    h("p", {}, "You are ", h("strong", {}, s.user), ".", s.match ? [" You may push to and delete groups that ", h("code", {}, s.match), " selects."] : null),
    h("ul", { class: "permissions" }, list.map(([name, why]) => h("li", {},
      h("span", { class: `badge ${why ? "stale" : "fresh"}` }, why ? "no" : "yes"), h("span", {}, name, why ? h("p", { class: "none" }, why) : null)))));
}

function storage(s, flags) {
  if (!s) return h("p", {}, "In memory only: a restart loses all groups. Use ", h("code", {}, "--persistence.file"), " to keep them on disk.");
  if (s.kind === "stream") return stream(s);
  const interval = flags["persistence.interval"];
  return h("div", {},
    s.error ? h("p", { class: "banner bad" }, h("strong", {}, interval === "0s" ? "Pushes are refused: " : "Pushes are accepted, but not written to disk: "), s.error) : null,
    facts([["File", s.name], ["Size", bytes(s.size_bytes)],
      ["Written", interval === "0s" ? "at once: an answered push is on disk" : `every ${interval}`]]));
}

// stream describes what several gateways share.
function stream(s) {
  return h("div", {},
    s.error ? h("p", { class: "banner bad" }, h("strong", {}, "Pushes are refused: "), s.error) : null,
    facts([["Stream", s.name], ["Size", s.max_size_bytes ? `${bytes(s.size_bytes)} of ${bytes(s.max_size_bytes)}` : bytes(s.size_bytes)],
      ["Gateways", (s.members ?? []).join(", ")], ["Written", "at once: the NATS servers have acknowledged an answered push"]]));
}

// memberTable shows all members, as this one knows them.
function memberTable(members) {
  const cell = (head, ...content) => h("td", { "data-head": head }, content);
  const row = (m) => h("tr", {},
    cell("Member", m.address, m.self ? h("strong", {}, " (this one)") : ""),
    cell("State", m.lag_seconds > 10 ? h("span", { class: "badge late" }, `lags by ${duration(m.lag_seconds)}`) : h("span", { class: "badge ok" }, "up to date")),
    cell("Behind", plural(m.lag_messages, "message")), cell("Heard", h("time", { title: exact(m.heard) }, age(m.heard))),
    cell("Clock", Math.abs(m.clock_skew_seconds) < 1 ? "right" : `${duration(Math.abs(m.clock_skew_seconds))} ${m.clock_skew_seconds > 0 ? "ahead" : "behind"}`),
    cell("Version", m.version || "unknown"));
  return h("table", { class: "scrapes members" },
    h("thead", {}, h("tr", {}, ["Member", "State", "Behind", "Heard", "Clock", "Version"].map((n) => h("th", { scope: "col" }, n)))),
    h("tbody", {}, members.map(row)));
}

const permissions = [
  ["web.enable-admin-api", "Delete by search, wipe, snapshot"],
  ["web.enable-lifecycle", "Shut down over HTTP"],
  ["web.enable-pprof", "Profiles"],
];

function allowed(flags) {
  return h("ul", { class: "permissions" }, permissions.map(([flag, what]) => {
    const on = flags[flag] === "true";
    return h("li", {}, h("span", { class: `badge ${on ? "fresh" : "stale"}` }, on ? "yes" : "no"), h("span", {}, what, on ? null : [" (needs ", h("code", {}, `--${flag}`), ")"]));
  }));
}

function flags(all) {
  const rows = h("tbody");
  const draw = () => rows.replaceChildren(...Object.entries(all).sort().filter(([n, v]) => `${n}=${v}`.includes(input.value.trim()))
    .map(([n, v]) => h("tr", {}, h("td", {}, h("code", {}, `--${n}`)), h("td", {}, v === "" ? h("span", { class: "none" }, "not set") : h("code", {}, v)))));
  const input = h("input", { type: "search", id: "flag-search", placeholder: "Search flags", "aria-label": "Search flags", oninput: draw });
  draw();
  return h("section", { class: "card" }, h("div", { class: "section-head" }, h("h2", {}, "Configuration"), input),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Configuration" },
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Flag"), h("th", { scope: "col" }, "Value"))), rows)));
}
