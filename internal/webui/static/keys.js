// Grouping keys: labels as text, and as the path of a push.

// pairs gives the labels in the order of display: job first.
export function pairs(labels) {
  return Object.entries(labels).sort(([a], [b]) => (b === "job") - (a === "job") || (a < b ? -1 : 1));
}

const plainName = /^(?!U__)[a-zA-Z_][a-zA-Z0-9_]*$/;
const plainValue = /^(?!\.{1,2}$)[^/\u0000-\u001f\u007f]+$/;

// path gives "job/<JOB>/<LABEL>/<VALUE>" as it stands in URLs.
export function path(labels) {
  return pairs(labels).map(([name, value]) => {
    const n = encode(plainName.test(name) ? name : escapeName(name));
    return plainValue.test(value) ? `${n}/${encode(value)}` : `${n}@base64/${base64(value)}`;
  }).join("/");
}

// encode also takes the quote, so that the path can stand in quotes of a shell.
const encode = (s) => encodeURIComponent(s).replaceAll("'", "%27");

function base64(value) {
  const bytes = new TextEncoder().encode(value);
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return text || "=";
}

// escapeName writes a name that is not plain in the U__ escaping.
function escapeName(name) {
  return "U__" + [...name].map((c, i) => {
    if (c === "_") return "__";
    const plain = i === 0 ? /[a-zA-Z:]/ : /[a-zA-Z0-9:]/;
    return plain.test(c) ? c : `_${c.codePointAt(0).toString(16)}_`;
  }).join("");
}

// quote writes a value as a selector has it.
export function quote(value) {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

const selectorName = (name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quote(name);

export const matcher = (name, value) => `${selectorName(name)}=${quote(value)}`;

// text gives {job="a",instance="b"}.
export const text = (labels) => `{${pairs(labels).map(([n, v]) => matcher(n, v)).join(",")}}`;
