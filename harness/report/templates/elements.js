// SPDX-License-Identifier: GPL-2.0-or-later
"use strict";

// Everything that is shown goes through these: what a guest said becomes a text node, never HTML.  (The page's
// policy, require-trusted-types-for, refuses innerHTML and its like besides.)

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Make an element of HTML; children are elements or text. */
function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Make an element of SVG. */
function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function button(words, act, attributes = {}) {
  const made = html("button", { type: "button", ...attributes }, words);
  made.addEventListener("click", act);
  return made;
}

/** Something folded, made when it is first opened. */
function folded(words, make, attributes = {}) {
  const made = html("details", attributes, html("summary", {}, words));
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(...[make()].flat());
  });
  return made;
}

function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function seconds(value) {
  if (value < 0) return `−${seconds(-value)}`;
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${+(value * 1000).toPrecision(3)} ms`;
  if (value < 60) return `${value.toFixed(2)} s`;
  return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
}

function cut(text, most) {
  const characters = most < text.length ? Array.from(text) : [];
  if (characters.length <= most) return text;
  return most < 2 ? "" : `${characters.slice(0, most - 1).join("")}…`;
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** Give a button that copies what the code before it says. */
function copies(made) {
  made.hidden = false;
  made.addEventListener("click", async () => {
    const code = made.parentElement.querySelector("code");
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // From a file, or without leave: select it, and copy the old way.
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    made.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { made.textContent = "Copy"; }, 2000);
  });
}
