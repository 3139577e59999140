// Which page is shown, refreshing it, and what is around it.

import * as api from "./api.js";
import { onDenied, onReach, status } from "./api.js";
import { h, visible } from "./dom.js";
import { GroupsPage } from "./groups.js";
import { JobsPage } from "./jobs.js";
import { allGroups } from "./query.js";
import { refreshTroubles } from "./troubles.js";

const main = document.getElementById("main");
const refreshEvery = 5000;

// pages are loaded when they are first shown, but for the first two.
const loaders = {
  groups: async () => GroupsPage,
  jobs: async () => JobsPage,
  group: async () => (await import("./group.js")).GroupPage,
  overview: async () => (await import("./overview.js")).OverviewPage,
  status: async () => (await import("./status.js")).StatusPage,
};

const pages = {};
let current;

function nameOf(url) {
  const p = url.searchParams;
  if (url.pathname.endsWith("/status")) return "status";
  if (p.has("group")) return "group";
  if (["overview", "jobs", "groups"].includes(p.get("view"))) return p.get("view");
  return ["q", "state", "sort", "stale"].some((name) => p.has(name)) ? "groups" : "jobs";
}

// route shows what the address says.
async function route() {
  const url = new URL(location.href);
  const name = nameOf(url);
  pages[name] ??= new (await loaders[name]())(go);
  if (nameOf(new URL(location.href)) !== name) return; // the reader is elsewhere by now
  const page = pages[name];
  if (current !== page) {
    current?.hide();
    main.replaceChildren(page.element);
    document.body.dataset.page = name;
    if (current) main.focus({ preventScroll: true });
    current = page;
    scrollTo(0, 0);
  }
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.page === name) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  await page.show(url.search);
  if (current === page) document.title = `${page.title} · Pushgateway`;
}

// go shows another address.
export function go(address, { replace = false } = {}) {
  const state = { from: nameOf(new URL(location.href)) };
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState(state, "", address);
  route();
}

// follow makes links to this page's own addresses stay within it.
function follow(e) {
  const a = e.target.closest("a[href]");
  if (!a || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || a.target) return;
  const base = new URL(".", document.baseURI).pathname;
  const to = new URL(a.href);
  if (to.origin !== location.origin || ![base, `${base}status`].includes(to.pathname)) return;
  e.preventDefault();
  go(a.href);
}

const inText = (e) => e.matches("input, select, textarea");

function shortcut(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
  if (e.key === "/" && !inText(e.target)) {
    e.preventDefault();
    focusSearch();
  } else if (e.key === "Escape" && !inText(e.target)) {
    if (current === pages.groups) focusSearch();
    else if (current !== pages.jobs) ["groups", "jobs"].includes(history.state?.from) ? history.back() : go("./");
  }
}

async function focusSearch() {
  if (current === pages.group) return document.getElementById("series-search")?.focus();
  if (current === pages.jobs) pages.jobs.element.querySelector("details").open = true;
  else if (current !== pages.groups) {
    go(allGroups);
    await new Promise((resolve) => { setTimeout(resolve); });
  }
  const input = document.getElementById("search");
  input?.focus();
  input?.select();
}

// Refreshing.

const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
let refreshing = true;

live.addEventListener("click", () => {
  refreshing = !refreshing;
  live.setAttribute("aria-pressed", String(refreshing));
  showLive();
  if (refreshing) refresh();
});

function showLive() {
  liveText.textContent = since ? "Offline" : refreshing ? "Live" : "Paused";
}

async function refresh() {
  if (denied) return;
  await Promise.all([current?.refresh().catch(() => {}), refreshTroubles()]); // the banner tells
}

// forever refreshes at full five seconds, at which other pages do too: the
// gateway then answers all from what it has looked up once.
async function forever() {
  for (;;) {
    const wait = refreshEvery - Date.now() % refreshEvery;
    await new Promise((resolve) => { setTimeout(resolve, wait < refreshEvery / 5 ? wait + refreshEvery : wait); });
    if (refreshing && document.visibilityState === "visible") await refresh();
  }
}

// What the reader may not see is said once, instead of the page.

let denied = false;

onDenied((message, unknown) => {
  denied = true;
  main.replaceChildren(h("div", { class: "empty" },
    h("h1", {}, unknown ? "Log in to see what is stored" : "You may not see what is stored"),
    h("p", {}, `The gateway says: ${message}.`),
    unknown ? h("p", {}, "Your browser will ask for your name and password.") : h("p", {}, "Ask whoever runs the gateway for the permission query."),
    unknown ? h("a", { class: "button", href: "api/v1/login" }, "Log in") : null));
});

// Whether the gateway can be reached.

const offline = document.getElementById("offline");
let since;

onReach((problem) => {
  live.classList.toggle("lost", problem !== null);
  since = problem === null ? undefined : since ?? new Date();
  showLive();
  offline.hidden = problem === null;
  if (problem === null) return;
  offline.textContent = `Offline: ${problem} This page shows data from before ${since.toLocaleTimeString("en-GB")}. Retrying every five seconds.`;
});

// Who the reader is, if the gateway has users.

async function showUser() {
  const { user } = await status().catch(() => ({}));
  if (!user) return;
  const a = document.getElementById("user");
  const stranger = user === "anonymous";
  a.textContent = stranger ? "Log in" : visible(user);
  a.href = stranger ? "api/v1/login" : "./status";
  a.title = stranger ? "Show what only users may see or do" : "The user that you are";
  a.hidden = false;
}

// Which member of a cluster this is.

async function showMember() {
  const { members } = await api.members().catch(() => ({ members: [] }));
  const self = members.find((m) => m.self);
  const a = document.getElementById("member");
  a.hidden = !self;
  if (!self) return;
  a.textContent = visible(self.address);
  a.title = `This is the member ${self.address} of a cluster of ${members.length}`;
}

// Colors.

const themes = ["", "light", "dark"];
const themeNames = { "": "Auto", light: "Light", dark: "Dark" };
const themeButton = document.getElementById("theme");

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "";
  themeButton.textContent = themeNames[theme];
  themeButton.setAttribute("aria-label", `Color theme: ${themeNames[theme]}`);
  dispatchEvent(new Event("theme"));
}

themeButton.addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % themes.length];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("theme", next);
  showTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);

// What is copied of values are the numbers as they were pushed.
document.addEventListener("copy", (e) => {
  const selection = getSelection();
  if (selection.rangeCount === 0 || !selection.containsNode) return;
  const part = h("div", { class: "offscreen" });
  part.append(selection.getRangeAt(0).cloneContents());
  const values = part.querySelectorAll("[data-raw]");
  if (values.length === 0) return;
  for (const v of values) v.textContent = v.dataset.raw;
  document.body.append(part);
  e.clipboardData.setData("text/plain", part.innerText);
  part.remove();
  e.preventDefault();
});

document.addEventListener("click", follow);
document.addEventListener("keydown", shortcut);
addEventListener("popstate", route);
showTheme();
showUser();
showMember();
route();
refreshTroubles();
forever();
