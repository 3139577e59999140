// Numbers, times and sizes as people read them.

const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

// duration gives seconds in the largest unit, and if there are few of these
// in the next one too: "3d 4h", "19h", "12s".
export function duration(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [name, size] of units) {
    const n = Math.floor(rest / size);
    if (n > 0) parts.push(`${n}${name}`);
    else if (parts.length > 0) break;
    rest -= n * size;
    if (parts.length === 2 || n >= 10) break;
  }
  return parts.join(" ") || "0s";
}

export const secondsSince = (time) => (Date.now() - new Date(time)) / 1000;

// age is how long ago a time is.
export function age(time) {
  if (!time) return "never";
  const s = secondsSince(time);
  return s < 1 ? "just now" : `${duration(s)} ago`;
}

// left is how long it is until a time.
export function left(time) {
  const s = -secondsSince(time);
  return s <= 0 ? "now" : `in ${duration(s)}`;
}

// exact is a time to the second, in the reader's zone and in UTC.
export function exact(time) {
  if (!time) return "never";
  const d = new Date(time);
  return `${d.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })} (${d.toISOString().replace(/\.\d+Z/, "Z")})`;
}

export const count = (n) => n.toLocaleString("en-US");

// plural gives "1 group" and "2 groups", "1 family" and "2 families".
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (Math.abs(n) < 1000) return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}

// took is a duration that may be short: "35 ms", "1.5s", "57m".
export function took(seconds) {
  if (seconds > 0 && seconds < 1) return seconds < 0.001 ? `${Number((seconds * 1e6).toPrecision(2))} µs` : `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (seconds >= 0 && seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)}s`;
  return seconds < 0 ? `${seconds}s` : duration(seconds);
}

// clock is a time of day, with the day unless it is today.
export function clock(time) {
  const d = new Date(time);
  const at = d.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return d.toDateString() === new Date().toDateString() ? at : `${d.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${at}`;
}

const isTime = /(^|_)(timestamp|timestamp_seconds|unixtime|time_seconds)$/;

// readable is a value of a metric as people read it, by the unit in its name.
export function readable(name, value) {
  const n = Number(value);
  if (!Number.isFinite(n) || value === "") return value;
  if (n > 1e9 && n < 4e9 && isTime.test(name)) {
    const time = new Date(n * 1000).toISOString();
    return n * 1000 > Date.now() ? left(time) : age(time);
  }
  if (/_bytes(_total)?$/.test(name)) return bytes(n);
  if (/_seconds(_total)?$/.test(name) && !isTime.test(name)) return took(n);
  if (/_ratio$/.test(name) && n >= 0 && n <= 1) return `${Number((100 * n).toPrecision(3))} %`;
  return Number.isSafeInteger(n) ? count(n) : value;
}

const durationPart = /(\d+)(ms|[smhdwy])/g;
const inSeconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

// parseDuration reads "24h" or "1d12h" into seconds, null if it cannot.
export function parseDuration(text) {
  if (!/^(\d+(ms|[smhdwy]))+$/.test(text)) return null;
  let sum = 0;
  for (const [, n, unit] of text.matchAll(durationPart)) sum += Number(n) * inSeconds[unit];
  return sum > 0 ? sum : null;
}

// number is a value of the API, which are strings, as a number.
export function number(text) {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

// short gives a value in few characters, for axes and marks.
export function short(v) {
  if (!Number.isFinite(v)) return v > 0 ? "∞" : v < 0 ? "−∞" : "NaN";
  const size = Math.abs(v);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return v.toExponential(2);
  for (const [limit, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return `${trim(v / (limit === 1e4 ? 1e3 : limit))}${unit}`;
  }
  return trim(v);
}

const trim = (v) => String(Number(v.toPrecision(4)));
