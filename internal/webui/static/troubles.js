// What is wrong with the gateway, on every page until it is over, and what it
// was afterwards.

import * as api from "./api.js";
import { h, updateEach } from "./dom.js";
import { age, clock, duration, exact, plural, secondsSince } from "./format.js";

const remembered = 12 * 3600; // seconds
const shownPast = 3;

const place = document.getElementById("troubles");
let latest = [];

// refreshTroubles asks again. Whoever may not know gets no answer.
export async function refreshTroubles() {
  const answer = await api.troubles().catch(() => null);
  if (!answer) return;
  latest = answer.troubles;
  draw();
}

function draw() {
  const seen = Number(localStorage.getItem("seen-troubles") ?? 0);
  const past = latest.filter((t) => t.until && secondsSince(t.until) < remembered && new Date(t.until) > seen);
  updateEach(place, [...latest.filter((t) => !t.until).map(present), ...(past.length > 0 ? [over(past)] : [])]);
  place.hidden = place.children.length === 0;
}

const refusedWords = (t) => t.requests_refused ? ` ${plural(t.requests_refused, "request")} ${t.requests_refused === 1 ? "was" : "were"} refused.` : "";

function present(t) {
  return h("div", { class: `banner ${t.kind === "restart" ? "warn" : "bad"}`, "data-kind": t.kind },
    h("p", {}, h("strong", {}, t.summary), " Since ", h("time", { datetime: t.since, title: exact(t.since) }, clock(t.since)), `, ${age(t.since)}.`, refusedWords(t)),
    t.reason ? h("p", { class: "reason" }, h("code", {}, t.reason)) : null,
    h("p", {}, h("b", {}, "What to do: "), t.advice));
}

// over tells of troubles until the reader has seen them.
function over(past) {
  const rest = past.length - shownPast;
  return h("div", { class: "banner past" },
    h("div", {}, past.slice(0, shownPast).map((t) => h("p", {}, h("strong", {}, "Over: "), was(t))),
      rest > 0 ? h("p", {}, h("a", { href: "./status" }, `And ${plural(rest, "more trouble")}`), ".") : null),
    h("button", { type: "button", class: "small", onclick: () => dismiss(past) }, "Dismiss"));
}

// was is a trouble that is over, in words.
export function was(t) {
  return [t.summary, " From ", h("time", { datetime: t.since, title: exact(t.since) }, clock(t.since)), " to ",
    h("time", { datetime: t.until, title: exact(t.until) }, clock(t.until)), ` (${duration((new Date(t.until) - new Date(t.since)) / 1000)}).`, refusedWords(t),
    t.reason ? [" ", h("code", {}, t.reason)] : null];
}

function dismiss(past) {
  localStorage.setItem("seen-troubles", String(Math.max(...past.map((t) => +new Date(t.until)))));
  draw();
}

// pastTroubles are those that are over, latest first.
export const pastTroubles = () => latest.filter((t) => t.until);
