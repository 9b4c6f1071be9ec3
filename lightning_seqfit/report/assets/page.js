/* The figures of a page, the slider that moves them, and the page that comes again while a run goes on. */
"use strict";

// Panels: uPlot has the axes, the cursor and the zoom
/** Round numbers between the ends of an axis, about as many as there is room for. */
function ticks(u, axis, low, high) {
  const count = axis ? Math.min(5, Math.max(2, u.height / 40)) : Math.min(8, Math.max(2, u.width / 90));
  const log = u.scales[u.axes[axis].scale].distr === 3, found = [];
  const add = (value) => found.push(Number(value.toPrecision(12)));
  if (log && high / low > 5) {
    const wide = Math.log10(high / low), factors = wide > 2.5 ? [1] : [1, 2, 5];
    const every = Math.max(1, Math.ceil(wide / count));
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += every) {
      for (const factor of factors) add(factor * 10 ** power);
    }
  } else {
    const rough = (high - low) / count, unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * ([1, 2, 5].find((factor) => factor * unit >= rough) || 10);
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) add(i * step);
  }
  const room = 1e-9 * Math.max(Math.abs(low), Math.abs(high));
  return found.filter((value) => value >= low - room && value <= high + room);
}

function axisOf(axis, scale, label) {
  const made = {
    scale,
    label: label || null,
    labelSize: 18,
    labelGap: 2,
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    stroke: () => variable("soft"),
    grid: { stroke: () => variable("grid"), width: 1 },
    ticks: { stroke: () => variable("grid"), width: 1, size: 5 },
    gap: 3,
    filter: (u, splits) => splits,
    splits: ticks,
    values: (u, splits) => {
      const { distr, min, max } = u.scales[scale], even = splits.length > 1 && !(distr === 3 && max / min > 5);
      const step = even ? Math.abs(splits[1] - splits[0]) / 10 : 0;
      return splits.map((value) => digits(value, step, !axis.label.includes("step")));
    },
  };
  if (axis.names) {
    const places = axis.names.map(([place]) => place);
    made.splits = (u, i, low, high) => places.filter((place) => place >= low && place <= high);
    made.values = (u, splits) => splits.map((place) => axis.names.find(([at]) => at === place)[1]);
  }
  const longest = () => Math.max(0, ...(made.texts || []).map((text) => text.length));
  const values = made.values;
  made.values = (u, splits) => (made.texts = values(u, splits));
  made.size = scale === "x" ? 24 : () => 12 + 6.6 * Math.min(longest(), 16);
  return made;
}

class Drawn {
  constructor(view, panel, place) {
    Object.assign(this, { view, panel, place, frame: -1 });
    if (!this.aside) place.appendChild(element("p", "upwards", panel.y.label));
    this.box = place.appendChild(element("div", "plot"));
    this.legend = place.appendChild(element("ul", "legend"));
    for (const reason of panel.absent) place.appendChild(element("p", "absent", reason));
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "img");
    const axes = `${panel.y.label || "value"} over ${panel.x.label || "place"}`;
    this.box.setAttribute("aria-label", [view.title, panel.title, axes].filter(Boolean).join(": "));
    this.plot = this.make();
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.box);
    this.list();
  }

  /** Whether the name of the vertical axis has room beside it; else it is written above. */
  get aside() {
    return this.panel.y.label.length <= (this.panel.small ? 12 : 24);
  }

  /** Whether a place in it has two coordinates. */
  get flat() {
    return this.panel.items.some((item) => item.xEdges);
  }

  /** Whether it is drawn over the training's steps. */
  get pointed() {
    const first = this.view.rows[0][0].x, own = this.panel.x;
    return this.view.cursor === "x" && own.low === first.low && own.high === first.high && own.label === first.label;
  }

  size(paper = false) {
    const { panel, view } = this, inRow = view.rows.find((row) => row.includes(panel)).length;
    const whole = this.place.closest("figure").classList.contains("wide") ? 670 : 310;
    const beside = Math.max(1, Math.min(inRow, Math.floor((whole + 12) / (panel.small ? 122 : 162))));
    const width = paper ? (whole - 12 * (beside - 1)) / beside : Math.max(this.box.clientWidth, 120);
    let height = [290, 220, 190][Math.min(view.rows.length, 3) - 1];
    if (panel.small) height = 130;
    else if (paper && whole < 400) height = 215;
    if (!panel.square) return { width: Math.round(width), height };
    const length = (axis) => Math.abs(axis.high - axis.low), shape = length(panel.y) / length(panel.x);
    const within = Math.min(width - 76, Math.max(380 / shape, 60));
    return { width: Math.round(within + 76), height: Math.max(Math.round(within * shape + 52), 90) };
  }

  make() {
    const { panel } = this, size = this.size();
    const rising = ({ low, high }) => (low < high ? [low, high] : [high, low]);
    const scale = (axis) => ({
      time: false,
      distr: axis.log ? 3 : 1,
      dir: axis.low < axis.high ? 1 : -1,
      range: (u, low, high, key) => (key === "x" ? [low, high] : rising(axis)),
    });
    const plot = new uPlot(
      {
        ...size,
        padding: [6, 22, 0, panel.y.names && !panel.y.names.length ? 8 : 2],
        legend: { show: false },
        cursor: { drag: { x: true, y: true, uni: 25 }, points: { show: false }, y: this.flat },
        scales: { x: scale(panel.x), y: scale(panel.y) },
        axes: [axisOf(panel.x, "x", panel.x.label), axisOf(panel.y, "y", this.aside ? panel.y.label : "")],
        series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
        hooks: { draw: [(u) => this.paint(u)], setCursor: [(u) => this.tell(u)], setScale: [() => this.mark()] },
      },
      [rising(panel.x), [null, null]],
      this.box,
    );
    this.now = plot.over.appendChild(element("div", "now"));
    this.tip = plot.over.appendChild(element("div", "tip"));
    this.tip.setAttribute("role", "status");
    if (this.pointed && slider) {
      plot.over.classList.add("points");
      const left = () => plot.over.getBoundingClientRect().left;
      plot.over.addEventListener("click", (event) => goTo(plot.posToVal(event.clientX - left(), "x")));
    }
    return plot;
  }

  fit(paper = false) {
    const size = this.size(paper);
    if (size.width !== this.plot.width || size.height !== this.plot.height) this.plot.setSize(size);
    this.mark();
  }

  paint(u) {
    const c = u.ctx, { left, top, width, height } = u.bbox;
    for (const item of this.panel.items) {
      c.save();
      c.beginPath();
      c.rect(left, top, width, height);
      c.clip();
      draw[item.is](c, u, item, item.frames ? Math.max(this.frame, 0) : 0, devicePixelRatio);
      c.restore();
    }
    c.save();
    c.strokeStyle = variable("line");
    c.lineWidth = devicePixelRatio;
    c.strokeRect(left, top, width, height);
    c.restore();
  }

  /** Show a frame; -1: the last one. */
  show(frame, step) {
    this.step = step;
    if (frame !== this.frame) {
      this.frame = frame;
      if (this.panel.items.some((item) => item.frames)) this.plot.redraw(false);
    }
    this.mark();
  }

  /** Put the line at the step that the slider is at. */
  mark() {
    if (!this.plot || !this.pointed || this.step === undefined) return;
    const at = this.plot.valToPos(Math.max(this.step, this.panel.x.low), "x");
    const inside = at >= 0 && at <= this.plot.over.clientWidth;
    this.now.style.display = inside ? "block" : "none";
    this.now.style.transform = `translateX(${at}px)`;
  }

  tell(u) {
    const { panel, tip } = this, { left, top } = u.cursor;
    if (!tip) return;
    tip.style.display = left >= 0 ? "block" : "none";
    if (!(left >= 0)) return;
    const x = u.posToVal(left, "x"), y = u.posToVal(top, "y"), frame = Math.max(this.frame, 0);
    const at = ({ label, low, high, log }, other, value) =>
      `${label || other}: ${digits(value, log ? value / 100 : Math.abs(high - low) / 1000, !label.includes("step"))}`;
    const lines = [at(panel.x, "x", x)];
    if (this.flat) lines.push(at(panel.y, "y", y));
    for (const item of panel.items) {
      const said = read[item.is]?.(item, item.frames ? frame : 0, x, u, y);
      if (said) lines.push(said);
    }
    tip.replaceChildren(...lines.slice(0, 12).map((text) => element("div", "", text)));
    const width = u.over.clientWidth, own = tip.offsetWidth, beyond = left + 14 + own > width;
    tip.style.left = `${beyond ? Math.max(0, left - 14 - own) : left + 14}px`;
    tip.style.top = `${Math.max(0, Math.min(top + 10, u.over.clientHeight - tip.offsetHeight))}px`;
  }

  key(event) {
    const u = this.plot, width = u.over.clientWidth, height = u.over.clientHeight;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Enter" && this.pointed && slider) goTo(u.posToVal(u.cursor.left, "x"));
    if (event.key === "Escape") u.setCursor({ left: -10, top: -10 });
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [x, y] = moves[event.key], { left, top } = u.cursor, from = left >= 0 ? [left, top] : [width / 2, height / 2];
    u.setCursor({
      left: Math.min(width - 1, Math.max(0, from[0] + (x * width) / 60)),
      top: Math.min(height - 1, Math.max(0, from[1] + (y * height) / 40)),
    });
  }

  /** Write the legend. */
  list() {
    const said = new Set();
    this.legend.replaceChildren();
    const add = (label, ...signs) => {
      if (!label || said.has(label)) return;
      said.add(label);
      this.legend.appendChild(element("li")).append(...signs, element("span", "", label));
    };
    for (const item of this.panel.items) {
      if (item.label) add(item.label, ...swatch(item));
      for (const kind of ["unknown", "never"]) add(item[kind], element("i", `swatch shade ${kind}`));
    }
  }

  repaint() {
    this.list();
    this.plot.redraw(false);
  }
}

// The slider: all looks of all runs
const slider = document.getElementById("look"), steps = data.steps;
const drawn = [];

/** Number of the last of rising steps that is not above one; 0: none is. */
function lastUpTo(rising, step) {
  let found = 0;
  while (found + 1 < rising.length && rising[found + 1] <= step) found++;
  return found;
}

function showLook() {
  const step = steps[Number(slider.value)];
  const said = `step ${step.toLocaleString("en-US")}`;
  document.getElementById("step").textContent = said;
  slider.setAttribute("aria-valuetext", said);
  for (const one of drawn) one.show(one.view.steps ? lastUpTo(one.view.steps, step) : -1, step);
}

function goTo(step) {
  const after = steps.findIndex((each) => each >= step);
  const nearer = after > 0 && step - steps[after - 1] < steps[after] - step;
  slider.value = String(after < 0 ? steps.length - 1 : after - nearer);
  showLook();
}

let playing = 0;

function play(on) {
  clearInterval(playing);
  playing = 0;
  const button = document.getElementById("play");
  button.textContent = on ? "\u275a\u275a Pause" : "\u25b6 Play";
  button.setAttribute("aria-pressed", String(on));
  if (!on) return;
  const last = steps.length - 1, jump = Math.max(1, Math.ceil(last / 150));
  if (Number(slider.value) >= last) {
    slider.value = "0";
    showLook();
  }
  playing = setInterval(() => {
    slider.value = String(Math.min(last, Number(slider.value) + jump));
    showLook();
    if (Number(slider.value) >= last) play(false);
  }, Math.max(40, Math.min(250, 6000 / (last + 1))));
}

// A page of a run that goes on comes again
const place = `seqfit ${location.pathname}`;

function remember() {
  const state = { scroll: scrollY, playing: Boolean(playing) };
  const look = slider && Number(slider.value);
  if (slider && look < steps.length - 1) state.step = steps[look]; // who is at the end stays there
  try {
    sessionStorage.setItem(place, JSON.stringify(state));
  } catch { /* a frame without a store of its own */ }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(place)) || {};
  } catch {
    return {};
  }
}

function repaint() {
  known.clear();
  theme++;
  for (const one of drawn) one.repaint();
}

/** On paper it is light, and the letters are as large in small figures as in large ones. */
function onPaper(on) {
  root.classList.toggle("light", on);
  repaint();
  for (const one of drawn) one.fit(on);
}

async function begin() {
  const status = document.getElementById("status");
  try {
    await unpack();
  } catch (error) {
    status.textContent =
      "This browser cannot unpack the figures (it lacks DecompressionStream): open the page in one of 2023 or later.";
    return;
  }
  for (const place of document.querySelectorAll("[data-view]")) {
    const view = data.views[Number(place.dataset.view)];
    for (const row of view.rows) {
      const line = place.appendChild(element("div", row.every(({ small }) => small) ? "row small" : "row"));
      for (const panel of row) {
        const cell = line.appendChild(element("div", "panel"));
        if (panel.title) cell.appendChild(element("p", panel.bold ? "name bold" : "name", panel.title));
        drawn.push(new Drawn(view, panel, cell));
      }
    }
  }
  const before = remembered();
  if (slider) {
    slider.addEventListener("input", () => {
      play(false);
      showLook();
    });
    document.getElementById("play").addEventListener("click", () => play(!playing));
    if (data.live && before.step !== undefined) goTo(before.step);
    showLook();
    if (data.live && before.playing) play(true);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
  if (data.live) {
    history.scrollRestoration = "manual";
    if (before.scroll) scrollTo(0, before.scroll);
    setTimeout(() => {
      remember();
      location.reload();
    }, 1000 * data.live);
  }
  status.textContent = "";
  root.dataset.ready = "true";
}

begin();
