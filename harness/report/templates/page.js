// SPDX-License-Identifier: GPL-2.0-or-later
"use strict";

const tests = [...document.querySelectorAll("details.test")];
const filter = document.querySelector("#filter");
const outcomes = [...document.querySelectorAll("button[data-outcome]")];
const words = new Map(tests.map((test) => [test, test.querySelector("summary").textContent.toLowerCase()]));

function isPressed(one) {
  return one.getAttribute("aria-pressed") === "true";
}

function narrow() {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const pressed = new Set(outcomes.filter((one) => isPressed(one)).map((one) => one.dataset.outcome));
  let shown = 0;
  for (const test of tests) {
    test.hidden = (pressed.size > 0 && !pressed.has(test.dataset.outcome)) || !wanted.every((word) => words.get(test).includes(word));
    shown += !test.hidden;
  }
  document.querySelector("#count").textContent = shown === tests.length ? "" : `${shown} of ${tests.length} shown`;
  document.querySelector("#none").hidden = shown > 0 || !tests.length;
}

function showAll() {
  filter.value = "";
  for (const one of outcomes) one.setAttribute("aria-pressed", "false");
  narrow();
}

const unfolding = new Map();

/** Make what is known of a test, when it is first opened. */
function unfold(test) {
  if (!unfolding.has(test)) unfolding.set(test, unfoldOnce(test));
  return unfolding.get(test);
}

async function unfoldOnce(test) {
  const place = test.querySelector(".more");
  if (!place) return;
  try {
    const record = await unpack(JSON.parse(test.querySelector("script").textContent));
    place.append(...details(record));
  } catch (error) {
    place.append(html("p", { class: "failed" }, `This browser cannot show the details: ${error.message}`));
  }
}

/** Open the test that an address ends in, and go there. */
async function follow(hash) {
  const test = document.getElementById(hash.slice(1));
  if (!test || !test.matches("details.test")) return;
  if (test.hidden) showAll();
  test.open = true;
  // Those above it grow, too.
  await Promise.all(tests.filter((one) => one.open).map(unfold));
  test.scrollIntoView({ block: "start" });
  test.querySelector("summary").focus({ preventScroll: true });
}

/** Go from one test to the next, of those that are shown. */
function step(by) {
  const shown = tests.filter((test) => !test.hidden);
  const here = shown.indexOf(document.activeElement?.closest("details.test"));
  // From within an open test, back is to its own summary.
  const inside = here >= 0 && document.activeElement !== shown[here].querySelector(":scope > summary");
  const next = here < 0 ? (by > 0 ? 0 : shown.length - 1) : here + (inside && by < 0 ? 0 : by);
  const summary = shown[Math.min(Math.max(next, 0), shown.length - 1)]?.querySelector("summary");
  if (!summary) return;
  summary.focus({ preventScroll: true });
  summary.scrollIntoView({ block: "nearest" });
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.test") && event.target.open) unfold(event.target);
}, true);

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#test-']");
  // The address may be the same already, and then nothing would happen.
  if (link && link.hash === location.hash) follow(link.hash);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const at = event.target;
  if (at === filter) {
    if (event.key === "Escape") showAll();
    if (event.key === "Escape" || event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); filter.blur(); step(1); }
    return;
  }
  const letters = { j: 1, k: -1 };
  // Arrows scroll the page and what is in it; from one test they go to the next.
  const arrows = at.matches?.("details.test > summary") ? { ArrowDown: 1, ArrowUp: -1 } : {};
  const by = letters[event.key] ?? arrows[event.key];
  if (event.key === "/") { event.preventDefault(); filter.focus(); filter.select(); } else if (by) { event.preventDefault(); step(by); }
});

filter.hidden = false;
filter.addEventListener("input", narrow);
for (const one of outcomes) {
  one.addEventListener("click", () => { one.setAttribute("aria-pressed", String(!isPressed(one))); narrow(); });
}
document.querySelector("#all").addEventListener("click", () => { showAll(); filter.focus(); });
for (const one of document.querySelectorAll("button.copy")) copies(one);
for (const test of tests) if (test.open) unfold(test);
addEventListener("hashchange", () => follow(location.hash));
if (location.hash) follow(location.hash);
