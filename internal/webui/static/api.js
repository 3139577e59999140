// Talking to the gateway. All paths are relative to the page's.

// here is the address of the page without a password that may stand in it,
// which the browser would refuse to send along.
export const here = (path) => new URL(path, location.origin + location.pathname).href;

// Failure is an answer that says no, with the gateway's own words.
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let reached = () => {};
let refusedReader = () => {};

// onDenied is told what the reader may not see, and whether to log in would help.
export function onDenied(f) { refusedReader = f; }

// onReach is told after each request whether the gateway could be reached:
// null, or why not.
export function onReach(f) { reached = f; }

// changed is when this page last changed something. Until the answers that were made
// before are gone, it asks for its own.
let changed = -Infinity;
const sharedFor = 6000;

// request gives the answer as it came; text turns errors into Failures.
async function request(url, options) {
  let answer;
  const own = performance.now() - changed < sharedFor;
  try {
    // With the header, the browser does not ask for a password: the page says first
    // what is missing.
    answer = await fetch(here(url), { cache: "no-store", ...options, headers: { ...options?.headers, "X-Pushgateway-Page": own ? "own" : "sharing" } });
  } catch (e) {
    if (e.name !== "AbortError") reached("The gateway cannot be reached.");
    throw e;
  }
  const body = await answer.text();
  if (options?.method) changed = performance.now();
  if (answer.status === 502 || answer.status === 503 || answer.status === 504) reached(body.trim() || "The gateway is not available.");
  else reached(null);
  if (!options?.method && (answer.status === 401 || answer.status === 403)) refusedReader(errorText(body) || answer.statusText, answer.status === 401);
  if (!answer.ok) throw new Failure(answer.status, errorText(body) || answer.statusText);
  return body;
}

function errorText(body) {
  try {
    return JSON.parse(body).error;
  } catch {
    return body.trim();
  }
}

// data asks for JSON.
export async function data(url, options) {
  return JSON.parse(await request(url, options)).data;
}

export const groups = (query, signal) => data(`api/v1/groups?${query}`, { signal });
export const jobs = (query) => data(`api/v1/jobs?${query}`);
export const troubles = () => data("api/v1/troubles");
export const members = () => data("api/v1/members");
export const refusals = () => data("api/v1/refusals?limit=100");
export const overview = () => data("api/v1/overview");
export const group = (path) => request(`api/v1/group/${path}`);

export const lines = (path) => request(`api/v1/group/${path}?format=text`, {
  headers: { Accept: "text/plain;version=0.0.4;escaping=allow-utf-8" },
});

export const labelNames = (parameters, signal) => data(`api/v1/labels?${parameters}`, { signal });
export const labelValues = (name, parameters, signal) => data(`api/v1/label/${encodeURIComponent(name)}/values?${parameters}`, { signal });

let statusOnce;

// status does not change while the process lives, but for a restart.
export function status(again) {
  if (again || !statusOnce) {
    statusOnce = data("api/v1/status");
    statusOnce.catch(() => { statusOnce = undefined; });
  }
  return statusOnce;
}

export const adminAllowed = async () => (await status()).flags["web.enable-admin-api"] === "true";

// denied says why the reader may not do something, or nothing.
export const denied = (permission) => status().then((s) => s.denied?.[permission] ?? "", () => "");

export const remove = (path) => request(`metrics/${path}`, { method: "DELETE" });
export const removeMatching = (parameters) => data("api/v1/admin/delete_groups", { method: "POST", body: parameters });
export const wipe = () => request("api/v1/admin/wipe", { method: "PUT" });
