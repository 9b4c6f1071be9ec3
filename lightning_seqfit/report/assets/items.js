/* Every kind of item: how it is drawn, what of it is under the pointer, and what it looks like in a legend. */
"use strict";

const root = document.documentElement;

// Words
/** A number as exact as it is known; ``plain``: without commas in thousands, as years are written. */
function digits(value, step, plain) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not known" : "not finite";
  const places = step ? Math.floor(-Math.log10(step)) : 0;
  const rounded = step && places <= 20 ? Number(value.toFixed(Math.max(0, places))) : value;
  const size = Math.abs(rounded);
  if (size && (size >= 1e7 || size < 1e-4)) {
    const figures = step ? Math.floor(Math.log10(size)) + places : 0;
    return rounded.toExponential(Math.min(12, Math.max(2, figures)));
  }
  const known = step || (size >= 1000 && Number.isInteger(rounded));
  const short = known ? rounded : Number(rounded.toPrecision(4));
  return short.toLocaleString("en-US", { maximumFractionDigits: 12, useGrouping: !plain || size >= 10_000 });
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

// Colours: said once, in the style sheet
let theme = 0;
const known = new Map();

function variable(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(root).getPropertyValue(`--${name}`).trim());
  return known.get(name);
}

function inPalette(name, place) {
  const palette = numbers(data.palettes[name]), i = 3 * Math.round(255 * place);
  return [palette[i], palette[i + 1], palette[i + 2]];
}

function ofRole(item) {
  if (item.role === "series") return variable(`series-${item.number % 8}`);
  if (item.role !== "ordered") return variable(item.role);
  // the darkest on black, the brightest on white are not seen
  const first = variable("scheme") === "dark" ? 0.98 : 0.85;
  return `rgb(${inPalette("error", first - 0.83 * item.place)})`;
}

function rgb(name) {
  return variable(name).match(/[\da-f]{2}/gi).map((part) => parseInt(part, 16));
}

/** 256 colours of a field's codes. */
function table({ colours, unknown }) {
  const name = `table ${colours} ${Boolean(unknown)}`;
  if (known.has(name)) return known.get(name);
  const made = new Uint32Array(256);
  const set = (code, [r, g, b], a = 255) => (made[code] = (a << 24) | (b << 16) | (g << 8) | r);
  for (let code = 0; code < OUTSIDE; code++) set(code, inPalette(colours, code / (OUTSIDE - 1)));
  set(OUTSIDE, [0, 0, 0], 0);
  set(BELOW, inPalette(colours, 0));
  set(ABOVE, inPalette(colours, 1));
  set(INFINITE, colours === "arrival" ? rgb("never") : rgb("unknown"));
  set(UNKNOWN, rgb("unknown"), colours === "arrival" && !unknown ? 0 : 255);
  known.set(name, made);
  return made;
}

function hatching(context) {
  const tile = element("canvas"), size = Math.round(7 * devicePixelRatio);
  tile.width = tile.height = size;
  const c = tile.getContext("2d");
  c.strokeStyle = variable("hatch");
  c.lineWidth = devicePixelRatio;
  c.beginPath();
  for (const shift of [-size, 0, size]) {
    c.moveTo(shift - 1, size + 1);
    c.lineTo(shift + size + 1, -1);
  }
  c.stroke();
  return context.createPattern(tile, "repeat");
}

// From values to pixels
/** The values at the left and the right, or at the bottom and the top. */
function ends(u, key) {
  const { min, max, dir } = u.scales[key];
  return dir < 0 ? [max, min] : [min, max];
}

/** What gives the pixel of a value along an axis; uPlot's own asks for more than it needs at each value. */
function placer(u, key) {
  const { distr } = u.scales[key], box = u.bbox, [min, max] = ends(u, key);
  const on = distr === 3 ? Math.log10 : (value) => value;
  const [start, length] = key === "x" ? [box.left, box.width] : [box.top + box.height, -box.height];
  const from = on(min), factor = length / (on(max) - from);
  return (value) => start + (on(value) - from) * factor;
}

/** Number of the cell between edges in which a value lies; -1: in none. */
function cellOf(edges, value) {
  let low = 0, high = edges.length - 1;
  if (!(value >= edges[0] && value <= edges[high])) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value < edges[middle]) high = middle;
    else low = middle;
  }
  return low;
}

/** For each pixel along an axis, the cell that it shows. */
function cellsShown(u, key, edges) {
  const count = Math.round(key === "x" ? u.bbox.width : u.bbox.height);
  const { distr } = u.scales[key];
  const [low, high] = distr === 3 ? ends(u, key).map(Math.log10) : ends(u, key);
  return Int32Array.from({ length: count }, (_, i) => {
    const share = (i + 0.5) / count;
    const value = low + (high - low) * (key === "x" ? share : 1 - share);
    return cellOf(edges, distr === 3 ? 10 ** value : value);
  });
}

/** Draw cells as pixels; the picture is kept until something else is to be seen. */
function raster(c, u, item, frame, paint) {
  const { x, y } = u.scales, box = u.bbox;
  const key = [box.width, box.height, x.min, x.max, y.min, y.max, frame, theme].join();
  if (item.key !== key) {
    const columns = cellsShown(u, "x", numbers(item.xEdges)), rows = cellsShown(u, "y", numbers(item.yEdges));
    const across = item.xEdges.size - 1;
    item.canvas ||= element("canvas");
    item.canvas.width = columns.length;
    item.canvas.height = rows.length;
    const context = item.canvas.getContext("2d");
    const image = context.createImageData(columns.length, rows.length);
    const pixels = new Uint32Array(image.data.buffer);
    let at = 0;
    for (const row of rows) {
      for (const column of columns) {
        if (row >= 0 && column >= 0) pixels[at] = paint(row * across + column);
        at++;
      }
    }
    context.putImageData(image, 0, 0);
    item.key = key;
  }
  c.drawImage(item.canvas, Math.round(box.left), Math.round(box.top));
}

/** Stretches [from, to) of a row of cells for which something holds. */
function stretches(count, holds) {
  const found = [];
  for (let i = 0; i < count; i++) {
    if (!holds(i)) continue;
    const from = i;
    while (i < count && holds(i)) i++;
    found.push([from, i]);
  }
  return found;
}

/** Sides of cells between different classes: {up: vertical?, at: edge, from, to: edges, level}. */
function sidesOf(item, frame) {
  const classes = framed(item, item.classes, frame);
  const columns = item.xEdges.size - 1, rows = item.yEdges.size - 1, sides = [];
  const between = (a, b) => (a && b && a !== b ? Math.min(a, b) : 0);
  const collect = (up, count, length, pair) => {
    for (let at = 1; at < count; at++) {
      for (let i = 0; i < length; i++) {
        const level = pair(at, i), from = i;
        if (!level) continue;
        while (i + 1 < length && pair(at, i + 1) === level) i++;
        sides.push({ up, at, from, to: i + 1, level: level - 1 + item.classes.first });
      }
    }
  };
  collect(true, columns, rows, (at, i) => between(classes[i * columns + at - 1], classes[i * columns + at]));
  collect(false, rows, columns, (at, i) => between(classes[(at - 1) * columns + i], classes[at * columns + i]));
  return sides;
}

// How an item is drawn
const DASHES = { "--": [6, 4] };

const draw = {
  curve(c, u, item, frame, px) {
    const X = placer(u, "x"), Y = placer(u, "y"), x = numbers(item.x), y = framed(item, item.y, frame);
    c.strokeStyle = c.fillStyle = ofRole(item);
    if (item.style !== "-" && item.style !== "--") return marks(c, item, px, x, y, X, Y);
    c.lineWidth = item.width * px;
    c.lineJoin = "round";
    c.setLineDash((DASHES[item.style] || []).map((part) => part * px));
    const drawn = (i) => Number.isFinite(y[i]) && Number.isFinite(X(x[i]));
    c.beginPath();
    for (const [from, to] of stretches(x.length, drawn)) {
      c.moveTo(X(x[from]), Y(y[from]));
      for (let i = from + 1; i < to; i++) c.lineTo(X(x[i]), Y(y[i]));
      if (to === from + 1) c.arc(X(x[from]), Y(y[from]), 0.6 * item.width * px, 0, 7); // alone it would not be seen
    }
    c.stroke();
  },

  band(c, u, item, frame, px) {
    const X = placer(u, "x"), Y = placer(u, "y"), x = numbers(item.x);
    const low = framed(item, item.low, frame), high = framed(item, item.high, frame);
    c.fillStyle = c.strokeStyle = ofRole(item);
    c.globalAlpha = 0.5;
    c.lineWidth = 1.5 * px; // where it has no width it is a line
    c.lineJoin = "round";
    for (const [from, to] of stretches(x.length, (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]))) {
      c.beginPath();
      for (let i = from; i < to; i++) c.lineTo(X(x[i]), Y(high[i]));
      for (let i = to - 1; i >= from; i--) c.lineTo(X(x[i]), Y(low[i]));
      c.closePath();
      c.fill();
      c.stroke();
    }
  },

  shade(c, u, item, frame) {
    const key = item.along, place = placer(u, key), box = u.bbox;
    const edges = numbers(item.edges), mask = framed(item, item.mask, frame);
    c.fillStyle = item.kind === "quiet" ? hatching(c) : variable(item.kind);
    const across = (item.kind === "carrying" ? 0.015 : 1) * (key === "x" ? box.height : box.width);
    for (const [from, to] of stretches(mask.length, (i) => mask[i])) {
      const [start, end] = [place(edges[from]), place(edges[to])];
      if (key === "x") c.fillRect(start, box.top + box.height - across, end - start, across);
      else c.fillRect(box.left, end, across, start - end);
    }
  },

  field(c, u, item, frame) {
    const codes = framed(item, item.values, frame), colours = table(item);
    raster(c, u, item, frame, (cell) => colours[codes[cell]]);
  },

  picture(c, u, item, frame) {
    const v = framed(item, item.values, frame);
    raster(c, u, item, frame, (cell) => (255 << 24) | (v[3 * cell + 2] << 16) | (v[3 * cell + 1] << 8) | v[3 * cell]);
  },

  hatch(c, u, item) {
    const X = placer(u, "x"), Y = placer(u, "y"), mask = numbers(item.mask);
    const x = numbers(item.xEdges), y = numbers(item.yEdges), columns = x.length - 1;
    c.fillStyle = hatching(c);
    c.beginPath();
    for (let row = 0; row < y.length - 1; row++) {
      for (const [from, to] of stretches(columns, (i) => mask[row * columns + i])) {
        c.rect(X(x[from]), Y(y[row + 1]), X(x[to]) - X(x[from]), Y(y[row]) - Y(y[row + 1]));
      }
    }
    c.fill();
  },

  outline(c, u, item, frame, px) {
    const X = placer(u, "x"), Y = placer(u, "y"), x = numbers(item.xEdges), y = numbers(item.yEdges);
    if (item.seen !== frame) [item.sides, item.seen] = [sidesOf(item, frame), frame];
    const ends = ({ up, at, from, to }) =>
      up ? [X(x[at]), Y(y[from]), X(x[at]), Y(y[to])] : [X(x[from]), Y(y[at]), X(x[to]), Y(y[at])];
    const longest = new Map();
    c.beginPath();
    for (const side of item.sides) {
      const [a, b, d, e] = ends(side);
      c.moveTo(a, b);
      c.lineTo(d, e);
      const length = Math.hypot(d - a, e - b);
      if (longest.get(side.level)?.length > length) continue;
      longest.set(side.level, { length, x: (a + d) / 2, y: (b + e) / 2 });
    }
    c.lineCap = "round";
    const styles = { front: [["#000", 3.2], ["#fff", 1.6]], level: [["#000", 1]], domain: [["#888", 1]] };
    for (const [colour, width] of styles[item.kind]) {
      c.strokeStyle = colour;
      c.lineWidth = width * px;
      c.stroke();
    }
    c.font = `${11 * px}px system-ui, sans-serif`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    const written = [];
    for (const [level, middle] of longest) {
      const near = (other) => Math.max(Math.abs(other.x - middle.x), Math.abs(other.y - middle.y)) < 36 * px;
      if (!item.names[level] || written.some(near)) continue;
      written.push(middle);
      c.lineWidth = 3 * px;
      c.strokeStyle = "#fff";
      c.fillStyle = "#000";
      c.strokeText(item.names[level], middle.x, middle.y);
      c.fillText(item.names[level], middle.x, middle.y);
    }
  },
};

function marks(c, item, px, x, y, X, Y) {
  const size = (item.style === "." ? 1.7 : 3.5) * px;
  c.lineWidth = 1.3 * px;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(y[i])) continue;
    const a = X(x[i]), b = Y(y[i]);
    c.beginPath();
    if (item.style === "|") {
      c.moveTo(a, b - size);
      c.lineTo(a, b + size);
    } else if (item.style === "x") {
      c.moveTo(a - size, b - size);
      c.lineTo(a + size, b + size);
      c.moveTo(a - size, b + size);
      c.lineTo(a + size, b - size);
    } else {
      c.arc(a, b, size, 0, 7);
      if (item.style === "o") [c.fillStyle, c.strokeStyle] = ["#fff", "#000"];
      c.fill();
    }
    c.stroke();
  }
}

// What is under the pointer
const read = {
  curve(item, frame, x, u) {
    if (!item.label) return "";
    const places = numbers(item.x), values = framed(item, item.y, frame), X = placer(u, "x"), at = X(x);
    let best = -1, off = 0.05 * u.bbox.width;
    for (let i = 0; i < places.length; i++) {
      const distance = Math.abs(X(places[i]) - at);
      if (distance < off && !Number.isNaN(values[i])) [best, off] = [i, distance];
    }
    if (best < 0) return "";
    const { low, high, levels, log } = item.y;
    const step = log ? Math.abs(values[best]) * (10 ** ((high - low) / levels) - 1) : (high - low) / levels;
    return `${item.label}: ${digits(values[best], step)}`;
  },

  band(item, frame, x) {
    const places = numbers(item.x), low = framed(item, item.low, frame), high = framed(item, item.high, frame);
    let best = 0;
    for (let i = 0; i < places.length; i++) if (Math.abs(places[i] - x) < Math.abs(places[best] - x)) best = i;
    const step = (item.low.high - item.low.low) / item.low.levels;
    return item.label && Number.isFinite(low[best])
      ? `${item.label}: ${digits(low[best], step)} to ${digits(high[best], step)}`
      : "";
  },

  shade(item, frame, x, u, y) {
    const cell = cellOf(numbers(item.edges), item.along === "x" ? x : y);
    return cell >= 0 && framed(item, item.mask, frame)[cell] ? item.label : "";
  },

  field(item, frame, x, u, y) {
    const column = cellOf(numbers(item.xEdges), x), row = cellOf(numbers(item.yEdges), y);
    if (column < 0 || row < 0) return "";
    const code = framed(item, item.values, frame)[row * (item.xEdges.size - 1) + column];
    const name = item.label || "value", [low, high] = [item.low, item.high];
    if (code === OUTSIDE) return "outside the domain";
    if (code === BELOW) return `${name}: below ${digits(low)}`;
    if (code === ABOVE) return `${name}: above ${digits(high)}`;
    const arrival = item.colours === "arrival";
    if (code === INFINITE) return arrival ? item.never || "not yet" : item.unknown || `${name}: not finite`;
    if (code === UNKNOWN) return item.unknown || (arrival ? "" : `${name}: not known`);
    const share = code / (OUTSIDE - 1), step = (high - low) / (OUTSIDE - 1);
    const value = item.log ? low * (high / low) ** share : low + share * (high - low);
    return `${name}: ${digits(value, item.log ? 0.02 * value : step)}`;
  },

  hatch(item, frame, x, u, y) {
    const column = cellOf(numbers(item.xEdges), x), row = cellOf(numbers(item.yEdges), y);
    return column >= 0 && row >= 0 && numbers(item.mask)[row * (item.xEdges.size - 1) + column] ? item.label : "";
  },
};

// In a legend
/** What an item looks like, small. */
function swatch(item) {
  if (item.is === "field") {
    const bar = element("canvas", "bar"), c = bar.getContext("2d");
    bar.width = 128;
    bar.height = 1;
    for (let i = 0; i < 128; i++) {
      c.fillStyle = `rgb(${inPalette(item.colours, i / 127)})`;
      c.fillRect(i, 0, 1, 1);
    }
    const end = (value) => digits(Number(value.toPrecision(2)));
    const [below, above] = [item.extend === "both" ? "\u2264 " : "", item.extend !== "neither" ? "\u2265 " : ""];
    const scale = element("span", "scale");
    scale.append(element("span", "end", below + end(item.low)), bar, element("span", "end", above + end(item.high)));
    return [scale];
  }
  const made = element("i", `swatch ${item.is} ${item.kind || ""}`);
  if (item.is === "curve") {
    if (".o|x".includes(item.style)) {
      made.className = "swatch mark";
      made.textContent = { ".": "\u2022", o: "\u25cb", "|": "|", x: "\u00d7" }[item.style];
      made.style.color = item.style === "o" ? "" : ofRole(item);
    } else {
      made.style.borderTop = `${Math.max(2, item.width)}px ${item.style === "-" ? "solid" : "dashed"} ${ofRole(item)}`;
    }
  }
  if (item.is === "band") made.style.background = ofRole(item);
  return [made];
}
