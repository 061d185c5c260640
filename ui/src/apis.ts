// The table of Apis: the most troubled first, each row opening to why.

import type { Anomaly, Api, ApiDetail, ApiState, Signal } from "./api.ts";
import { get, query } from "./api.ts";
import { bandDrawing } from "./band.ts";
import { arrange, h, redraw, setAttribute, setText } from "./dom.ts";
import { explanation } from "./explain.ts";
import { NOT_KNOWN, band, clock, count, operation, percent, rate, seconds, service } from "./format.ts";
import { badge } from "./state.ts";

interface Column {
  name: string;
  title: string;
  numeric: boolean;
  /** Larger first. Without: the order of trouble. */
  by?: (api: Api) => number | string;
}

const COLUMNS: Column[] = [
  { name: "State", title: "Sort by trouble", numeric: false },
  { name: "Api", title: "Sort by name", numeric: false, by: (api) => `${service(api)} ${operation(api)}` },
  { name: "Environment", title: "Sort by environment", numeric: false, by: (api) => api.environment },
  { name: "Calls/s", title: "Sort by calls a second", numeric: true, by: (api) => api.calls_per_second },
  { name: "Errors", title: "Sort by share of errors", numeric: true, by: (api) => api.error_ratio },
  { name: "p50", title: "Sort by median response time", numeric: true, by: (api) => api.latency_p50_seconds ?? -1 },
  { name: "p95", title: "Sort by 95th percentile", numeric: true, by: (api) => api.latency_p95_seconds ?? -1 },
  { name: "p99", title: "Sort by 99th percentile", numeric: true, by: (api) => api.latency_p99_seconds ?? -1 },
  { name: "Expected latency", title: "Sort by score", numeric: false, by: (api) => api.score },
];

const RANK: Record<ApiState, number> = {
  anomalous: 0, silent: 1, "at-risk": 2, ok: 3, learning: 4, paused: 5,
};

/** Scores of calm Apis tremble; in steps of ten points they do not reshuffle the rows. */
function byTrouble(a: Api, b: Api): number {
  return RANK[a.state] - RANK[b.state]
    || Math.round(b.score_percent / 10) - Math.round(a.score_percent / 10)
    || compare(`${service(a)} ${operation(a)} ${a.environment}`, `${service(b)} ${operation(b)} ${b.environment}`);
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return b - a;
  return a < b ? -1 : a > b ? 1 : 0;
}

export class ApiTable {
  readonly element: HTMLElement;
  private readonly rows = new Map<string, Row>();
  private readonly body = h("tbody", { role: "rowgroup" });
  private readonly filter = h("input", {
    type: "search", id: "filter", placeholder: "service, route, environment, state",
    autocomplete: "off", input: () => this.show(),
  });
  private readonly shown = h("span", { class: "muted", role: "status" });
  private readonly headers: HTMLElement[] = [];
  private apis: Api[] = [];
  private total = 0;
  private sorted = 0;
  private backwards = false;
  private revealing: string | null = null;

  constructor() {
    const headings = COLUMNS.map((column, index) => {
      const cell = h("th", {
        scope: "col", role: "columnheader", class: column.numeric ? "number" : null,
      }, h("button", { type: "button", title: column.title, click: () => this.sort(index) }, column.name));
      this.headers.push(cell);
      return cell;
    });
    this.element = h("section", { "aria-labelledby": "apis-title" },
      h("div", { class: "bar" },
        h("h2", { id: "apis-title" }, "Apis"),
        h("label", { class: "field" }, h("span", {}, "Filter"), this.filter),
        this.shown),
      h("table", { class: "apis", role: "table" },
        h("caption", { class: "hidden" }, "Apis, the most troubled first. Each row opens to why."),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings)),
        this.body));
    this.mark();
  }

  update(apis: Api[], total: number): void {
    this.apis = apis;
    this.total = total;
    this.show();
  }

  /** Lists only what contains this text. */
  narrow(text: string): void {
    this.filter.value = text;
    this.show();
  }

  /** Opens the row of an Api, which may be yet to come: what a link to it asks for. */
  reveal(id: string): void {
    this.revealing = id;
    this.show();
  }

  private sort(index: number): void {
    this.backwards = this.sorted === index ? !this.backwards : false;
    this.sorted = index;
    this.mark();
    this.show();
  }

  private mark(): void {
    this.headers.forEach((header, index) => {
      const downwards = (COLUMNS[index]?.numeric ?? false) !== this.backwards;
      setAttribute(header, "aria-sort",
        index === this.sorted ? (downwards ? "descending" : "ascending") : null);
    });
  }

  private show(): void {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.apis.filter((api) => {
      const text = `${service(api)} ${operation(api)} ${api.environment} ${api.state}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const by = COLUMNS[this.sorted]?.by;
    found.sort(by ? (a, b) => compare(by(a), by(b)) || byTrouble(a, b) : byTrouble);
    if (this.backwards) found.reverse();

    const kept = new Set(found.map((api) => api.id));
    for (const [id] of this.rows) if (!kept.has(id)) this.rows.delete(id);
    const elements: Element[] = [];
    for (const api of found) {
      let row = this.rows.get(api.id);
      if (!row) this.rows.set(api.id, row = new Row(api));
      row.update(api);
      elements.push(...row.elements());
    }
    arrange(this.body, elements);
    const revealed = this.revealing ? this.rows.get(this.revealing) : undefined;
    if (revealed) {
      this.revealing = null;
      revealed.reveal();
    }
    const beyond = this.total > this.apis.length ? ` (the first ${count(this.apis.length)} of ${count(this.total)})` : "";
    setText(this.shown, words.length ? `${count(found.length)} of ${count(this.apis.length)} match` : `${count(found.length)} Apis${beyond}`);
  }
}

class Row {
  private readonly main: HTMLTableRowElement;
  private readonly more: HTMLTableRowElement;
  private readonly detail = h("td", { colspan: COLUMNS.length, role: "cell", class: "detail" });
  private readonly button: HTMLButtonElement;
  private readonly cells: HTMLTableCellElement[];
  private open = false;
  private api: Api;
  /** What is drawn now, so that the same is not drawn again. */
  private drawn = "";
  private drawnState = "";
  private drawnBand = "";
  private asking = false;

  constructor(api: Api) {
    this.api = api;
    const panel = `why-${api.id}`;
    this.button = h("button", {
      type: "button", class: "open", "aria-expanded": "false", "aria-controls": panel,
      click: (event: Event) => { event.stopPropagation(); this.toggle(); },
    });
    this.cells = COLUMNS.map((column) => h("td", {
      role: "cell", "data-label": column.name, class: column.numeric ? "number" : null,
    }));
    this.cells[1]?.append(this.button, h("small", {}, service(api)));
    this.button.append(
      api.method ? h("span", { class: "method" }, api.method) : "",
      h("span", { class: "route" }, api.route));
    setText(this.cells[2]!, api.environment);
    this.main = h("tr", { role: "row", class: "api", click: () => {
      if (!String(getSelection())) this.toggle();
    } }, ...this.cells);
    this.more = h("tr", { role: "row", class: "more", id: panel }, this.detail);
  }

  elements(): Element[] {
    return this.open ? [this.main, this.more] : [this.main];
  }

  update(api: Api): void {
    this.api = api;
    const [state, , , calls, errors, p50, p95, p99, expected] = this.cells;
    if (!state || !calls || !errors || !p50 || !p95 || !p99 || !expected) return;
    setAttribute(this.main, "data-state", api.state);
    if (this.drawnState !== api.state) {
      this.drawnState = api.state;
      state.replaceChildren(badge(api.state));
    }
    setAttribute(state, "title", api.reason);
    setText(calls, rate(api.calls_per_second));
    setText(errors, percent(api.error_ratio));
    setText(p50, seconds(api.latency_p50_seconds));
    setText(p95, seconds(api.latency_p95_seconds));
    setText(p99, seconds(api.latency_p99_seconds));
    mark(calls, api.signals.calls_per_second, "calls/s");
    mark(errors, api.signals.error_ratio, "ratio");
    const [marked, other] = judged(api) === "p50" ? [p50, p95] : [p95, p50];
    mark(marked, api.signals.latency_seconds, "s");
    unmark(other);
    const signal = api.signals.latency_seconds;
    const text = signal.expected ? band(signal.expected.lower, signal.expected.upper, "s") : NOT_KNOWN;
    const drawing = `${text} ${seconds(signal.actual)}`;
    if (this.drawnBand !== drawing) {
      this.drawnBand = drawing;
      expected.replaceChildren(
        ...(signal.expected ? [bandDrawing(signal.actual, signal.expected)] : []),
        h("small", {}, text));
    }
    if (this.open) void this.explain();
  }

  reveal(): void {
    if (!this.open) this.toggle();
    this.button.focus({ preventScroll: true });
    this.main.scrollIntoView({ block: "start" });
  }

  private toggle(): void {
    this.open = !this.open;
    setAttribute(this.button, "aria-expanded", String(this.open));
    setAttribute(this.main, "data-open", this.open ? "" : null);
    if (this.open) {
      this.main.after(this.more);
      void this.explain();
    } else {
      this.more.remove();
    }
  }

  private async explain(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      const detail = await get<ApiDetail>(`apis/${encodeURIComponent(this.api.id)}`);
      const text = JSON.stringify(detail);
      if (text !== this.drawn && redraw(this.detail, why(detail))) this.drawn = text;
    } catch (error) {
      if (!this.drawn) this.detail.replaceChildren(h("p", { class: "error" }, String((error as Error).message)));
    } finally {
      this.asking = false;
    }
  }
}

/** The model judges the 95th percentile, or the median when only that has moved, over a shorter time
 *  than the table shows: the nearer of the two carries the mark. */
function judged(api: Api): "p50" | "p95" {
  const { actual } = api.signals.latency_seconds;
  const [p50, p95] = [api.latency_p50_seconds, api.latency_p95_seconds];
  if (!actual || !p50 || !p95) return "p95";
  return Math.abs(Math.log(actual / p50)) < Math.abs(Math.log(actual / p95)) ? "p50" : "p95";
}

function unmark(cell: HTMLElement): void {
  setAttribute(cell, "data-outside", null);
  setAttribute(cell, "title", null);
}

/** A value outside its band carries a mark, a title and a weight, besides its colour. */
function mark(cell: HTMLElement, signal: Signal, unit: string): void {
  const { actual, expected } = signal;
  const below = actual !== null && expected?.lower != null && actual < expected.lower;
  setAttribute(cell, "data-outside", signal.score > 1 ? (below ? "below" : "above") : null);
  setAttribute(cell, "title", expected ? `expected ${band(expected.lower, expected.upper, unit)}` : null);
}

function why(detail: ApiDetail): HTMLElement[] {
  const { api } = detail;
  const signals: [string, Signal, string][] = [
    ["Calls a second", api.signals.calls_per_second, "calls/s"],
    ["Errors", api.signals.error_ratio, "ratio"],
    ["Response time", api.signals.latency_seconds, "s"],
  ];
  const logs = { query: `service:${quoted(api.service)}`, from: "-15m" };
  return [
    h("p", { class: "reason" }, `${api.reason.charAt(0).toUpperCase()}${api.reason.slice(1)}.`),
    ...detail.anomalies.map((anomaly: Anomaly) => explanation(anomaly)),
    h("table", { class: "signals" },
      h("thead", {}, h("tr", {}, ...["Signal", "Now", "Typical", "Expected", "Score (50 is the limit)"].map((name) =>
        h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...signals.map(([name, signal, unit]) => h("tr", {},
        h("th", { scope: "row" }, name),
        h("td", {}, show(signal.actual, unit)),
        h("td", {}, show(signal.typical, unit)),
        h("td", {}, signal.expected
          ? h("span", {}, bandDrawing(signal.actual, signal.expected), " ", band(signal.expected.lower, signal.expected.upper, unit))
          : NOT_KNOWN),
        h("td", {}, String(points(signal.score))))))),
    h("p", { class: "muted" },
      `Seen since ${clock(api.first_seen)}, last at ${clock(api.last_seen)}, by its ${api.source}s. `,
      `${count(api.calls_total)} calls, ${count(api.errors_total)} errors. `,
      h("a", { href: `#/logs${query(logs)}` }, `Logs of ${api.service}`)),
  ];
}

function show(value: number | null, unit: string): string {
  return unit === "s" ? seconds(value) : unit === "ratio" ? percent(value) : rate(value);
}

/** The scale from 0 to 100 of the API, for one signal. */
function points(score: number): number {
  return Math.round(score <= 1 ? score * 50 : 100 - 50 / score);
}

function quoted(value: string): string {
  return /^[\w.]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
