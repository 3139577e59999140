// Deleting: one group, all that a search finds, everything. Each says first
// what would go.

import * as api from "./api.js";
import { brief, h, tell } from "./dom.js";
import { count, plural } from "./format.js";
import { path, text } from "./keys.js";
import { filter, words } from "./query.js";

// dialog opens a <dialog>, which goes when it is closed.
function dialog(title, ...children) {
  const close = () => d.close();
  const d = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => d.remove() },
    h("header", {}, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "✕")),
    children.flat().filter(Boolean));
  document.body.append(d);
  d.showModal();
  return d;
}

// attempt runs what a button asks for, and shows why it did not work.
async function attempt(button, problem, action) {
  button.disabled = true;
  problem.hidden = true;
  try {
    await action();
  } catch (e) {
    problem.textContent = e instanceof api.Failure ? e.message : "The gateway cannot be reached.";
    problem.hidden = false;
    button.disabled = false;
  }
}

const problemLine = () => h("p", { class: "problem", role: "alert", hidden: true });

// removeGroup asks, deletes one group, and then calls done.
export function removeGroup(group, done) {
  const problem = problemLine();
  const button = h("button", { type: "button", class: "danger", onclick: () => attempt(button, problem, async () => {
    await api.remove(path(group.labels));
    d.close();
    tell(`Deleted ${brief(text(group.labels))}.`);
    done();
  }) }, "Delete group");
  const d = dialog("Delete this group?",
    h("p", {}, h("code", {}, brief(text(group.labels)))),
    h("p", {}, `${plural(group.families, "family", "families")} with ${plural(group.series, "series", "series")} will disappear from the next scrape.`),
    problem, actions(() => d.close(), button));
}

function actions(cancel, ...buttons) {
  return h("div", { class: "actions" }, h("button", { type: "button", onclick: cancel }, "Cancel"), buttons);
}

// cleanUp offers to delete what the search finds, and to wipe.
export async function cleanUp(query, done) {
  const enabled = await api.adminAllowed().catch(() => false);
  const why = await api.denied("admin") || await api.denied("delete");
  const allowed = enabled && !why;
  const finish = (message) => {
    d.close();
    tell(message);
    done();
  };
  const d = dialog("Clean up",
    why ? h("p", { class: "note" }, `You may not delete many groups at once: ${why}.`) : null,
    enabled || why ? null : h("p", { class: "note" }, "This gateway does not allow deleting many groups at once. Start it with ", h("code", {}, "--web.enable-admin-api"), " to allow it. You can still delete a single group on its own page."),
    allowed ? [matching(query, finish), wiping(finish)] : null);
}

// matching counts first, with a dry run, and then deletes.
function matching(query, finish) {
  const which = words(query);
  const problem = problemLine();
  const found = h("div", { "aria-live": "polite" });
  const button = h("button", { type: "button", class: "danger", disabled: true, onclick: () => attempt(button, problem, async () => {
    const { deleted, left } = await api.removeMatching(filter(query));
    finish(`Deleted ${plural(deleted, "group")}${leftWords(left)}.`);
  }) }, "Delete");
  const section = h("section", {}, h("h3", {}, "Delete matching groups"),
    h("p", {}, which ? `All groups ${which}.` : "Search for groups or choose a state first. You can then delete them here."), found, problem,
    h("div", { class: "actions" }, button));
  if (which) preview(query, found, button, problem);
  return section;
}

const listed = 8;

async function preview(query, found, button, problem) {
  await attempt(button, problem, async () => {
    const parameters = filter(query);
    parameters.set("dry_run", "true");
    const { deleted, groups, left } = await api.removeMatching(parameters);
    found.replaceChildren(h("p", {}, h("strong", {}, plural(deleted, "group")), ` would be deleted${leftWords(left)}:`), byJob(groups), examples(groups, deleted));
    button.textContent = `Delete ${plural(deleted, "group")}`;
    button.disabled = deleted === 0;
  });
}

// byJob counts the groups of each job.
function byJob(groups) {
  const counts = new Map();
  for (const g of groups) counts.set(g.job ?? "", (counts.get(g.job ?? "") ?? 0) + 1);
  const jobs = [...counts].sort((a, b) => b[1] - a[1]);
  if (jobs.length === 0) return h("p");
  return h("table", { class: "preview-jobs" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Job"), h("th", { scope: "col", class: "number" }, "Groups"))),
    h("tbody", {}, jobs.slice(0, listed).map(([job, n]) => h("tr", {}, h("td", {}, brief(job) || "“”"), h("td", { class: "number" }, count(n)))),
      jobs.length > listed ? h("tr", {}, h("td", {}, `and ${plural(jobs.length - listed, "more job")}`), h("td", { class: "number" }, count(jobs.slice(listed).reduce((n, j) => n + j[1], 0)))) : null));
}

function examples(groups, deleted) {
  return h("ul", { class: "preview" }, groups.slice(0, listed).map((g) => h("li", {}, h("code", {}, text(g)))),
    deleted > listed ? h("li", {}, `and ${count(deleted - listed)} more`) : null);
}

// leftWords tells of the groups that the reader may not delete.
const leftWords = (left) => left ? `; ${plural(left, "group")} that you may not delete ${left === 1 ? "stays" : "stay"}` : "";

function wiping(finish) {
  const problem = problemLine();
  const button = h("button", { type: "button", class: "danger", disabled: true, onclick: () => attempt(button, problem, async () => {
    const left = await api.wipe();
    finish(left || "Deleted all groups.");
  }) }, "Wipe everything");
  const sure = h("input", { type: "text", id: "sure", size: "6", autocomplete: "off",
    oninput: () => { button.disabled = sure.value !== "wipe"; } });
  return h("section", {}, h("h3", {}, "Wipe"), h("p", {}, "Deletes every group of this gateway. This cannot be undone."),
    problem, h("div", { class: "actions" }, h("label", {}, "Type “wipe” to confirm ", sure), button));
}
