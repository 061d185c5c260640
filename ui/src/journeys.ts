// Journeys: those that are late, and their types with what they wait for.

import type { JourneyHop, JourneyType, Journeys, LateJourney, TimeSpent } from "./api.ts";
import { h, s } from "./dom.ts";
import { NOT_KNOWN, clock, count, percent, rate, seconds } from "./format.ts";
import { Part, cell, table } from "./places.ts";

type Shown = Pick<Journeys, "late" | "in_flight"> & { types: JourneyType[] };

/** Less of a journey's time than this is not worth a part of the bar. */
const SLIVER = 0.01;
const WIDTH = 200;
const HEIGHT = 10;

export function journeys(): Part<Shown> {
  return new Part("journeys", "Journeys", ([all]) => all === undefined ? [] : [
    h("section", { class: "late", "aria-labelledby": "late-title" },
      h("h3", { id: "late-title" }, "Late now"),
      all.late.length === 0
        ? h("p", { class: "calm" }, `None of ${count(all.in_flight)} in flight is late.`)
        : late(all.late)),
    h("h3", {}, "Types"),
    all.types.length === 0
      ? h("p", { class: "calm" }, "No journey has ended yet.")
      : types(all.types),
  ]);
}

function late(items: LateJourney[]): HTMLElement {
  return table(
    [["Journey", false], ["Began", false], ["For", true], ["99 % take", true], ["Last seen at", false], ["Trace", false]],
    items.map((item) => h("tr", { role: "row", "data-state": "anomalous" },
      cell("Journey", item.name ?? "of no known type"),
      cell("Began", clock(item.began)),
      cell("For", seconds(item.age_seconds), true),
      cell("99 % take", seconds(item.p99_seconds), true),
      cell("Last seen at", item.last),
      cell("Trace", item.trace_id === null ? NOT_KNOWN
        : h("a", { class: "code", href: `#/trace/${encodeURIComponent(item.trace_id)}` }, item.trace_id.slice(0, 8))))));
}

function types(items: JourneyType[]): HTMLElement {
  return table(
    [["Journey", false], ["Rate", true], ["Well", true], ["p50", true], ["p99", true], ["Apdex", true], ["May fail", true], ["Waits for", false], ["Not whole", false]],
    items.map((item) => h("tr", { role: "row" },
      cell("Journey", h("span", {}, h("strong", {}, item.name), h("br"),
        h("small", {}, `enters at ${item.service}, ${item.environment}`))),
      cell("Rate", `${rate(item.journeys_per_second)}/s`, true),
      cell("Well", percent(item.success), true),
      cell("p50", seconds(item.p50_seconds), true),
      cell("p99", seconds(item.p99_seconds), true),
      cell("Apdex", apdex(item), true),
      cell("May fail", percent(item.failure_chance), true),
      cell("Waits for", way(item)),
      cell("Not whole", troubles(item)))));
}

/** Now, with the usual beside it when it is another. */
function apdex({ experience }: JourneyType): string {
  if (experience === null) return NOT_KNOWN;
  const usually = experience.apdex_usually.toFixed(2);
  const now = experience.apdex?.toFixed(2) ?? NOT_KNOWN;
  return now === usually ? now : `${now} (${usually})`;
}

function troubles(item: JourneyType): string {
  const said = ([
    [item.incomplete, "incomplete"], [item.stuck, "stuck"], [item.retried, "retried"],
    [item.duplicated, "served twice"], [item.inferred, `put together by time, ${percent(item.confidence)} sure`],
  ] as const).filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`);
  return said.join(", ") || "none";
}

/** The critical path: where its time goes, and by which Apis. */
function way(item: JourneyType): HTMLElement {
  const spent = [...item.time].sort((a, b) => b.seconds - a.seconds);
  const whole = spent.reduce((sum, part) => sum + part.seconds, 0);
  const shown = spent.filter((part) => whole > 0 && part.seconds / whole >= SLIVER);
  return h("details", { "data-key": item.id },
    h("summary", {}, bar(shown, whole), " ",
      shown.map((part) => `${place(part)} ${seconds(part.seconds)}`).join(", ") || NOT_KNOWN),
    h("table", { class: "path" },
      h("thead", {}, h("tr", {}, ...["Api", "Passed by", "Own time", "Of its budget"].map((name) =>
        h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...item.hops.map(hop))));
}

function place(part: TimeSpent): string {
  return part.to === null ? part.environment : `${part.environment} → ${part.to}`;
}

/** The text beside it says the same; the drawing is for the eye only. On the wire is hatched by
 *  another class, not only by colour. */
function bar(parts: TimeSpent[], whole: number): SVGElement {
  const drawing = s("svg", {
    class: "spent", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true",
  });
  let from = 0;
  for (const part of parts) {
    const width = part.seconds / whole * WIDTH;
    drawing.append(s("rect", {
      class: part.to === null ? "work" : "wire", x: from.toFixed(1), y: part.to === null ? 0 : 3,
      width: Math.max(1, width - 1).toFixed(1), height: part.to === null ? HEIGHT : HEIGHT - 6,
    }));
    from += width;
  }
  return drawing;
}

function hop(item: JourneyHop): HTMLElement {
  const lost = item.drop_off > 0 ? `; ${percent(item.drop_off)} of failures` : "";
  return h("tr", {},
    h("td", {}, `${item.service} ${item.operation}`, h("br"), h("small", {}, item.environment)),
    h("td", {}, `${percent(item.share)}${lost}`),
    h("td", {}, seconds(item.own_seconds)),
    h("td", {}, item.budget_used === null ? NOT_KNOWN : percent(item.budget_used)));
}
