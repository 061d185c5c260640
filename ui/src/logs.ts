// The stored records: a search with histogram and facets, a tail, and one request's trace.

import type { Facets, Histogram, LogRecord, SearchPage, Trace } from "./api.ts";
import { get, query, tail } from "./api.ts";
import { h, s, setText } from "./dom.ts";
import { clock, count, seconds, service } from "./format.ts";

const PAGE = 100;
/** A browser shows so many lines well; a tail keeps the newest. */
const MOST_LINES = 1_000;

const RANGES: [string, string][] = [
  ["-5m", "last 5 minutes"], ["-15m", "last 15 minutes"], ["-1h", "last hour"],
  ["-6h", "last 6 hours"], ["-1d", "last day"], ["-7d", "last 7 days"], ["", "all time"],
];

export class Logs {
  readonly element: HTMLElement;
  private readonly words = h("input", {
    type: "search", id: "query", placeholder: "service:orders AND severity:ERROR \"timed out\"",
    autocomplete: "off", spellcheck: "false", "aria-describedby": "query-help",
  });
  private readonly range = h("select", { id: "range" });
  private readonly follow = h("button", { type: "button", "aria-pressed": "false", click: () => this.toggleTail() }, "Follow");
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly chart = h("div", { class: "chart" });
  private readonly facets = h("aside", { class: "facets", "aria-label": "Frequent values" });
  private readonly list = h("ol", { class: "records" });
  private readonly older = h("button", { type: "button", hidden: true, click: () => void this.more() }, "Show more");
  private running: AbortController | null = null;
  private tailing = false;
  private shown = 0;
  /** Beside the ranges of the list: the exact times of an evidence link. */
  private exact: { from: string; to: string } | null = null;

  constructor() {
    this.offer(null);
    const form = h("form", { class: "search", role: "search", submit: (event: Event) => {
      event.preventDefault();
      this.go();
    } },
      h("label", { class: "field wide" }, h("span", {}, "Search"), this.words),
      h("label", { class: "field" }, h("span", {}, "Time"), this.range),
      h("button", { type: "submit", class: "primary" }, "Search"),
      this.follow);
    this.range.addEventListener("change", () => this.go());
    this.element = h("section", { "aria-labelledby": "logs-title" },
      h("h2", { id: "logs-title", class: "hidden" }, "Logs"),
      form,
      h("p", { class: "muted help", id: "query-help" },
        "Words and \"phrases\", field:value, status:>=500, AND, OR, NOT, brackets."),
      this.message, this.chart,
      h("div", { class: "found" }, this.facets, h("div", {}, this.list, this.older)));
  }

  /** Shows what the address says. */
  open(parameters: URLSearchParams): void {
    this.words.value = parameters.get("query") ?? "";
    const from = parameters.get("from") ?? "-15m";
    const to = parameters.get("to") ?? "";
    this.offer(to ? { from, to } : null);
    if (!to) this.range.value = RANGES.some(([value]) => value === from) ? from : "-15m";
    void this.search();
  }

  close(): void {
    this.stop();
    this.showTail(false);
  }

  private offer(exact: { from: string; to: string } | null): void {
    this.exact = exact;
    const options = RANGES.map(([value, text]) => h("option", { value }, text));
    if (exact) options.unshift(h("option", { value: "exact" }, `${clock(exact.from)} to ${clock(exact.to)}`));
    this.range.replaceChildren(...options);
    this.range.value = exact ? "exact" : "-15m";
  }

  private times(): { from?: string; to?: string } {
    if (this.exact && this.range.value === "exact") return this.exact;
    return this.range.value ? { from: this.range.value } : {};
  }

  /** Through the address, so that back, reload and a link to a colleague work. */
  private go(): void {
    const wanted = `#/logs${query({ query: this.words.value, ...this.times() })}`;
    if (location.hash === wanted) void this.search();
    else location.hash = wanted;
  }

  private stop(): AbortController {
    this.running?.abort();
    return this.running = new AbortController();
  }

  private async search(): Promise<void> {
    const { signal } = this.stop();
    this.showTail(false);
    this.say("Searching…");
    const asked = { query: this.words.value, ...this.times() };
    try {
      const page = await get<SearchPage>("search", { ...asked, limit: PAGE }, signal);
      this.shown = page.records.length;
      this.list.replaceChildren(...page.records.map(line));
      this.older.hidden = page.total <= this.shown;
      this.say(page.total === 0
        ? "Nothing matches. A wider time range or fewer words may help."
        : `${count(page.total)} ${page.total === 1 ? "record matches" : "records match"}, newest first.`);
      const [histogram, severities, services] = await Promise.all([
        asked.from ? get<Histogram>("search/histogram", asked, signal) : null,
        get<Facets>("search/facets", { ...asked, field: "severity", limit: 6 }, signal).catch(() => null),
        get<Facets>("search/facets", { ...asked, field: "service", limit: 12 }, signal).catch(() => null),
      ]);
      this.chart.replaceChildren(...(histogram ? [chart(histogram)] : []));
      this.showFacets([severities, services]);
    } catch (error) {
      if (signal.aborted) return;
      this.list.replaceChildren();
      this.chart.replaceChildren();
      this.facets.replaceChildren();
      this.older.hidden = true;
      this.say((error as Error).message, true);
    }
  }

  private async more(): Promise<void> {
    const { signal } = this.stop();
    try {
      const page = await get<SearchPage>("search",
        { query: this.words.value, ...this.times(), limit: PAGE, offset: this.shown }, signal);
      this.shown += page.records.length;
      this.list.append(...page.records.map(line));
      this.older.hidden = page.total <= this.shown || page.records.length === 0;
    } catch (error) {
      if (!signal.aborted) this.say((error as Error).message, true);
    }
  }

  private toggleTail(): void {
    if (this.tailing) {
      this.stop();
      this.showTail(false);
      this.say("Stopped following.");
    } else {
      void this.tail();
    }
  }

  private async tail(): Promise<void> {
    const { signal } = this.stop();
    this.showTail(true);
    this.list.replaceChildren();
    this.chart.replaceChildren();
    this.facets.replaceChildren();
    this.older.hidden = true;
    this.say("Following: new records appear at the top.");
    try {
      await tail({ query: this.words.value }, signal, (message) => {
        if (message.type === "record") this.list.prepend(line(message));
        else if (message.type === "skipped") {
          this.list.prepend(h("li", { class: "gap" }, `${count(message.records)} records passed over: more came than can be shown`));
        } else this.say(message.problem.detail, true);
        while (this.list.children.length > MOST_LINES) this.list.lastElementChild?.remove();
      });
      if (!signal.aborted) this.say("The monitor ended the tail.", true);
    } catch (error) {
      if (!signal.aborted) this.say((error as Error).message, true);
    }
    if (!signal.aborted) this.showTail(false);
  }

  private showTail(on: boolean): void {
    this.tailing = on;
    this.follow.setAttribute("aria-pressed", String(on));
    setText(this.follow, on ? "Stop following" : "Follow");
  }

  private showFacets(all: (Facets | null)[]): void {
    this.facets.replaceChildren(...all.filter((facets) => facets !== null && facets.values.length > 0).map((facets) =>
      h("div", {},
        h("h3", {}, facets!.field),
        h("ul", {}, ...facets!.values.map((value) =>
          h("li", {},
            h("button", { type: "button", title: "narrow the search", click: () => this.narrow(facets!.field, value.value) },
              h("span", {}, value.value), h("span", { class: "muted" }, count(value.records)))))))));
  }

  private narrow(field: string, value: string): void {
    const term = `${field}:${/^[\w.]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
    const words = this.words.value.trim();
    this.words.value = words ? (words.includes(term) ? words : `${words} AND ${term}`) : term;
    this.go();
  }

  private say(text: string, wrong = false): void {
    setText(this.message, text);
    this.message.classList.toggle("error", wrong);
  }
}

function line(record: LogRecord): HTMLElement {
  const attributes = Object.entries(record.attributes);
  return h("li", {},
    h("details", {},
      h("summary", {},
        h("time", { datetime: record.time, title: record.time }, clock(record.time, true)),
        h("span", { class: "severity", "data-severity": record.severity ?? "" }, record.severity ?? record.kind),
        h("span", { class: "who" }, service(record)),
        h("span", { class: "text" }, record.text)),
      h("dl", { class: "facts" },
        pair("environment", record.environment),
        pair("instance", record.instance),
        pair("format", record.format ?? "not recognised"),
        record.template ? pair("template", record.template) : null,
        record.trace_id ? h("div", {}, h("dt", {}, "trace"), h("dd", {},
          h("a", { href: `#/trace/${encodeURIComponent(record.trace_id)}` }, record.trace_id))) : null,
        ...attributes.map(([name, value]) => pair(name, String(value))))));
}

function pair(name: string, value: string): HTMLElement | null {
  return value === "" ? null : h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function chart(histogram: Histogram): HTMLElement {
  const width = 600;
  const height = 56;
  const { buckets } = histogram;
  const most = Math.max(1, ...buckets.map((bucket) => bucket.records));
  const step = width / Math.max(1, buckets.length);
  const bars = buckets.map((bucket, index) => {
    const tall = bucket.records === 0 ? 0 : Math.max(1.5, bucket.records / most * (height - 4));
    return s("rect", { x: index * step + 0.5, y: height - tall, width: Math.max(0.5, step - 1), height: tall },
      s("title", {}, `${clock(bucket.start)}: ${count(bucket.records)}`));
  });
  const first = buckets[0];
  const last = buckets[buckets.length - 1];
  return h("figure", {},
    s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `records by time, at most ${count(most)} in ${seconds(histogram.step_seconds)}` }, ...bars),
    h("figcaption", { class: "muted" },
      h("span", {}, first ? clock(first.start) : ""),
      h("span", {}, `up to ${count(most)} in ${seconds(histogram.step_seconds)}`),
      h("span", {}, last ? clock(last.start) : "")));
}

/** Everything stored of one request. */
export class TraceView {
  readonly element = h("section", { "aria-labelledby": "trace-title" });
  private asked = "";

  async open(traceId: string): Promise<void> {
    this.asked = traceId;
    const title = h("h2", { id: "trace-title" }, "Trace ", h("span", { class: "code" }, traceId));
    const bar = h("div", { class: "bar" }, title);
    this.element.replaceChildren(bar, h("p", { class: "muted" }, "Looking…"));
    try {
      const trace = await get<Trace>(`traces/${encodeURIComponent(traceId)}`);
      if (this.asked !== traceId) return;
      const more = trace.total > trace.records.length ? `, the first ${count(trace.records.length)} shown` : "";
      bar.append(h("span", { class: "muted" }, `${count(trace.total)} records of ${trace.services.join(", ")} in ${seconds(trace.duration_seconds)}, ${clock(trace.start, true)}${more}`));
      const start = Date.parse(trace.start);
      this.element.replaceChildren(bar, h("ol", { class: "records trace" }, ...trace.records.map((record) => {
        const after = Math.max(0, (Date.parse(record.time) - start) / 1000);
        const item = line(record);
        const share = trace.duration_seconds > 0 ? Math.min(1, after / trace.duration_seconds) : 0;
        item.prepend(s("svg", { class: "offset", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
          s("rect", { x: 0, y: 4, width: 100, height: 2, class: "track" }),
          s("rect", { x: share * 97, y: 0, width: 3, height: 10 })),
          h("span", { class: "after" }, `+${seconds(after)}`));
        return item;
      })));
    } catch (error) {
      if (this.asked === traceId) this.element.replaceChildren(bar, h("p", { class: "error" }, (error as Error).message));
    }
  }
}
