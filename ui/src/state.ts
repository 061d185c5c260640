// How a state looks: always a shape and a word, never a colour alone.

import type { ApiState } from "./api.ts";
import { h, s } from "./dom.ts";

export type Look = ApiState | "firing" | "pending" | "resolved" | "unrecognised";

const SHAPES: Record<Look, string> = {
  anomalous: "M8 1.5 15.2 14H.8Z M7.2 6v4h1.6V6Z M7.2 11v1.6h1.6V11Z",
  firing: "M8 1.5 15.2 14H.8Z M7.2 6v4h1.6V6Z M7.2 11v1.6h1.6V11Z",
  silent: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 2a5 5 0 1 0 0 10A5 5 0 0 0 8 3ZM5 7h6v2H5Z",
  "at-risk": "M8 .8 15.2 8 8 15.2.8 8Z M8 4 4 8l4 4 4-4Z",
  ok: "M6.4 13.2 1.3 8.1l1.9-1.9 3.2 3.2 6.4-6.4 1.9 1.9Z",
  learning: "M1 6.5h3v3H1Z M6.5 6.5h3v3h-3Z M12 6.5h3v3h-3Z",
  paused: "M3.5 2h3v12h-3Z M9.5 2h3v12h-3Z",
  pending: "M1 6.5h3v3H1Z M6.5 6.5h3v3h-3Z M12 6.5h3v3h-3Z",
  resolved: "M6.4 13.2 1.3 8.1l1.9-1.9 3.2 3.2 6.4-6.4 1.9 1.9Z",
  unrecognised: "M6.9 10.6h2.2v-1c0-1.7 3-2.1 3-4.8C12.100 2.500 10.300 1 8 1 5.800 1 4.200 2.300 3.700 4.300l2 .8C6 3.900 6.800 3.100 8 3.100c1.100 0 1.800.7 1.800 1.700 0 1.600-2.900 2-2.900 4.600Z M6.800 12.300h2.400V15H6.800Z",
};

const WORDS: Record<Look, string> = {
  anomalous: "anomalous", silent: "silent", "at-risk": "at risk", ok: "ok",
  learning: "learning", paused: "paused", firing: "firing", pending: "pending",
  resolved: "resolved", unrecognised: "not recognised",
};

export function icon(look: Look): SVGElement {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: SHAPES[look], "fill-rule": "evenodd" }));
}

export function badge(look: Look): HTMLElement {
  return h("span", { class: "state", "data-state": look }, icon(look), h("span", {}, WORDS[look]));
}

/** `2 anomalous, 29 ok` */
export function tally(counts: Partial<Record<ApiState, number>>): HTMLElement {
  const order: ApiState[] = ["anomalous", "silent", "at-risk", "ok", "learning", "paused"];
  const shown = order.filter((state) => counts[state]);
  return h("span", { class: "tally" }, ...shown.map((state) =>
    h("span", { class: "state", "data-state": state }, icon(state),
      h("span", {}, `${counts[state]} ${WORDS[state]}`))));
}

export function worst(counts: Partial<Record<ApiState, number>>): Look {
  const order: ApiState[] = ["anomalous", "silent", "at-risk"];
  return order.find((state) => counts[state]) ?? (counts.ok ? "ok" : "learning");
}
