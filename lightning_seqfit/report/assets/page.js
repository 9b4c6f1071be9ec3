/* Draws the views of a report: every kind of item in one way, whatever the figure. uPlot has the axes, cursor and zoom. */
(async () => {
  "use strict";
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("views").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const OUTSIDE = 251, BELOW = 252, ABOVE = 253, INFINITE = 254, UNKNOWN = 255;

  // ---- arrays ----
  let bytes;

  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("arrays").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    bytes = await new Response(stream).arrayBuffer();
  }

  /** Numbers of an array; decoded when first asked for. */
  function numbers(array) {
    if (!array.values) array.values = decode(array);
    return array.values;
  }

  function decode({ at, kind, size, back, low, high, levels, log }) {
    if (kind === "f8") return new Float64Array(bytes.slice(at, at + 8 * size));
    if (kind === "b1") {
      const bits = new Uint8Array(bytes, at);
      return Uint8Array.from({ length: size }, (_, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1);
    }
    let codes = new Uint8Array(bytes.slice(at, at + size));
    if (kind === "u2") {
      const rest = new Uint8Array(bytes, at + size, size);
      codes = Uint16Array.from(codes, (value, i) => (value << 8) | rest[i]);
    }
    for (let i = back; i < size; i++) codes[i] += codes[i - back];
    if (levels === undefined) return codes;
    return Float64Array.from(codes, (code) => {
      if (code < 3) return [NaN, -Infinity, Infinity][code];
      const value = low + ((code - 3) / (levels - 1)) * (high - low);
      return log ? 10 ** value : value;
    });
  }

  /** What an item's array is in one frame. */
  function framed(item, array, frame) {
    const values = numbers(array);
    if (!item.frames) return values;
    const size = array.size / item.frames;
    return values.subarray(frame * size, (frame + 1) * size);
  }

  // ---- words ----
  function digits(value, step) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "not known" : "not finite";
    const rounded = step ? Number(value.toFixed(Math.min(20, Math.max(0, Math.floor(-Math.log10(step)))))) : value;
    const size = Math.abs(rounded);
    if (size && (size >= 1e7 || size < 1e-4)) return rounded.toExponential(2);
    const short = size >= 1000 && Number.isInteger(rounded) ? rounded : Number(rounded.toPrecision(4));
    return short.toLocaleString("en-US", { maximumFractionDigits: 12 });
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  // ---- colours: said once, in the style sheet ----
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
    const from = variable("scheme") === "dark" ? 0.2 : 0; // the darkest on black, the brightest on white are not seen
    return `rgb(${inPalette("error", from + 0.8 * item.place)})`;
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

  // ---- from values to pixels ----
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

  // ---- items ----
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

    band(c, u, item, frame) {
      const X = placer(u, "x"), Y = placer(u, "y"), x = numbers(item.x);
      const low = framed(item, item.low, frame), high = framed(item, item.high, frame);
      c.fillStyle = ofRole(item);
      c.globalAlpha = 0.35;
      for (const [from, to] of stretches(x.length, (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]))) {
        c.beginPath();
        for (let i = from; i < to; i++) c.lineTo(X(x[i]), Y(high[i]));
        for (let i = to - 1; i >= from; i--) c.lineTo(X(x[i]), Y(low[i]));
        c.fill();
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
        if (!(longest.get(side.level)?.length > length)) longest.set(side.level, { length, x: (a + d) / 2, y: (b + e) / 2 });
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
      for (const [level, middle] of longest) {
        if (!item.names[level]) continue;
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
        c.fill();
        if (item.style === "o") c.strokeStyle = variable("card");
      }
      c.stroke();
    }
  }

  // ---- what is under the pointer ----
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
      if (code === INFINITE) return item.colours === "arrival" ? item.never || "not yet" : item.unknown || `${name}: not finite`;
      if (code === UNKNOWN) return item.unknown || (item.colours === "arrival" ? "" : `${name}: not known`);
      const share = code / (OUTSIDE - 1), step = (high - low) / (OUTSIDE - 1);
      const value = item.log ? low * (high / low) ** share : low + share * (high - low);
      return `${name}: ${digits(value, item.log ? 0.02 * value : step)}`;
    },

    hatch(item, frame, x, u, y) {
      const column = cellOf(numbers(item.xEdges), x), row = cellOf(numbers(item.yEdges), y);
      return column >= 0 && row >= 0 && numbers(item.mask)[row * (item.xEdges.size - 1) + column] ? item.label : "";
    },
  };

  // ---- panels ----
  const ticks = (count) => (u, axis, low, high) => {
    const log = u.scales[u.axes[axis].scale].distr === 3, found = [];
    if (log && high / low > 5) {
      const wide = Math.log10(high / low), few = wide > 2.5 ? [1] : [1, 2, 5];
      const every = Math.max(1, Math.ceil(wide / count));
      for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += every) {
        for (const factor of few) found.push(Number((factor * 10 ** power).toPrecision(6)));
      }
    } else {
      const rough = (high - low) / count, unit = 10 ** Math.floor(Math.log10(rough));
      const step = unit * ([1, 2, 5].find((factor) => factor * unit >= rough) || 10);
      for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(Number((i * step).toPrecision(12)));
    }
    return found.filter((value) => value >= low * (1 - 1e-9 * Math.sign(low)) && value <= high * (1 + 1e-9 * Math.sign(high)));
  };

  function axisOf(axis, scale, width) {
    const made = {
      scale,
      label: axis.label || null,
      labelSize: 18,
      labelGap: 2,
      font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      stroke: () => variable("soft"),
      grid: { stroke: () => variable("grid"), width: 1 },
      ticks: { stroke: () => variable("grid"), width: 1, size: 5 },
      gap: 3,
      filter: (u, splits) => splits,
      splits: ticks(scale === "x" ? Math.max(2, Math.min(8, width / 90)) : 5),
      values: (u, splits) => splits.map((value) => digits(value)),
    };
    if (axis.names) {
      made.splits = (u, i, low, high) => axis.names.map(([place]) => place).filter((place) => place >= low && place <= high);
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
      this.box = place.appendChild(element("div", "plot"));
      this.legend = place.appendChild(element("ul", "legend"));
      for (const reason of panel.absent) place.appendChild(element("p", "absent", reason));
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "img");
      this.box.setAttribute("aria-label", [view.title, panel.title, `${panel.y.label || "value"} over ${panel.x.label || "place"}`].filter(Boolean).join(": "));
      this.plot = this.make();
      this.box.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.fit()).observe(this.box);
      this.list();
    }

    get pointed() {
      const first = this.view.rows[0][0].x, own = this.panel.x;
      return this.view.cursor === "x" && own.low === first.low && own.high === first.high && own.label === first.label;
    }

    size(paper = false) {
      const { panel } = this, row = this.view.rows.find((each) => each.includes(panel)).length;
      const whole = this.place.closest("figure").classList.contains("wide") ? 670 : 310;
      const width = paper ? (whole - 12 * (row - 1)) / row : Math.max(this.box.clientWidth, 120);
      let height = panel.small ? 130 : paper && whole < 400 ? 215 : this.view.rows.length > 2 ? 190 : this.view.rows.length > 1 ? 220 : 290;
      if (panel.square) height = Math.min(480, (width - 76) * Math.abs((panel.y.high - panel.y.low) / (panel.x.high - panel.x.low)) + 52);
      return { width, height: Math.max(Math.round(height), 90) };
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
          cursor: { drag: { x: true, y: true, uni: 25 }, points: { show: false }, y: panel.items.some((item) => item.is === "field") },
          scales: { x: scale(panel.x), y: scale(panel.y) },
          axes: [axisOf(panel.x, "x", size.width), axisOf(panel.y, "y", size.width)],
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
        plot.over.addEventListener("click", (event) => goTo(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x")));
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
      const { left, top } = u.cursor;
      const { panel } = this;
      if (!this.tip || left < 0 || left === undefined) return void (this.tip && (this.tip.style.display = "none"));
      const x = u.posToVal(left, "x"), y = u.posToVal(top, "y"), frame = Math.max(this.frame, 0);
      const span = (axis) => Math.abs(axis.high - axis.low) / 1000;
      const lines = [`${panel.x.label || "x"}: ${digits(x, panel.x.log ? x / 100 : span(panel.x))}`];
      if (panel.items.some((item) => item.xEdges)) lines.push(`${panel.y.label || "y"}: ${digits(y, panel.y.log ? y / 100 : span(panel.y))}`);
      for (const item of panel.items) {
        const said = read[item.is]?.(item, item.frames ? frame : 0, x, u, y);
        if (said) lines.push(said);
      }
      this.tip.replaceChildren(...lines.slice(0, 12).map((text) => element("div", "", text)));
      this.tip.style.display = "block";
      const width = u.over.clientWidth, own = this.tip.offsetWidth;
      this.tip.style.left = `${left + 14 + own > width ? Math.max(0, left - 14 - own) : left + 14}px`;
      this.tip.style.top = `${Math.max(0, Math.min(top + 10, u.over.clientHeight - this.tip.offsetHeight))}px`;
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
      for (const item of this.panel.items) {
        for (const kind of ["unknown", "never"]) {
          if (!item[kind] || said.has(kind)) continue;
          said.add(kind);
          this.legend.appendChild(element("li")).append(element("i", `swatch shade ${kind}`), element("span", "", item[kind]));
        }
        if (!item.label || said.has(item.is + item.label)) continue;
        said.add(item.is + item.label);
        const line = this.legend.appendChild(element("li"));
        line.append(...swatch(item), element("span", "", item.label));
      }
    }

    repaint() {
      this.list();
      this.plot.redraw(false);
    }
  }

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
      return [element("span", "end", below + end(item.low)), bar, element("span", "end", above + end(item.high))];
    }
    const made = element("i", `swatch ${item.is} ${item.kind || ""}`);
    if (item.is === "curve") {
      if (".o|x".includes(item.style)) {
        made.className = "swatch mark";
        made.textContent = { ".": "\u2022", o: "\u25cf", "|": "|", x: "\u00d7" }[item.style];
        made.style.color = ofRole(item);
      } else {
        made.style.borderTop = `${Math.max(2, item.width)}px ${item.style === "-" ? "solid" : "dashed"} ${ofRole(item)}`;
      }
    }
    if (item.is === "band") made.style.background = ofRole(item);
    return [made];
  }

  // ---- the slider: all looks of all runs ----
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
    const at = after < 0 ? steps.length - 1 : after > 0 && step - steps[after - 1] < steps[after] - step ? after - 1 : after;
    slider.value = String(at);
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

  // ---- a page of a run that goes on comes again ----
  const place = `seqfit ${location.pathname}`;

  function remember() {
    const state = { look: slider && Number(slider.value), step: slider && steps[Number(slider.value)], scroll: scrollY, playing: Boolean(playing) };
    state.end = slider && state.look === steps.length - 1;
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
  function print(on) {
    root.classList.toggle("light", on);
    repaint();
    for (const one of drawn) one.fit(on);
  }

  // ---- begin ----
  const status = document.getElementById("status");
  try {
    await unpack();
  } catch (error) {
    status.textContent = "This browser cannot unpack the figures (it lacks DecompressionStream): open the page in one of 2023 or later.";
    return;
  }
  for (const place of document.querySelectorAll("[data-view]")) {
    const view = data.views[Number(place.dataset.view)];
    for (const row of view.rows) {
      const line = place.appendChild(element("div", "row"));
      for (const panel of row) {
        const cell = line.appendChild(element("div", panel.small ? "panel small" : "panel"));
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
    if (data.live && before.step !== undefined && !before.end) goTo(before.step);
    showLook();
    if (data.live && before.playing) play(true);
  }
  dark.addEventListener("change", repaint);
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
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
})();
