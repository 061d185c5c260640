// Predictions: what is foreseen, and what came of what was said before.

import type { FailureRecord, Predictions, Risk, TrackRecord } from "./api.ts";
import { h } from "./dom.ts";
import { NOT_KNOWN, clock, count, inUnit, lasting, percent } from "./format.ts";
import { Part, cell, table } from "./places.ts";
import { badge } from "./state.ts";

/** Risks that ended, the latest first. */
const ENDED_SHOWN = 20;

export function predictions(): Part<Predictions> {
  return new Part("predictions", "Predictions", ([all]) => {
    if (all === undefined) return [];
    const open = all.risks.filter((risk) => risk.open);
    const ended = all.risks.filter((risk) => !risk.open).slice(0, ENDED_SHOWN);
    return [
      h("h3", {}, "Foreseen"),
      open.length === 0 ? h("p", { class: "calm" }, "Nothing is foreseen to break.") : risks(open),
      likely(all.journeys),
      h("h3", {}, "What was said, and what came"),
      record(all.track_record),
      ended.length > 0 ? h("h3", {}, "Ended lately") : h("span", {}),
      ended.length > 0 ? past(ended) : h("span", {}),
    ];
  });
}

/** Chances below this are not worth a word. */
const LIKELY = 0.05;

function likely(items: Predictions["journeys"]): HTMLElement {
  const named = items.filter((item) => item.probability >= LIKELY);
  if (named.length === 0) return h("p", { class: "muted" }, `No type of journeys is likely to fail within five minutes (${count(items.length)} are watched).`);
  return h("ul", { class: "words" }, ...named.map((item) =>
    h("li", {}, h("strong", {}, item.name), item.probability >= 1 ? ": its journeys fail or are late now"
      : `: its journeys fail within five minutes with a chance of ${percent(item.probability)}`)));
}

function risks(items: Risk[]): HTMLElement {
  return table(
    [["What", false], ["When", false], ["Between", false], ["Chance", true], ["Now", true], ["Limit", true]],
    items.map((risk) => h("tr", { role: "row", "data-state": "at-risk" },
      cell("What", what(risk)),
      cell("When", clock(risk.expected)),
      cell("Between", `${clock(risk.earliest)} and ${risk.latest === null ? "never" : clock(risk.latest)}`),
      cell("Chance", percent(risk.probability), true),
      cell("Now", inUnit(risk.actual, risk.unit), true),
      cell("Limit", inUnit(risk.limit, risk.unit), true))));
}

function what(risk: Risk): HTMLElement {
  return h("span", {}, h("strong", {}, `${risk.subject.name}: ${risk.statistic}`), h("br"), h("small", {}, risk.why));
}

const OUTCOMES: Record<string, string> = { came: "hit: it came", averted: "false: it stopped growing", "not-come": "false: it did not come" };

function past(items: Risk[]): HTMLElement {
  return table(
    [["What", false], ["Said at", false], ["Expected", false], ["Chance", true], ["Came", false]],
    items.map((risk) => h("tr", { role: "row" },
      cell("What", `${risk.subject.name}: ${risk.statistic}`),
      cell("Said at", clock(risk.stated)),
      cell("Expected", clock(risk.first_expected)),
      cell("Chance", percent(risk.first_probability), true),
      cell("Came", h("span", {}, badge(risk.outcome === "came" ? "anomalous" : "resolved"),
        ` ${OUTCOMES[risk.outcome ?? ""] ?? "could not be told"}${risk.ended ? `, ${clock(risk.ended)}` : ""}`)))));
}

/** Brier's score: 0 is perfect, lower is better; beside it who always says how often it happens. */
function record(all: TrackRecord): HTMLElement {
  const { risks: stated, failures } = all;
  const ended = stated.came + stated.averted + stated.not_come;
  const score = (value: number | null): string => value === null ? NOT_KNOWN : value.toFixed(4);
  const said = [
    `Risks: ${count(stated.stated)} stated; of ${count(ended)} that ended ${count(stated.came)} hit (${count(stated.in_time)} when they were expected) and ${count(ended - stated.came)} false; ${count(stated.missed)} limits were crossed unforeseen.${stated.mean_lead_seconds === null ? "" : ` They were said ${lasting(stated.mean_lead_seconds)} ahead on average.`} Brier score ${score(stated.brier)}.`,
    ...([["an Api fails", failures], ["a type of journeys fails", all.journeys]] as [string, FailureRecord][])
      .filter(([, of]) => of.judged > 0).map(([what, of]) =>
        `That ${what} within ${lasting(of.horizon_seconds)}: said ${count(of.judged)} times, came ${count(of.failed)} times. Brier score ${score(of.brier)}; who always says how often it happens has ${score(of.base_brier)}.`),
  ];
  const chances = failures.reliability.filter((bin) => bin.judged > 0);
  return h("div", {},
    h("ul", { class: "words" }, ...said.map((text) => h("li", {}, text))),
    chances.length > 0 && table(
      [["Chance said", false], ["Times", true], ["Came", true]],
      chances.map((bin) => h("tr", { role: "row" },
        cell("Chance said", percent(bin.said_ratio)), cell("Times", count(bin.judged), true),
        cell("Came", percent(bin.came_ratio), true)))),
    all.forecasts.length > 0 && table(
      [["Forecast of", false], ["Ahead", false], ["Times", true], ["Within its 90 %", true], ["Error, of “as now”", true]],
      all.forecasts.map((of) => h("tr", { role: "row" },
        cell("Forecast of", MEASURES[of.measure] ?? of.measure), cell("Ahead", lasting(of.horizon_seconds)),
        cell("Times", `${count(of.scored)} in ${count(of.stretches)} × ${lasting(of.horizon_seconds)}`, true),
        cell("Within its 90 %", `${percent(of.coverage_ratio)}${of.stretches < ENOUGH ? ", too early to say" : ""}`, true),
        cell("Error, of “as now”", percent(of.relative_error), true)))));
}

/** Stretches of time, each as long as the horizon, from which on a share of nine of ten can be told from another:
    what came in one came together, of all signals. */
const ENOUGH = 10;

const MEASURES: Record<string, string> = {
  rate: "traffic", latency: "response time", impact: "calls that go wrong in an incident",
};
