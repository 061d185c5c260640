// Services, environments, alerts, streams: lists that are drawn anew when they change.

import type { Alert, Environment, Service, Stream } from "./api.ts";
import { query } from "./api.ts";
import { h, redraw } from "./dom.ts";
import { explanation } from "./explain.ts";
import { NOT_KNOWN, clock, count, percent, rate, service } from "./format.ts";
import { badge, tally, worst } from "./state.ts";

/** A part of the page that shows a list, and draws only when the list has changed. */
export class Part<T> {
  readonly element: HTMLElement;
  private readonly body = h("div", { class: "scroll" });
  private drawn = "";

  constructor(id: string, title: string, private readonly draw: (items: T[]) => HTMLElement[]) {
    this.element = h("section", { "aria-labelledby": `${id}-title` },
      h("div", { class: "bar" }, h("h2", { id: `${id}-title` }, title)), this.body);
  }

  update(items: T[]): void {
    const text = JSON.stringify(items);
    if (text !== this.drawn && redraw(this.body, this.draw(items))) this.drawn = text;
  }
}

export function table(headings: [string, boolean][], rows: HTMLElement[]): HTMLElement {
  return h("table", { class: "plain", role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings.map(([name, numeric]) =>
      h("th", { scope: "col", role: "columnheader", class: numeric ? "number" : null }, name)))),
    h("tbody", { role: "rowgroup" }, ...rows));
}

export function cell(label: string, content: Node | string, numeric = false): HTMLElement {
  return h("td", { role: "cell", "data-label": label, class: numeric ? "number" : null }, content);
}

function narrowed(text: string): string {
  return `#/apis${query({ filter: text })}`;
}

export function services(): Part<Service> {
  return new Part("services", "Services", (items) => [table(
    [["Service", false], ["Environment", false], ["Apis", false], ["Calls/s", true], ["Errors", true], ["Logs/s", true], ["Log errors", true], ["Templates", true]],
    items.map((item) => h("tr", { role: "row", "data-state": worst(item.apis_by_state) },
      cell("Service", h("a", { href: narrowed(service(item)) }, service(item))),
      cell("Environment", item.environment),
      cell("Apis", item.apis ? tally(item.apis_by_state) : "none seen"),
      cell("Calls/s", item.apis ? rate(item.calls_per_second) : NOT_KNOWN, true),
      cell("Errors", item.apis ? percent(item.error_ratio) : NOT_KNOWN, true),
      cell("Logs/s", rate(item.logs_per_second), true),
      cell("Log errors", percent(item.log_error_ratio), true),
      cell("Templates", count(item.templates), true))))]);
}

export function environments(): Part<Environment> {
  return new Part("environments", "Environments", (items) => [table(
    [["Environment", false], ["Kind", false], ["Where", false], ["Apis", false], ["Services", true], ["Calls/s", true], ["Errors", true]],
    items.map((item) => h("tr", { role: "row", "data-state": worst(item.apis_by_state) },
      cell("Environment", h("a", { href: narrowed(item.name) }, item.name)),
      cell("Kind", item.kind),
      cell("Where", [item.provider, item.region, item.zone, item.cluster].filter(Boolean).join(", ") || NOT_KNOWN),
      cell("Apis", item.apis ? tally(item.apis_by_state) : "none seen"),
      cell("Services", count(item.services), true),
      cell("Calls/s", rate(item.calls_per_second), true),
      cell("Errors", percent(item.error_ratio), true))))]);
}

export function alerts(): Part<Alert> {
  return new Part("alerts", "Alerts", (items) => items.length === 0
    ? [h("p", { class: "calm" }, "No alert is pending or firing.")]
    : items.map((item) => h("details", { class: "alert", "data-key": item.id, open: item.state === "firing" },
      h("summary", {}, badge(item.state),
        h("strong", {}, item.annotations.summary ?? item.labels.alertname ?? item.id),
        h("span", { class: "muted" }, ` ${item.severity}, since ${clock(item.starts_at)}${item.ends_at ? `, resolved ${clock(item.ends_at)}` : ""}`)),
      item.annotations.description ? h("p", {}, item.annotations.description) : null,
      h("p", { class: "labels" }, ...Object.entries(item.labels).map(([name, value]) =>
        h("span", { class: "label" }, `${name}=${value}`))),
      ...item.anomalies.map(explanation))));
}

export function streams(): Part<Stream> {
  return new Part("streams", "Streams", (items) => [
    ...items.filter((item) => item.unrecognised.message).map((item) =>
      h("article", { class: "unread" },
        h("header", {}, badge("unrecognised"),
          h("h3", {}, `${service(item)}, ${item.stream}`),
          h("span", { class: "muted" }, item.environment)),
        h("p", {}, `${capital(item.unrecognised.message ?? "")}:`),
        h("pre", { tabindex: 0, "aria-label": "lines that were not recognised" }, item.unrecognised.examples.join("\n")),
        h("p", { class: "muted" }, `${count(item.unrecognised.records)} of ${count(item.records)} records are searchable as text. Why: ${item.unrecognised.by_reason.map((reason) => `${reason.reason} (${count(reason.records)})`).join(", ")}.`))),
    table(
      [["Service", false], ["Stream", false], ["Environment", false], ["Format", false], ["Durations", false], ["Records", true], ["Not read", true], ["Last", true]],
      items.map((item) => h("tr", { role: "row" },
        cell("Service", service(item)),
        cell("Stream", h("span", { class: "code" }, item.stream)),
        cell("Environment", item.environment),
        cell("Format", item.format ?? badge("unrecognised")),
        cell("Durations", item.duration_unit ?? NOT_KNOWN),
        cell("Records", count(item.records), true),
        cell("Not read", count(item.unrecognised.records), true),
        cell("Last", clock(item.last_seen), true)))),
  ]);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
