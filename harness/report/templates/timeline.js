// SPDX-License-Identifier: GPL-2.0-or-later
"use strict";

// A lane for each kind of thing and each part it happens to; time runs to the right.  Only what is in the window
// is drawn, and what falls onto one pixel once: twenty thousand moments cost no more than a few hundred.

const HUES = {
  keystrokes: "ours", ssh: "ours", qmp: "ours", waits: "waiting", output: "theirs", kernel: "theirs",
  virtqueue: "device", wire: "device", harness: "theirs",
};
const LEVEL = 17;
const AXIS = 22;
const MOST_LEVELS = 3;
const LETTER = 6.3;

class TimeLine {
  constructor(record) {
    this.record = record;
    // Of 1 it is sure that it went wrong, 2 is what a device refused.
    this.moments = record.moments.map(([at, row, text, length = 0, state = 0, detail = ""], index) =>
      ({ index, at, row, text, length, failed: state === 1, refused: state === 2, detail, level: 0 }));
    this.begin = Math.min(0, ...this.moments.slice(0, 1).map((moment) => moment.at));
    this.end = this.moments.reduce((last, moment) => Math.max(last, moment.at + moment.length), record.seconds);
    if (this.end <= this.begin) this.end = this.begin + 1;
    [this.from, this.to] = [this.begin, this.end];
    this.chosen = record.failing >= 0 ? record.failing : this.moments.length - 1;
    this.layOut();
    this.element = this.make();
  }

  /** Give each moment a level, so that waits within waits do not hide each other, and each lane its place. */
  layOut() {
    const ends = this.record.rows.map(() => []);
    for (const moment of this.moments) {
      if (!moment.length) continue;
      const levels = ends[moment.row];
      let level = levels.findIndex((end) => end <= moment.at);
      if (level < 0) level = levels.length < MOST_LEVELS ? levels.length : MOST_LEVELS - 1;
      levels[level] = moment.at + moment.length;
      moment.level = level;
    }
    let top = AXIS;
    this.lanes = ends.map((levels) => {
      const lane = { top, height: Math.max(Math.max(levels.length, 1) * LEVEL + 10, 34) };
      top += lane.height;
      return lane;
    });
    this.height = top;
  }

  make() {
    const names = this.record.rows.map(([kind, part], index) => {
      const lane = html("div", { class: "lane", title: `${kind}: ${part}` }, html("span", {}, html("b", {}, kind)), html("span", { class: "soft" }, part));
      lane.style.height = `${this.lanes[index].height}px`;
      return lane;
    });
    const corner = html("div", {});
    corner.style.height = `${AXIS}px`;
    this.picture = svg("svg", {
      height: this.height, tabindex: 0, role: "slider", "aria-label": "Time line: the arrow keys go from moment to moment",
      "aria-valuemin": 1, "aria-valuemax": this.moments.length,
    });
    this.readout = html("div", { class: "readout", "aria-hidden": "true" });
    this.buttons = {
      in: button("+", () => this.zoom(0.5), { "aria-label": "Zoom in" }),
      out: button("−", () => this.zoom(2), { "aria-label": "Zoom out" }),
      left: button("←", () => this.pan(-0.5), { "aria-label": "Earlier" }),
      right: button("→", () => this.pan(0.5), { "aria-label": "Later" }),
      whole: button("Whole test", () => this.show(this.begin, this.end)),
    };
    const controls = html("div", { class: "zoom", role: "group", "aria-label": "Zoom of the time line" }, Object.values(this.buttons));
    if (this.record.failing >= 0) controls.append(button("Where it failed", () => this.showFailure()));
    this.listen();
    return html("div", {},
      html("div", { class: "timeline" }, html("div", { class: "lanes", "aria-hidden": "true" }, corner, names), this.picture),
      this.readout, controls, legend());
  }

  listen() {
    const { picture } = this;
    let held = null;
    picture.addEventListener("pointerdown", (event) => { held = { x: event.clientX, from: this.from, to: this.to, id: event.pointerId }; });
    picture.addEventListener("pointermove", (event) => {
      if (!held) { this.point(event); return; }
      const moved = event.clientX - held.x;
      if (Math.abs(moved) < 4 && !held.moved) return;
      if (!held.moved) { picture.setPointerCapture(held.id); held.moved = true; }
      const shift = -moved / this.width * (held.to - held.from);
      this.show(held.from + shift, held.to + shift);
    });
    const release = (event) => {
      if (held && !held.moved) this.point(event);
      held = null;
    };
    picture.addEventListener("pointerup", release);
    picture.addEventListener("pointercancel", () => { held = null; });
    picture.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeOf(event));
    }, { passive: false });
    picture.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const last = this.moments.length - 1;
      const act = {
        ArrowRight: () => this.choose(Math.min(this.chosen + 1, last)), ArrowLeft: () => this.choose(Math.max(this.chosen - 1, 0)),
        Home: () => this.choose(0), End: () => this.choose(last),
        "+": () => this.zoom(0.5, this.moments[this.chosen].at), "-": () => this.zoom(2, this.moments[this.chosen].at),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    new ResizeObserver(() => this.draw()).observe(picture);
  }

  timeOf(event) {
    const place = (event.clientX - this.picture.getBoundingClientRect().left) / this.width;
    return this.from + place * (this.to - this.from);
  }

  /** Choose the moment that is nearest to a pointer. */
  point(event) {
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [null, 45];
    for (const mark of this.marks) {
      const aside = Math.max(mark.x - x, x - mark.x - mark.width, 0) + Math.max(mark.y - y, y - mark.y - LEVEL, 0) * 2;
      if (aside < least) [best, least] = [mark, aside];
    }
    if (best) this.choose(best.moment.index, true);
  }

  show(from, to) {
    const whole = this.end - this.begin;
    const span = Math.min(Math.max(to - from, whole / 5000, 1e-4), whole);
    this.from = Math.min(Math.max(from, this.begin), this.end - span);
    this.to = this.from + span;
    this.draw();
  }

  zoom(factor, around = this.middle()) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  /** Return what to zoom at: the chosen moment if it can be seen. */
  middle() {
    const moment = this.moments[this.chosen];
    const at = this.failedAt(moment);
    return at >= this.from && at <= this.to ? at : (this.from + this.to) / 2;
  }

  /** Return when a moment went wrong: a wait does at its end, all else at once. */
  failedAt(moment) {
    return moment.failed && this.record.rows[moment.row][0] === "waits" ? moment.at + moment.length : moment.at;
  }

  pan(share) {
    const shift = (this.to - this.from) * share;
    this.show(this.from + shift, this.to + shift);
  }

  showFailure() {
    const failing = this.moments[this.record.failing];
    const before = this.moments[this.record.before] ?? failing;
    const end = failing.at + failing.length;
    const start = Math.min(before.at, failing.at);
    const margin = Math.max((end - start) * 0.15, 0.01);
    this.chosen = this.record.failing;
    this.show(start - margin, end + margin);
  }

  choose(index, seen = false) {
    this.chosen = index;
    const { at } = this.moments[index];
    if (!seen && (at < this.from || at > this.to)) {
      const half = (this.to - this.from) / 2;
      this.show(at - half, at + half);
    } else {
      this.drawChosen();
    }
  }

  x(time) { return (time - this.from) / (this.to - this.from) * this.width; }

  draw() {
    this.width = this.picture.clientWidth || 300;
    const drawn = [];
    this.lanes.forEach((lane, index) => {
      if (index % 2) drawn.push(svg("rect", { class: "odd", x: 0, y: lane.top, width: this.width, height: lane.height }));
    });
    drawn.push(...this.axis(), ...this.drawMarks(), ...this.drawFailure());
    this.over = svg("g", {});
    this.picture.replaceChildren(...drawn, this.over);
    const whole = this.from <= this.begin && this.to >= this.end;
    this.picture.classList.toggle("pans", !whole);
    this.buttons.out.disabled = this.buttons.whole.disabled = whole;
    this.buttons.left.disabled = this.from <= this.begin;
    this.buttons.right.disabled = this.to >= this.end;
    this.drawChosen();
  }

  axis() {
    const drawn = [];
    const least = (this.to - this.from) / Math.max(this.width / 90, 1);
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= least);
    const places = Math.max(0, -Math.floor(Math.log10(step)));
    for (let tick = Math.ceil(this.from / step) * step; tick <= this.to; tick += step) {
      const x = this.x(tick);
      drawn.push(svg("line", { class: "grid", x1: x, x2: x, y1: AXIS - 4, y2: this.height }));
      if (x < this.width - 30) drawn.push(svg("text", { class: "tick", x: x + 3, y: 14 }, `${tick.toFixed(places)} s`));
    }
    return drawn;
  }

  drawMarks() {
    this.marks = [];
    const last = new Map();
    for (const moment of this.moments) {
      if (moment.at > this.to || moment.at + moment.length < this.from) continue;
      const [x, end] = [Math.max(this.x(moment.at), -5), Math.min(this.x(moment.at + moment.length), this.width + 5)];
      const place = `${moment.row} ${moment.level}`;
      const before = last.get(place);
      const matters = moment.failed || moment.index === this.record.before;
      if (before && !matters && !before.matters && x - before.x < 3 && end - x < 3 && before.width <= 4) { before.more += 1; continue; }
      const y = this.lanes[moment.row].top + 5 + moment.level * LEVEL;
      const mark = { moment, x, y, width: Math.max(end - x, 4), more: 0, matters, room: this.width - x, flipped: 0 };
      if (before) before.room = x - before.x;
      const left = before ? x - before.x - before.width : x;
      if (matters && mark.room < 150 && mark.width < 40 && left > 180) {
        // At the right edge there is no room to say what went wrong: it is said to the left.
        mark.flipped = Math.min(label(moment).length * LETTER, left - 60);
        if (before) before.room -= mark.flipped + 12;
      }
      last.set(place, mark);
      this.marks.push(mark);
    }
    return this.marks.flatMap((mark) => this.drawMark(mark));
  }

  drawMark({ moment, x, y, width, room, more, flipped }) {
    const hue = HUES[this.record.rows[moment.row][0]] ?? "theirs";
    const state = moment.failed ? " failed" : moment.refused ? " refused" : "";
    const drawn = [svg("rect", { class: `${hue}${width > 8 ? " bar" : ""}${state}`, x, y, width, height: LEVEL - 3, rx: 2 })];
    if (moment.index === this.record.before) {
      drawn.push(svg("rect", { class: "cause", x: x - 3, y: y - 3, width: width + 6, height: LEVEL + 3, rx: 4 }));
    }
    // In a bar that is long enough, else beside it: what it says can be read without pointing at it.
    const inside = width > 40;
    const start = inside ? Math.max(x, 0) + 4 : x + width + 3;
    const words = label(moment, more);
    if (flipped) {
      drawn.push(svg("text", { class: state.trim(), x: x - 5, y: y + 11, "text-anchor": "end" }, cut(words, Math.floor(flipped / LETTER))));
      return drawn;
    }
    const space = (inside ? Math.max(Math.min(x + width, this.width), x + Math.min(room, this.width)) : x + room) - start - 4;
    const text = cut(words, Math.floor(Math.min(space, this.width - start) / LETTER));
    if (text.length > 2) {
      const style = inside && moment.failed ? "inside" : moment.failed ? "failed" : "";
      drawn.push(svg("text", { class: style, x: start, y: y + 11 }, text));
    }
    return drawn;
  }

  drawFailure() {
    const moment = this.moments[this.record.failing];
    if (!moment) return [];
    const x = this.x(this.failedAt(moment));
    if (x < 0 || x > this.width + 1) return [];
    return [svg("line", { class: "here", x1: x, x2: x, y1: 0, y2: this.height })];
  }

  drawChosen() {
    const moment = this.moments[this.chosen];
    const [kind, part] = this.record.rows[moment.row];
    const lasted = moment.length ? `, ${moment.failed ? "after" : "for"} ${seconds(moment.length)}` : "";
    const when = `${moment.at.toFixed(3)} s`;
    // Of what was shown the text is but the lines in one.
    const whole = kind === "output" || kind === "kernel";
    const said = !moment.detail ? moment.text : whole ? moment.detail : `${moment.text}\n${moment.detail}`;
    this.readout.replaceChildren(
      html("p", { class: moment.failed ? "failed" : "soft" }, html("b", {}, when), ` ${kind}, ${part}${lasted}${moment.failed ? " ✕ it failed" : ""}`),
      html("p", { class: "said mono" }, said));
    this.picture.setAttribute("aria-valuenow", this.chosen + 1);
    this.picture.setAttribute("aria-valuetext", `${when}, ${kind}, ${part}${moment.failed ? ", failed" : ""}: ${cut(moment.text, 300)}`);
    const mark = this.marks.find((one) => one.moment === moment);
    const x = Math.max(this.x(moment.at), 0);
    const drawn = [svg("line", { class: "cursor", x1: x, x2: x, y1: AXIS, y2: this.height })];
    if (mark) drawn.push(svg("rect", { class: "chosen", x: mark.x - 1.5, y: mark.y - 1.5, width: mark.width + 3, height: LEVEL, rx: 3 }));
    this.over.replaceChildren(...drawn);
  }
}

function label(moment, more = 0) {
  return `${moment.failed ? "✕ " : ""}${more ? `${more + 1}× ` : ""}${moment.text.split("\n", 1)[0]}`;
}

function legend() {
  const words = {
    ours: "what was done to it", waiting: "waits", theirs: "what it said", device: "the device and the wire", refused: "a request refused", failed: "what failed or ran out",
  };
  return html("p", { class: "legend" }, Object.entries(words).map(([hue, text]) => html("span", {}, html("i", { class: hue }), text)));
}
