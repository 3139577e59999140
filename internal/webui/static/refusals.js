// Refused requests: when, why, from whom.

import { brief, h } from "./dom.js";
import { age, exact, plural } from "./format.js";
import { groupAddress } from "./groups.js";
import { text } from "./keys.js";

// refusalList draws them. Those of stored groups lead there.
export function refusalList(list) {
  return h("ul", { class: "refusals" }, list.map((r) => h("li", {},
    h("p", {}, h("span", { class: "badge failing" }, r.reason), " ", h("time", { title: exact(r.time) }, age(r.time)),
      r.times > 1 ? `, ${plural(r.times, "time")} so far,` : null, ` from ${r.user ? `${r.user} at ` : ""}${r.client}, ${r.user_agent || "an unknown program"}`),
    h("p", {}, h("code", {}, `${r.method} ${r.path}`), r.labels ? [" ", h("a", { href: groupAddress(r) }, brief(text(r.labels)))] : null),
    h("p", { class: "why" }, r.error))));
}

// sinceSuccess is the last refused push of a group if it came after the last
// successful one and is remembered, or nothing.
export function sinceSuccess(group) {
  const r = group.last_refusal;
  return group.last_push_refused && r && (!group.push_time || new Date(r.time) >= new Date(group.push_time)) ? r : null;
}

const isPush = (r) => ["PUT", "POST"].includes(r.method) && !/\/(-|api\/v1\/admin)\//.test(r.path);

// isLost reports whether a refusal is of a push of which nothing is stored.
export const isLost = (r) => !r.stored && isPush(r);

// isUntold reports whether it is of a push that no state of a job tells of.
export const isUntold = (r) => r.untold && isPush(r);
