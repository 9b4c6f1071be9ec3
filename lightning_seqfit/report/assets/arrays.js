/* The arrays of a page: unpacked once, decoded when first asked for. */
"use strict";

const data = JSON.parse(document.getElementById("views").textContent);

/** Codes of a field's cells that have no colour of their own. */
const OUTSIDE = 251, BELOW = 252, ABOVE = 253, INFINITE = 254, UNKNOWN = 255;

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
