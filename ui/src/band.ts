// Where a value lies against what is expected of it, as a small drawing.

import type { Band } from "./api.ts";
import { s } from "./dom.ts";

const WIDTH = 84;
const HEIGHT = 12;

/** The text beside it says the same; the drawing is for the eye only. */
export function bandDrawing(actual: number | null, expected: Band | null): SVGElement {
  const drawing = s("svg", {
    class: "band", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT,
    "aria-hidden": "true",
  });
  drawing.append(s("line", { class: "axis", x1: 0, y1: HEIGHT / 2, x2: WIDTH, y2: HEIGHT / 2 }));
  if (!expected) return drawing;
  const lower = expected.lower ?? 0;
  const upper = expected.upper ?? Math.max(actual ?? 0, lower) * 1.25;
  const largest = Math.max(upper * 1.4, (actual ?? 0) * 1.08, Number.MIN_VALUE);
  const place = (value: number): number =>
    Math.max(0, Math.min(1, value / largest)) * (WIDTH - 8) + 4;
  const from = place(lower);
  drawing.append(s("rect", {
    class: "expected", x: from, y: 2, width: Math.max(2, place(upper) - from),
    height: HEIGHT - 4, rx: 2,
  }));
  if (actual !== null) {
    const x = place(actual);
    const outside = actual > upper || actual < lower;
    // Another shape, not only another colour.
    drawing.append(outside
      ? s("path", { class: "actual outside", d: `M${x} 0 l4.500 6 -4.500 6 -4.500 -6Z` })
      : s("circle", { class: "actual", cx: x, cy: HEIGHT / 2, r: 3 }));
  }
  return drawing;
}
