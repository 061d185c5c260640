// Incidents: what is to blame, whom it hurts, and what is to be expected.

import type { BudgetImpact, Forecast, Impact, Incident, JourneyImpact } from "./api.ts";
import { h } from "./dom.ts";
import { clock, count, lasting, percent, rate, service } from "./format.ts";
import { Part, cell, table } from "./places.ts";
import { badge } from "./state.ts";

export function incidents(): Part<Incident> {
  return new Part("incidents", "Incidents", (items) => items.length === 0
    ? [h("p", { class: "calm" }, "No incident now, and none of late.")]
    : items.map(incident));
}

function incident(item: Incident): HTMLElement {
  const first = item.suspects[0];
  const title = first ? first.workload.name : item.services.map((one) => one.name).join(", ");
  const when = item.open ? `for ${lasting(item.duration_seconds)}, since ${clock(item.began)}`
    : `lasted ${lasting(item.duration_seconds)}, ${clock(item.began)} to ${clock(item.ended ?? "")}`;
  return h("details", { class: "alert", "data-key": item.id, open: item.open },
    h("summary", {}, badge(item.open ? "anomalous" : "resolved"), h("strong", {}, title),
      h("span", { class: "muted" }, ` ${[item.scope, when].filter(Boolean).join("; ")}`)),
    item.impact && h("ul", { class: "words" }, ...words(item.impact, item.open).map((text) => h("li", {}, text))),
    item.impact?.users && item.impact.users.journeys.length > 0 && hurt(item.impact.users.journeys),
    item.suspects.length > 0 && h("section", {},
      h("h3", {}, "What may be to blame"),
      h("ol", { class: "words" }, ...item.suspects.map((suspect) =>
        h("li", {}, h("strong", {}, suspect.workload.name), `: ${suspect.why}`)))),
    item.changes.length > 0 && h("p", { class: "muted" },
      `What was done there: ${item.changes.map((change) => `${clock(change.at)} ${change.summary}`).join("; ")}`));
}

/** The impact in words: one sentence for each thing that someone may want to know. */
export function words(impact: Impact, open: boolean): string[] {
  const said = [`${percent(impact.affected)} of clients' calls (${rate(impact.calls_per_second)} a second) ${open ? "go" : "went"} wrong; usually ${percent(impact.usually)}.`];
  const { users } = impact;
  if (users) {
    if (users.journeys_so_far > 0) said.push(`${count(users.journeys_so_far)} journeys have failed or were late because of it.`);
    if (users.apdex !== null && users.apdex_usually !== null) {
      said.push(`Users' satisfaction (Apdex) ${open ? "is" : "was"} ${users.apdex.toFixed(2)}; usually ${users.apdex_usually.toFixed(2)}.`);
    }
    for (const budget of users.budgets) said.push(spent(budget));
  }
  if (open) {
    said.push(`In the next minute ${between(impact.next_minute)} of calls will go wrong.`);
    for (const later of impact.later) {
      said.push(`In ${lasting(later.horizon_seconds)} it lasts still with a chance of ${percent(later.lasts_ratio)}; then ${between(later.affected)} go wrong.`);
    }
  }
  return said;
}

function between(forecast: Forecast): string {
  return `${percent(forecast.low)} to ${percent(forecast.high)} (${percent(forecast.expected)} is expected)`;
}

function spent(budget: BudgetImpact): string {
  const whose = `the error budget “${budget.objective}” of ${service(budget)}, ${budget.environment}`;
  const left = budget.left <= 0 ? "nothing is left"
    : budget.gone !== null ? `${percent(budget.left)} is left, and nothing by ${clock(budget.gone)} if it goes on so`
    : `${percent(budget.left)} is left`;
  return `It has spent ${percent(budget.spent)} of ${whose}; ${left}.`;
}

function hurt(items: JourneyImpact[]): HTMLElement {
  return table(
    [["Journey", false], ["Rate", true], ["Fail or late", true], ["Usually", true], ["Apdex", true], ["So far", true]],
    items.map((item) => h("tr", { role: "row", "data-state": "anomalous" },
      cell("Journey", h("a", { href: "#/journeys" }, item.name)),
      cell("Rate", `${rate(item.journeys_per_second)}/s`, true),
      cell("Fail or late", percent(item.hurt), true),
      cell("Usually", percent(item.usually), true),
      cell("Apdex", `${item.apdex.toFixed(2)} (${item.apdex_usually.toFixed(2)})`, true),
      cell("So far", count(item.so_far), true))));
}
