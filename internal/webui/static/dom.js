// Making elements. Strings always become text nodes, never markup.

// h makes an element. Properties that start with "on" are listeners, "style"
// is a map of CSS properties, booleans switch attributes; the rest are
// attributes.
export function h(tag, properties, ...children) {
  const svg = tag === "svg" || svgTags.has(tag);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) set(e, name, value);
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map((c) => typeof c === "string" ? visible(c) : c));
  return e;
}

// visible writes out the characters that cannot be seen, or that turn the text
// after them around: two groups that differ must not look the same.
export const visible = (s) => s.replace(/(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/gu, (c) => {
  const code = c.codePointAt(0).toString(16).padStart(4, "0");
  return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
});

const mostShown = 200; // characters

// brief cuts a name, a value or a help text, which may be as long as its sender
// likes.
export function brief(s) {
  if (s.length <= mostShown) return s;
  const start = s.slice(0, mostShown);
  return `${start.isWellFormed() ? start : start.slice(0, -1)}…`;
}

const svgTags = new Set(["g", "line", "rect", "circle", "path", "text", "title"]);

function set(e, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) return e.addEventListener(name.slice(2), value);
  if (name === "title" || name === "aria-label") return e.setAttribute(name, visible(String(value)));
  if (name !== "style") return e.setAttribute(name, value === true ? "" : value);
  for (const [property, v] of Object.entries(value)) e.style.setProperty(property, v);
}

// update puts an element in the place of another, unless they are the same: the
// reader may be marking a text in it.
export function update(old, fresh) {
  if (old.isEqualNode(fresh)) return old;
  old.replaceWith(fresh);
  return fresh;
}

// updateEach puts elements in the place of those in another, but leaves alone
// what is the same: the reader may have the focus there.
export function updateEach(parent, fresh) {
  const old = [...parent.children];
  if (old.length !== fresh.length) return parent.replaceChildren(...fresh);
  old.forEach((e, i) => update(e, fresh[i]));
}

// tell says something to everybody: at the foot of the page, and to screen
// readers.
export function tell(text) {
  const told = document.getElementById("told");
  told.textContent = visible(text);
  clearTimeout(told.timer);
  told.timer = setTimeout(() => { told.textContent = ""; }, 5000);
}

// copy puts a text into the clipboard, also where the page was not loaded over
// TLS, as the modern way would need.
export async function copy(text, what) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
  } else {
    const area = h("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  tell(`Copied ${what}.`);
}

// copyButton copies what text gives when it is pressed.
export function copyButton(name, what, text) {
  return h("button", { type: "button", class: "small", onclick: () => copy(text(), what) }, name);
}
