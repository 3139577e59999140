// The state of a group, of which only the worst is shown. It is about its
// pushes, not about how its job went.

import { secondsSince } from "./format.js";

const titles = {
  fresh: "The last push succeeded recently; its metrics say how the job went",
  failing: "The last push was refused",
  expiring: "Less than a fifth of its time to live is left",
  stale: "The last successful push was long ago",
};

export function stateOf(group, staleSeconds) {
  if (group.last_push_refused) return "failing";
  if (group.expiry_time && -secondsSince(group.expiry_time) < (group.ttl_seconds || 0) / 5) return "expiring";
  return secondsSince(group.push_time) > staleSeconds ? "stale" : "fresh";
}

// wordsOf is how the state of a job is called where people read it.
export const wordsOf = (state) => state.replaceAll("_", " ");

// wordOf is how a state is called where people read it.
export const wordOf = (state) => ({ fresh: "pushed", failing: "push refused" })[state] ?? state;

export const titleOf = (state) => titles[state];
