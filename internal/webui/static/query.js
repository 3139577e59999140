// What the groups page shows, as it stands in the address.

import { matcher } from "./keys.js";
import { parseDuration } from "./format.js";

// allGroups is the address of the page without a question.
export const allGroups = "./?view=groups";
export const defaultStale = "24h";
export const defaultSort = "job";

function rememberedStale() {
  const stale = localStorage.getItem("stale");
  return parseDuration(stale ?? "") ? stale : defaultStale;
}

// fromAddress reads {text, state, sort, stale, newer, older}.
export function fromAddress(search) {
  const p = new URLSearchParams(search);
  const stale = p.get("stale") ?? "";
  return {
    text: p.get("q") ?? "",
    state: ["failing", "expiring", "stale"].includes(p.get("state")) ? p.get("state") : "",
    sort: p.get("sort") ?? defaultSort,
    newer: parseDuration(p.get("newer") ?? "") ? p.get("newer") : "",
    older: parseDuration(p.get("older") ?? "") ? p.get("older") : "",
    stale: parseDuration(stale) ? stale : rememberedStale(),
  };
}

// toAddress gives what has to stand in a link.
export function toAddress(q) {
  const p = new URLSearchParams();
  if (q.text) p.set("q", q.text);
  if (q.state) p.set("state", q.state);
  if (q.newer) p.set("newer", q.newer);
  if (q.older) p.set("older", q.older);
  if (q.sort !== defaultSort) p.set("sort", q.sort);
  if (q.stale !== defaultStale) p.set("stale", q.stale);
  return p.size > 0 ? `./?${p}` : allGroups;
}

// selector gives the text as a PromQL selector, or "" if it is plain text.
// The braces may be left out.
export function selector(text) {
  const t = text.trim();
  if (t.startsWith("{") || /^[a-zA-Z_:][\w:]*\{/.test(t)) return t;
  return /^[a-zA-Z_]\w*\s*(=~|!~|!=|=)\s*["'`]/.test(t) ? `{${t}}` : "";
}

// isWhole reports whether a selector that is being typed is complete: quotes and
// braces are closed. Plain text is.
export function isWhole(text) {
  const t = text.trim();
  if (!t.includes("{") && !/^[a-zA-Z_]\w*\s*(=~|!~|!=|=)/.test(t)) return true;
  const bare = t.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, "_");
  return !/["'`]/.test(bare) && (!bare.startsWith("{") || bare.endsWith("}")) && !/(=~|!~|!=|=)\s*(,|\}|$)/.test(bare) && (bare.includes("{") === bare.includes("}"));
}

// filter gives the parameters of the API that select the groups.
export function filter(q) {
  const p = new URLSearchParams();
  const s = selector(q.text);
  if (s) p.set("match[]", s);
  else if (q.text.trim()) p.set("search", q.text.trim());
  if (q.newer) p.set("newer_than", q.newer);
  if (q.older) p.set("older_than", q.older);
  if (q.state === "failing") p.set("status", "refused");
  if (q.state === "expiring") p.set("status", "expiring");
  if (q.state === "stale") p.set("older_than", q.stale);
  return p;
}

// words says which groups the filter selects.
export function words(q) {
  const parts = [];
  const s = selector(q.text);
  if (s) parts.push(`matching ${s}`);
  else if (q.text.trim()) parts.push(`with “${q.text.trim()}” in a label`);
  if (q.state === "failing") parts.push("whose last push was refused");
  if (q.newer) parts.push(`pushed to within ${q.newer}`);
  if (q.older) parts.push(`not pushed to for ${q.older}`);
  if (q.state === "expiring") parts.push("whose time to live is almost over");
  if (q.state === "stale") parts.push(`without a successful push for ${q.stale}`);
  return parts.join(" and ");
}

// narrowed adds a label to the search.
export function narrowed(text, name, value) {
  const m = matcher(name, value);
  const inner = selector(text).match(/^\{(.*?),?\s*\}$/s)?.[1].trim();
  if (!inner) return `{${m}}`;
  return inner.includes(m) ? `{${inner}}` : `{${inner},${m}}`;
}
