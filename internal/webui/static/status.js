// The page about the process: who scrapes it, where it keeps things, how it
// was started.

import * as api from "./api.js";
import { h } from "./dom.js";
import { age, bytes, duration, exact, secondsSince } from "./format.js";

export class StatusPage {
  constructor() {
    this.title = "Status";
    this.element = h("div", { class: "page status" }, h("h1", {}, "Status"), h("p", { class: "loading" }, "Loading…"));
  }

  async show() { await this.refresh(); }
  hide() {}

  async refresh() {
    const answers = await Promise.all([api.status(true), api.overview()]).catch(() => null);
    if (!answers) return;
    const known = JSON.stringify(answers);
    const [status, o] = answers;
    const filter = this.element.querySelector("#flag-search")?.value ?? "";
    const focused = document.activeElement?.id === "flag-search";
    const card = (title, ...content) => h("section", { class: "card" }, h("h2", {}, title), ...content);
    if (known === this.known) return;
    this.known = known;
    this.element.replaceChildren(h("h1", {}, "Status"), h("div", { class: "cards" },
      card("Scrapes", scrapes(o.scrapers, status.flags)),
      card("Storage", storage(o.storage, status.flags)),
      card("Allowed here", allowed(status.flags)),
      card("Build", facts([["Version", status.build_information.version], ["Revision", status.build_information.revision],
        ["Branch", status.build_information.branch], ["Go", status.build_information.goVersion],
        ["Started", `${duration(secondsSince(status.start_time))} ago, ${exact(status.start_time)}`]]))),
    flags(status.flags, filter));
    if (focused) this.element.querySelector("#flag-search").focus();
  }
}

function facts(pairs) {
  return h("dl", { class: "pairs" }, pairs.filter(([, v]) => v).map(([n, v]) => h("div", {}, h("dt", {}, n), h("dd", {}, v))));
}

function scrapes(list, flags) {
  if (list.length === 0) {
    const target = location.host;
    return h("div", {}, h("p", { class: "banner bad" }, h("strong", {}, "Nobody has scraped this gateway since it started."), " What is pushed here reaches no Prometheus. Add to its configuration:"),
      h("pre", { tabindex: "0" }, [
        "scrape_configs:", "  - job_name: pushgateway", "    honor_labels: true",
        ...(new URL(".", document.baseURI).pathname + flags["web.telemetry-path"].slice(1) === "/metrics" ? [] : [`    metrics_path: ${new URL(".", document.baseURI).pathname}${flags["web.telemetry-path"].slice(1)}`]),
        ...(location.protocol === "https:" ? ["    scheme: https"] : []),
        "    static_configs:", `      - targets: ["${target}"]`].join("\n")));
  }
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scrapes" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Who", "From", "Last", "Format", "Size"].map((n) => h("th", { scope: "col" }, n)))),
    h("tbody", {}, list.map((s) => h("tr", {}, h("td", {}, s.user_agent || "unknown"), h("td", {}, s.client), h("td", { title: exact(s.time) }, age(s.time)),
      h("td", {}, s.format), h("td", { title: `in ${s.duration_seconds} s` }, bytes(s.bytes)))))));
}

function storage(s, flags) {
  if (!s) return h("p", {}, "In memory only: a restart forgets all groups. ", h("code", {}, "--persistence.file"), " keeps them on disk.");
  const interval = flags["persistence.interval"];
  return h("div", {},
    s.error ? h("p", { class: "banner bad" }, h("strong", {}, "Pushes are refused: "), s.error) : null,
    facts([["File", flags["persistence.file"]], ["Size", bytes(s.size_bytes)],
      ["Written", interval === "0s" ? "at once: an answered push is on disk" : `every ${interval}`]]));
}

const permissions = [
  ["web.enable-admin-api", "Delete by search, wipe, snapshot"],
  ["web.enable-lifecycle", "End the process over HTTP"],
  ["web.enable-pprof", "Profiles"],
];

function allowed(flags) {
  return h("ul", { class: "permissions" }, permissions.map(([flag, what]) => {
    const on = flags[flag] === "true";
    return h("li", {}, h("span", { class: `badge ${on ? "fresh" : "stale"}` }, on ? "yes" : "no"), h("span", {}, what, on ? null : [" (needs ", h("code", {}, `--${flag}`), ")"]));
  }));
}

function flags(all, filter) {
  const rows = h("tbody");
  const draw = () => rows.replaceChildren(...Object.entries(all).sort().filter(([n, v]) => `${n}=${v}`.includes(input.value.trim()))
    .map(([n, v]) => h("tr", {}, h("td", {}, h("code", {}, `--${n}`)), h("td", {}, v === "" ? h("span", { class: "none" }, "not set") : h("code", {}, v)))));
  const input = h("input", { type: "search", id: "flag-search", placeholder: "Search flags", "aria-label": "Search flags", oninput: draw });
  input.value = filter;
  draw();
  return h("section", { class: "card" }, h("div", { class: "section-head" }, h("h2", {}, "Configuration"), input),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Configuration" },
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Flag"), h("th", { scope: "col" }, "Value"))), rows)));
}
