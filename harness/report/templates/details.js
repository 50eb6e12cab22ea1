// SPDX-License-Identifier: GPL-2.0-or-later
"use strict";

const AROUND = 10;
const PAGE = 500;
const HEX_LINES = 4;
const LAST_FRAMES = 6;

/** Return everything that is known of a test, as elements. */
function details(record) {
  return [
    ...section("Crash", record.crashes.map(crash)),
    ...section("Evidence", record.evidence.length ? [pre(record.evidence.join("\n"), "Evidence")] : []),
    ...timeLine(record),
    ...section("Screens", screens(record)),
    ...section("The chat on the wire", frames(record)),
    record.worker ? html("p", { class: "soft" }, `It ran in ${record.worker}.`) : null,
  ].filter(Boolean);
}

function section(words, parts) {
  return parts.length ? [html("h3", {}, words), ...parts] : [];
}

function pre(text, label, attributes = {}) {
  return html("pre", { tabindex: 0, role: "region", "aria-label": label, ...attributes }, text);
}

function crash(one) {
  const known = one.frames.filter(([, file]) => file);
  const shown = known.slice(0, 1).map((frame) => source(frame));
  const stack = html("ol", { class: "stack" }, one.frames.map((frame) => html("li", {},
    html("code", {}, frame[0]), frame[1] ? html("span", { class: "soft" }, " at ", html("code", {}, `${frame[1]}:${frame[2]}`)) : null)));
  return html("div", {},
    html("p", {}, html("span", { class: "kind" }, one.kind), " ", html("b", {}, one.title)),
    shown,
    one.frames.length ? folded(`The stack: ${count(one.frames.length, "frame")}, the innermost first`, () => [stack, ...known.slice(1).map(source)]) : null,
    folded(`What the kernel reported: ${count(one.lines.length, "line")}`, () => pre(one.lines.join("\n"), "The kernel's report")),
    html("p", { class: "soft" }, "Fingerprint ", html("code", {}, one.fingerprint)));
}

function source([symbol, file, line, around]) {
  const width = String(Math.max(0, ...around.map(([number]) => number))).length;
  const lines = around.map(([number, text]) => html("span", number === line ? { class: "marked", "aria-current": "true" } : {},
    `${number === line ? "▶" : " "} ${String(number).padStart(width)}  ${text}`));
  return html("div", {},
    html("p", {}, html("code", {}, `${file}:${line}`), html("span", { class: "soft" }, " in "), html("code", {}, symbol)),
    lines.length ? pre(lines, `${file}, line ${line}`, { class: "source" }) : null);
}

function timeLine(record) {
  if (!record.moments.length) return [];
  const line = new TimeLine(record);
  const left = record.leftOut ? html("p", { class: "soft" }, `${record.leftOut} moments are left out, of those in the middle.`) : null;
  return [html("h3", {}, "What happened, and who waited for whom"), line.element, left, moments(record, line)];
}

/** A table of the moments: those around the failure, and all of them on demand. */
function moments(record, line) {
  const every = line.moments;
  const centre = record.failing >= 0 ? record.failing : every.length - 1;
  const body = html("tbody");
  const note = html("p", { class: "zoom" });
  const table = html("div", { class: "moments", tabindex: 0, role: "region", "aria-label": "Moments" },
    html("table", {}, html("thead", {}, html("tr", {}, ["At", "What", "Whose", ""].map((words) => html("th", { scope: "col" }, words)))), body));
  let [from, to] = [Math.max(0, centre - AROUND), Math.min(every.length, centre + 4)];
  const draw = () => {
    body.replaceChildren(...every.slice(from, to).map((moment) => row(record, line, moment)));
    note.replaceChildren();
    table.classList.toggle("many", to - from > 4 * AROUND);
    const more = (words, act) => note.append(button(words, () => { act(); draw(); }));
    if (from > 0) more(`${Math.min(PAGE, from)} earlier`, () => { from = Math.max(0, from - PAGE); });
    if (to < every.length) more(`${Math.min(PAGE, every.length - to)} later`, () => { to = Math.min(every.length, to + PAGE); });
    if (from > 0 || to < every.length) note.append(html("span", { class: "soft" }, `${to - from} of ${every.length} moments`));
  };
  draw();
  return html("details", { open: true },
    html("summary", {}, record.failing >= 0 ? "The moments around the failure, in words" : "The last moments, in words"), table, note);
}

function row(record, line, moment) {
  const [kind, part] = record.rows[moment.row];
  const classes = moment.failed ? "failed" : moment.index === record.before ? "before" : "";
  const show = button(`${moment.at.toFixed(3)} s`, () => {
    line.choose(moment.index);
    line.picture.scrollIntoView({ block: "nearest" });
  }, { "aria-label": `${moment.at.toFixed(3)} s: show it on the time line` });
  const words = [moment.failed ? "✕ " : "", moment.length ? `${seconds(moment.length)}: ` : ""].join("");
  return html("tr", { class: classes },
    html("td", { class: "at" }, show), html("td", { class: "lane" }, kind), html("td", { class: "part" }, part),
    html("td", { class: "what" }, html("span", { class: "said" }, words, moment.text),
      moment.detail ? folded("more", () => html("span", { class: "said" }, moment.detail)) : null));
}

function terminal(screen, index) {
  const lines = screen.lines.flatMap((line) => {
    const pieces = typeof line === "string" ? [line] : [];
    if (!pieces.length && typeof line !== "string") {
      for (let place = 0; place < line.length; place += 2) pieces.push(styled(line[place], screen.styles[line[place + 1]]));
    }
    return [...pieces, "\n"];
  });
  const made = html("div", { class: "screen", tabindex: 0, role: "region", "aria-label": `Screen: ${screen.name}` }, lines.slice(0, -1));
  const fold = html("details", { open: index < 4 },
    html("summary", {}, html("b", {}, screen.name), html("span", { class: "soft" }, ` ${screen.size}${screen.note ? `; ${screen.note}` : ""}`)),
    lines.length ? made : html("p", { class: "soft" }, "Nothing was on it."));
  // What was said last is what matters.
  const down = () => { made.scrollTop = made.scrollHeight; };
  fold.addEventListener("toggle", down);
  requestAnimationFrame(down);
  return fold;
}

function styled(text, [ink, paper, flags]) {
  if (ink === null && paper === null && !flags) return text;
  const made = html("span", { class: [...flags].join(" ") }, text);
  for (const [colour, letter, property] of [[ink, "f", "color"], [paper, "p", "background-color"]]) {
    if (typeof colour === "number") made.classList.add(`${letter}${colour}`);
    else if (colour) made.style.setProperty(property, colour);
  }
  return made;
}

/** The frames of a chat: the last ones, and before them those with which something is wrong; the others folded. */
function frames(record) {
  const early = record.frames.slice(0, -LAST_FRAMES);
  const wrong = ([, , plain, , readable]) => readable || !plain;
  const usual = early.filter((one) => !wrong(one));
  const left = record.framesLeftOut ? html("p", { class: "soft" }, `${record.framesLeftOut} frames before these are left out.`) : null;
  const more = usual.length ? folded(`${count(usual.length, "frame")} before these`, () => usual.map(frame)) : null;
  const shown = [...early.filter(wrong), ...record.frames.slice(-LAST_FRAMES)].map(frame);
  return [left, more, ...shown].filter(Boolean);
}

function frame([at, sender, plain, cipher, readable]) {
  return html("div", { class: "frame" },
    html("p", { class: "about" }, html("b", {}, `${at.toFixed(3)} s`), ` from the ${sender}, ${Math.floor(cipher.length / 2)} bytes `,
      readable ? html("span", { class: "badge" }, "✕ its text can be read on the wire") : null),
    plain ? html("pre", {}, plain) : html("p", { class: "failed" }, "No message: the key does not open it."),
    ...hexdump(cipher));
}

function screens(record) {
  const made = record.screens.map((screen, index) => terminal(screen, index));
  if (record.screensLeftOut) made.push(html("p", { class: "soft" }, `${count(record.screensLeftOut, "more screen")} left out.`));
  return made;
}

function hexdump(cipher) {
  const width = matchMedia("(max-width: 40rem)").matches ? 8 : 16;
  const bytes = (cipher.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => parseInt(pair, 16));
  const lines = [];
  for (let at = 0; at < bytes.length; at += width) {
    const some = bytes.slice(at, at + width);
    const pairs = some.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = some.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${pairs.padEnd(width * 3 - 1)}  ${letters}`);
  }
  const show = (some) => pre(some.join("\n"), "What crossed the wire", { class: "hex" });
  const rest = lines.slice(HEX_LINES);
  return [show(lines.slice(0, HEX_LINES)), rest.length ? folded(`${rest.length} more ${rest.length === 1 ? "line" : "lines"}`, () => show(rest), { class: "fold" }) : null];
}
