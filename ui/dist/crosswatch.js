"use strict";
(() => {
  // src/api.ts
  var Failure = class extends Error {
    constructor(status, problem) {
      super(problem ? sentence(problem) : status ? `The monitor answered with HTTP ${status}.` : "The monitor does not answer.");
      this.status = status;
      this.problem = problem;
    }
    status;
    problem;
  };
  function sentence(problem) {
    const where = problem.position === void 0 ? "" : ` at character ${problem.position}`;
    const hint = problem.hint ? ` ${problem.hint[0]?.toUpperCase()}${problem.hint.slice(1)}.` : "";
    return `${problem.detail[0]?.toUpperCase()}${problem.detail.slice(1)}${where}.${hint}`;
  }
  var TOKEN = "crosswatch-token";
  var token = {
    get: () => sessionStorage.getItem(TOKEN),
    set: (value) => sessionStorage.setItem(TOKEN, value)
  };
  function query(parameters) {
    const given = Object.entries(parameters).filter(([, value]) => value !== void 0 && value !== "");
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : "";
  }
  async function ask(path, parameters, signal) {
    const headers = new Headers();
    const secret = token.get();
    if (secret) headers.set("authorization", `Bearer ${secret}`);
    let response;
    try {
      response = await fetch(`/api/v1/${path}${query(parameters)}`, { headers, signal: signal ?? null });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Failure(0, null);
    }
    if (response.ok) return response;
    let problem = null;
    try {
      const body = await response.json();
      if (typeof body === "object" && body !== null && "detail" in body) problem = body;
    } catch {
    }
    throw new Failure(response.status, problem);
  }
  async function get(path, parameters = {}, signal) {
    const response = await ask(path, parameters, signal);
    return await response.json();
  }
  async function tail(parameters, signal, each) {
    const response = await ask("search/tail", parameters, signal);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) return;
    let unread = "";
    for (; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      unread += value;
      const lines = unread.split("\n");
      unread = lines.pop() ?? "";
      for (const line2 of lines) {
        if (line2.startsWith("data:")) each(JSON.parse(line2.slice(5)));
      }
    }
  }

  // src/dom.ts
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    set(element, attributes);
    add(element, children);
    return element;
  }
  var SVG = "http://www.w3.org/2000/svg";
  function s(tag, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    set(element, attributes);
    add(element, children);
    return element;
  }
  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, String(value));
    }
  }
  function add(element, children) {
    for (const child of children) {
      if (typeof child === "string") element.append(visible(child));
      else if (child) element.append(child);
    }
  }
  var UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
  function visible(text) {
    return text.replace(UNSEEN, (character) => `⟨${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  }
  function setText(element, text) {
    const shown = visible(text);
    if (element.textContent !== shown) element.textContent = shown;
  }
  function setAttribute(element, name, value) {
    if (value === null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  function arrange(parent, children) {
    const wanted = new Set(children);
    for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
    let at = parent.firstElementChild;
    for (const child of children) {
      if (child === at) at = at.nextElementSibling;
      else parent.insertBefore(child, at);
    }
  }
  function redraw(element, children) {
    const selection = getSelection();
    if (selection && !selection.isCollapsed && element.contains(selection.anchorNode)) return false;
    const opened = /* @__PURE__ */ new Map();
    for (const details of element.querySelectorAll("details[data-key]")) {
      opened.set(details.dataset.key ?? "", details.open);
    }
    const focusable = () => [...element.querySelectorAll("a, button, summary, [tabindex]")];
    const focused = focusable().indexOf(document.activeElement);
    element.replaceChildren(...children);
    for (const details of element.querySelectorAll("details[data-key]")) {
      details.open = opened.get(details.dataset.key ?? "") ?? details.open;
    }
    if (focused >= 0) focusable()[focused]?.focus({ preventScroll: true });
    return true;
  }
  function byId(id) {
    const found = document.getElementById(id);
    if (!found) throw new Error(`the page has no #${id}`);
    return found;
  }

  // src/band.ts
  var WIDTH = 84;
  var HEIGHT = 12;
  function bandDrawing(actual, expected) {
    const drawing = s("svg", {
      class: "band",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      "aria-hidden": "true"
    });
    drawing.append(s("line", { class: "axis", x1: 0, y1: HEIGHT / 2, x2: WIDTH, y2: HEIGHT / 2 }));
    if (!expected) return drawing;
    const lower = expected.lower ?? 0;
    const upper = expected.upper ?? Math.max(actual ?? 0, lower) * 1.25;
    const largest = Math.max(upper * 1.4, (actual ?? 0) * 1.08, Number.MIN_VALUE);
    const place2 = (value) => Math.max(0, Math.min(1, value / largest)) * (WIDTH - 8) + 4;
    const from = place2(lower);
    drawing.append(s("rect", {
      class: "expected",
      x: from,
      y: 2,
      width: Math.max(2, place2(upper) - from),
      height: HEIGHT - 4,
      rx: 2
    }));
    if (actual !== null) {
      const x = place2(actual);
      const outside = actual > upper || actual < lower;
      drawing.append(outside ? s("path", { class: "actual outside", d: `M${x} 0 l4.500 6 -4.500 6 -4.500 -6Z` }) : s("circle", { class: "actual", cx: x, cy: HEIGHT / 2, r: 3 }));
    }
    return drawing;
  }

  // src/format.ts
  var few = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  var whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  var compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  var NOT_KNOWN = "–";
  var THIN = " ";
  function count(value) {
    return value < 1e5 ? whole.format(value) : compact.format(value);
  }
  function rate(value) {
    if (value === null) return NOT_KNOWN;
    if (value > 0 && value < 0.01) return "<0.01";
    return value >= 100 ? count(value) : few.format(value);
  }
  function seconds(value) {
    if (value === null) return NOT_KNOWN;
    const size = Math.abs(value);
    if (size === 0) return `0${THIN}s`;
    if (size < 1e-3) return `${few.format(value * 1e6)}${THIN}µs`;
    if (size < 1) return `${few.format(value * 1e3)}${THIN}ms`;
    return `${size >= 100 ? whole.format(value) : few.format(value)}${THIN}s`;
  }
  function percent(ratio) {
    if (ratio === null) return NOT_KNOWN;
    const value = ratio * 100;
    if (value > 0 && value < 0.01) return `<0.01${THIN}%`;
    return `${value >= 10 ? whole.format(value) : few.format(value)}${THIN}%`;
  }
  function inUnit(value, unit) {
    if (value === null) return NOT_KNOWN;
    if (unit === "s") return seconds(value);
    if (unit === "ratio") return percent(value);
    return `${rate(value)}${THIN}${unit}`;
  }
  function band(lower, upper, unit) {
    if (lower === null && upper === null) return "anything";
    if (lower === null) return `up to ${inUnit(upper, unit)}`;
    if (upper === null) return `at least ${inUnit(lower, unit)}`;
    return `${inUnit(lower, unit)} to ${inUnit(upper, unit)}`;
  }
  function lasting(value) {
    const total = Math.max(0, Math.floor(value));
    if (total < 60) return `${total} s`;
    const minutes = Math.floor(total / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return `${Math.floor(hours / 24)} d`;
  }
  var clockFormat = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit"
  });
  var dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  function clock(text, milliseconds = false) {
    const time = new Date(text);
    if (Number.isNaN(time.getTime())) return text;
    const fraction = milliseconds ? `.${String(time.getMilliseconds()).padStart(3, "0")}` : "";
    const today = time.toDateString() === (/* @__PURE__ */ new Date()).toDateString();
    return `${today ? "" : `${dayFormat.format(time)} `}${clockFormat.format(time)}${fraction}`;
  }
  function service(of) {
    return of.namespace ? `${of.namespace}/${of.service}` : of.service;
  }
  function operation(of) {
    return of.method ? `${of.method} ${of.route ?? ""}` : of.route ?? "";
  }

  // src/state.ts
  var SHAPES = {
    anomalous: "M8 1.5 15.2 14H.8Z M7.2 6v4h1.6V6Z M7.2 11v1.6h1.6V11Z",
    firing: "M8 1.5 15.2 14H.8Z M7.2 6v4h1.6V6Z M7.2 11v1.6h1.6V11Z",
    silent: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 2a5 5 0 1 0 0 10A5 5 0 0 0 8 3ZM5 7h6v2H5Z",
    "at-risk": "M8 .8 15.2 8 8 15.2.8 8Z M8 4 4 8l4 4 4-4Z",
    ok: "M6.4 13.2 1.3 8.1l1.9-1.9 3.2 3.2 6.4-6.4 1.9 1.9Z",
    learning: "M1 6.5h3v3H1Z M6.5 6.5h3v3h-3Z M12 6.5h3v3h-3Z",
    paused: "M3.5 2h3v12h-3Z M9.5 2h3v12h-3Z",
    pending: "M1 6.5h3v3H1Z M6.5 6.5h3v3h-3Z M12 6.5h3v3h-3Z",
    resolved: "M6.4 13.2 1.3 8.1l1.9-1.9 3.2 3.2 6.4-6.4 1.9 1.9Z",
    unrecognised: "M6.9 10.6h2.2v-1c0-1.7 3-2.1 3-4.8C12.100 2.500 10.300 1 8 1 5.800 1 4.200 2.300 3.700 4.300l2 .8C6 3.900 6.800 3.100 8 3.100c1.100 0 1.800.7 1.800 1.700 0 1.600-2.900 2-2.900 4.600Z M6.800 12.300h2.400V15H6.800Z"
  };
  var WORDS = {
    anomalous: "anomalous",
    silent: "silent",
    "at-risk": "at risk",
    ok: "ok",
    learning: "learning",
    paused: "paused",
    firing: "firing",
    pending: "pending",
    resolved: "resolved",
    unrecognised: "not recognised"
  };
  function icon(look) {
    return s(
      "svg",
      { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
      s("path", { d: SHAPES[look], "fill-rule": "evenodd" })
    );
  }
  function badge(look) {
    return h("span", { class: "state", "data-state": look }, icon(look), h("span", {}, WORDS[look]));
  }
  function tally(counts) {
    const order = ["anomalous", "silent", "at-risk", "ok", "learning", "paused"];
    const shown = order.filter((state) => counts[state]);
    return h("span", { class: "tally" }, ...shown.map((state) => h(
      "span",
      { class: "state", "data-state": state },
      icon(state),
      h("span", {}, `${counts[state]} ${WORDS[state]}`)
    )));
  }
  function worst(counts) {
    const order = ["anomalous", "silent", "at-risk"];
    return order.find((state) => counts[state]) ?? (counts.ok ? "ok" : "learning");
  }

  // src/explain.ts
  var MEASURES = {
    rate: "traffic",
    error_ratio: "errors",
    latency: "response time",
    log_error_ratio: "errors in the logs",
    template_rate: "a log message"
  };
  function explanation(anomaly) {
    const why2 = anomaly.explanation;
    const measure = MEASURES[anomaly.measure] ?? anomaly.measure;
    const whose = anomaly.subject.api_id ? "" : ` of ${anomaly.subject.name}`;
    const { evidence } = anomaly;
    const when = anomaly.open ? `for ${lasting(anomaly.duration_seconds)}, since ${clock(anomaly.start)}` : `lasted ${lasting(anomaly.duration_seconds)}, ${clock(anomaly.start)} to ${clock(anomaly.end ?? "")}`;
    return h(
      "article",
      { class: "anomaly", "data-open": anomaly.open },
      h(
        "header",
        {},
        anomaly.open ? badge("anomalous") : badge("resolved"),
        h("h4", {}, `${measure}${whose} ${anomaly.direction} what is expected`),
        h("span", { class: "muted" }, when)
      ),
      h("p", { class: "why" }, sentence2(why2.why)),
      h(
        "dl",
        { class: "facts" },
        fact("Came", inUnit(why2.actual, why2.unit), "strong"),
        fact("Typical", inUnit(why2.typical, why2.unit)),
        fact(
          "Expected",
          band(why2.expected.lower, why2.expected.upper, why2.unit),
          "",
          bandDrawing(why2.actual, why2.expected)
        ),
        fact("Score", `${Math.round(anomaly.score_percent)} of 100`),
        fact("Rests on", `${count(why2.observations)} observations, ${count(why2.learned_from)} learned from`),
        fact("Found by", anomaly.detector)
      ),
      why2.contributions.length > 0 && h(
        "table",
        { class: "contributions" },
        h("caption", {}, "What the anomalous calls have in common"),
        h("thead", {}, h("tr", {}, ...["Dimension", "Value", "Share now", "Usually"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...why2.contributions.map((part) => h(
          "tr",
          {},
          h("td", {}, part.dimension),
          h("td", { class: "code" }, part.value),
          h("td", {}, share(part.share_ratio, "share now")),
          h("td", {}, share(part.usual_share_ratio, "share usually"))
        )))
      ),
      h("p", {}, h("a", { href: `#/logs${query({ ...evidence })}` }, "Show the records behind this"))
    );
  }
  function share(ratio, label) {
    return h(
      "span",
      { class: "share" },
      h("meter", { min: 0, max: 1, value: ratio, "aria-label": label }),
      percent(ratio)
    );
  }
  function fact(name, value, kind = "", drawing = null) {
    return h("div", { class: kind || null }, h("dt", {}, name), h("dd", {}, value, drawing && " ", drawing));
  }
  function sentence2(text) {
    const first = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?]$/.test(first) ? first : `${first}.`;
  }

  // src/apis.ts
  var COLUMNS = [
    { name: "State", title: "Sort by trouble", numeric: false },
    { name: "Api", title: "Sort by name", numeric: false, by: (api) => `${service(api)} ${operation(api)}` },
    { name: "Environment", title: "Sort by environment", numeric: false, by: (api) => api.environment },
    { name: "Calls/s", title: "Sort by calls a second", numeric: true, by: (api) => api.calls_per_second },
    { name: "Errors", title: "Sort by share of errors", numeric: true, by: (api) => api.error_ratio },
    { name: "p50", title: "Sort by median response time", numeric: true, by: (api) => api.latency_p50_seconds ?? -1 },
    { name: "p95", title: "Sort by 95th percentile", numeric: true, by: (api) => api.latency_p95_seconds ?? -1 },
    { name: "p99", title: "Sort by 99th percentile", numeric: true, by: (api) => api.latency_p99_seconds ?? -1 },
    { name: "Expected latency", title: "Sort by score", numeric: false, by: (api) => api.score }
  ];
  var RANK = {
    anomalous: 0,
    silent: 1,
    "at-risk": 2,
    ok: 3,
    learning: 4,
    paused: 5
  };
  function byTrouble(a, b) {
    return RANK[a.state] - RANK[b.state] || Math.round(b.score_percent / 10) - Math.round(a.score_percent / 10) || compare(`${service(a)} ${operation(a)} ${a.environment}`, `${service(b)} ${operation(b)} ${b.environment}`);
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return b - a;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  var ApiTable = class {
    element;
    rows = /* @__PURE__ */ new Map();
    body = h("tbody", { role: "rowgroup" });
    filter = h("input", {
      type: "search",
      id: "filter",
      placeholder: "service, route, environment, state",
      autocomplete: "off",
      input: () => this.show()
    });
    shown = h("span", { class: "muted", role: "status" });
    headers = [];
    apis = [];
    total = 0;
    sorted = 0;
    backwards = false;
    revealing = null;
    constructor() {
      const headings = COLUMNS.map((column, index) => {
        const cell2 = h("th", {
          scope: "col",
          role: "columnheader",
          class: column.numeric ? "number" : null
        }, h("button", { type: "button", title: column.title, click: () => this.sort(index) }, column.name));
        this.headers.push(cell2);
        return cell2;
      });
      this.element = h(
        "section",
        { "aria-labelledby": "apis-title" },
        h(
          "div",
          { class: "bar" },
          h("h2", { id: "apis-title" }, "Apis"),
          h("label", { class: "field" }, h("span", {}, "Filter"), this.filter),
          this.shown
        ),
        h(
          "table",
          { class: "apis", role: "table" },
          h("caption", { class: "hidden" }, "Apis, the most troubled first. Each row opens to why."),
          h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings)),
          this.body
        )
      );
      this.mark();
    }
    update(apis, total) {
      this.apis = apis;
      this.total = total;
      this.show();
    }
    /** Lists only what contains this text. */
    narrow(text) {
      this.filter.value = text;
      this.show();
    }
    /** Opens the row of an Api, which may be yet to come: what a link to it asks for. */
    reveal(id) {
      this.revealing = id;
      this.show();
    }
    sort(index) {
      this.backwards = this.sorted === index ? !this.backwards : false;
      this.sorted = index;
      this.mark();
      this.show();
    }
    mark() {
      this.headers.forEach((header, index) => {
        const downwards = (COLUMNS[index]?.numeric ?? false) !== this.backwards;
        setAttribute(
          header,
          "aria-sort",
          index === this.sorted ? downwards ? "descending" : "ascending" : null
        );
      });
    }
    show() {
      const words2 = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = this.apis.filter((api) => {
        const text = `${service(api)} ${operation(api)} ${api.environment} ${api.state}`.toLowerCase();
        return words2.every((word) => text.includes(word));
      });
      const by = COLUMNS[this.sorted]?.by;
      found.sort(by ? (a, b) => compare(by(a), by(b)) || byTrouble(a, b) : byTrouble);
      if (this.backwards) found.reverse();
      const kept = new Set(found.map((api) => api.id));
      for (const [id] of this.rows) if (!kept.has(id)) this.rows.delete(id);
      const elements = [];
      for (const api of found) {
        let row = this.rows.get(api.id);
        if (!row) this.rows.set(api.id, row = new Row(api));
        row.update(api);
        elements.push(...row.elements());
      }
      arrange(this.body, elements);
      const revealed = this.revealing ? this.rows.get(this.revealing) : void 0;
      if (revealed) {
        this.revealing = null;
        revealed.reveal();
      }
      const beyond = this.total > this.apis.length ? ` (the first ${count(this.apis.length)} of ${count(this.total)})` : "";
      setText(this.shown, words2.length ? `${count(found.length)} of ${count(this.apis.length)} match` : `${count(found.length)} Apis${beyond}`);
    }
  };
  var Row = class {
    main;
    more;
    detail = h("td", { colspan: COLUMNS.length, role: "cell", class: "detail" });
    button;
    cells;
    open = false;
    api;
    /** What is drawn now, so that the same is not drawn again. */
    drawn = "";
    drawnState = "";
    drawnBand = "";
    asking = false;
    constructor(api) {
      this.api = api;
      const panel = `why-${api.id}`;
      this.button = h("button", {
        type: "button",
        class: "open",
        "aria-expanded": "false",
        "aria-controls": panel,
        click: (event) => {
          event.stopPropagation();
          this.toggle();
        }
      });
      this.cells = COLUMNS.map((column) => h("td", {
        role: "cell",
        "data-label": column.name,
        class: column.numeric ? "number" : null
      }));
      this.cells[1]?.append(this.button, h("small", {}, service(api)));
      this.button.append(
        api.method ? h("span", { class: "method" }, api.method) : "",
        h("span", { class: "route" }, api.route)
      );
      setText(this.cells[2], api.environment);
      this.main = h("tr", { role: "row", class: "api", click: () => {
        if (!String(getSelection())) this.toggle();
      } }, ...this.cells);
      this.more = h("tr", { role: "row", class: "more", id: panel }, this.detail);
    }
    elements() {
      return this.open ? [this.main, this.more] : [this.main];
    }
    update(api) {
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
          ...signal.expected ? [bandDrawing(signal.actual, signal.expected)] : [],
          h("small", {}, text)
        );
      }
      if (this.open) void this.explain();
    }
    reveal() {
      if (!this.open) this.toggle();
      this.button.focus({ preventScroll: true });
      this.main.scrollIntoView({ block: "start" });
    }
    toggle() {
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
    async explain() {
      if (this.asking) return;
      this.asking = true;
      try {
        const detail = await get(`apis/${encodeURIComponent(this.api.id)}`);
        const text = JSON.stringify(detail);
        if (text !== this.drawn && redraw(this.detail, why(detail))) this.drawn = text;
      } catch (error) {
        if (!this.drawn) this.detail.replaceChildren(h("p", { class: "error" }, String(error.message)));
      } finally {
        this.asking = false;
      }
    }
  };
  function judged(api) {
    const { actual } = api.signals.latency_seconds;
    const [p50, p95] = [api.latency_p50_seconds, api.latency_p95_seconds];
    if (!actual || !p50 || !p95) return "p95";
    return Math.abs(Math.log(actual / p50)) < Math.abs(Math.log(actual / p95)) ? "p50" : "p95";
  }
  function unmark(cell2) {
    setAttribute(cell2, "data-outside", null);
    setAttribute(cell2, "title", null);
  }
  function mark(cell2, signal, unit) {
    const { actual, expected } = signal;
    const below = actual !== null && expected?.lower != null && actual < expected.lower;
    setAttribute(cell2, "data-outside", signal.score > 1 ? below ? "below" : "above" : null);
    setAttribute(cell2, "title", expected ? `expected ${band(expected.lower, expected.upper, unit)}` : null);
  }
  function why(detail) {
    const { api } = detail;
    const signals = [
      ["Calls a second", api.signals.calls_per_second, "calls/s"],
      ["Errors", api.signals.error_ratio, "ratio"],
      ["Response time", api.signals.latency_seconds, "s"]
    ];
    const logs2 = { query: `service:${quoted(api.service)}`, from: "-15m" };
    return [
      h("p", { class: "reason" }, `${api.reason.charAt(0).toUpperCase()}${api.reason.slice(1)}.`),
      ...detail.anomalies.map((anomaly) => explanation(anomaly)),
      h(
        "table",
        { class: "signals" },
        h("thead", {}, h("tr", {}, ...["Signal", "Now", "Typical", "Expected", "Score (50 is the limit)"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...signals.map(([name, signal, unit]) => h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          h("td", {}, show(signal.actual, unit)),
          h("td", {}, show(signal.typical, unit)),
          h("td", {}, signal.expected ? h("span", {}, bandDrawing(signal.actual, signal.expected), " ", band(signal.expected.lower, signal.expected.upper, unit)) : NOT_KNOWN),
          h("td", {}, String(points(signal.score)))
        )))
      ),
      h(
        "p",
        { class: "muted" },
        `Seen since ${clock(api.first_seen)}, last at ${clock(api.last_seen)}, by its ${api.source}s. `,
        `${count(api.calls_total)} calls, ${count(api.errors_total)} errors. `,
        h("a", { href: `#/logs${query(logs2)}` }, `Logs of ${api.service}`)
      )
    ];
  }
  function show(value, unit) {
    return unit === "s" ? seconds(value) : unit === "ratio" ? percent(value) : rate(value);
  }
  function points(score) {
    return Math.round(score <= 1 ? score * 50 : 100 - 50 / score);
  }
  function quoted(value) {
    return /^[\w.]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
  }

  // src/empty.ts
  function empty() {
    const host = location.hostname || "localhost";
    return h(
      "section",
      { class: "empty", "aria-labelledby": "empty-title" },
      h("h2", { id: "empty-title" }, "Send something, and its Apis appear here"),
      h("p", {}, "Nothing has been received yet. There is nothing to configure: formats, routes and what is normal are learned from what comes. Any one of these will do:"),
      way(
        "Applications with OpenTelemetry",
        `OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
        `Set these and restart the application. For gRPC: http://${host}:4317.`
      ),
      way(
        "Log files on this machine",
        "crosswatch monitor --follow '/var/log/myapp/*.log'",
        "Follows files by name, also through rotation. Most log formats are recognised."
      ),
      way(
        "Anything that speaks HTTP",
        `curl --data-binary @myapp.jsonl \\
  http://${host}:4318/insert/jsonline`,
        "One JSON object a line, with whatever fields there are."
      ),
      way("Just looking", "crosswatch demo", "An invented platform on a small Kubernetes, and a fault when all is learned.")
    );
  }
  function way(title, code, more) {
    return h(
      "article",
      {},
      h("h3", {}, title),
      h("pre", { tabindex: 0, "aria-label": `command: ${title}` }, code),
      h("p", { class: "muted" }, more)
    );
  }

  // src/places.ts
  var Part = class {
    constructor(id, title, draw) {
      this.draw = draw;
      this.element = h(
        "section",
        { "aria-labelledby": `${id}-title` },
        h("div", { class: "bar" }, h("h2", { id: `${id}-title` }, title)),
        this.body
      );
    }
    draw;
    element;
    body = h("div", { class: "scroll" });
    drawn = "";
    update(items) {
      const text = JSON.stringify(items);
      if (text !== this.drawn && redraw(this.body, this.draw(items))) this.drawn = text;
    }
  };
  function table(headings, rows) {
    return h(
      "table",
      { class: "plain", role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings.map(([name, numeric]) => h("th", { scope: "col", role: "columnheader", class: numeric ? "number" : null }, name)))),
      h("tbody", { role: "rowgroup" }, ...rows)
    );
  }
  function cell(label, content, numeric = false) {
    return h("td", { role: "cell", "data-label": label, class: numeric ? "number" : null }, content);
  }
  function narrowed(text) {
    return `#/apis${query({ filter: text })}`;
  }
  function services() {
    return new Part("services", "Services", (items) => [table(
      [["Service", false], ["Environment", false], ["Apis", false], ["Calls/s", true], ["Errors", true], ["Logs/s", true], ["Log errors", true], ["Templates", true]],
      items.map((item) => h(
        "tr",
        { role: "row", "data-state": worst(item.apis_by_state) },
        cell("Service", h("a", { href: narrowed(service(item)) }, service(item))),
        cell("Environment", item.environment),
        cell("Apis", item.apis ? tally(item.apis_by_state) : "none seen"),
        cell("Calls/s", item.apis ? rate(item.calls_per_second) : NOT_KNOWN, true),
        cell("Errors", item.apis ? percent(item.error_ratio) : NOT_KNOWN, true),
        cell("Logs/s", rate(item.logs_per_second), true),
        cell("Log errors", percent(item.log_error_ratio), true),
        cell("Templates", count(item.templates), true)
      ))
    )]);
  }
  function environments() {
    return new Part("environments", "Environments", (items) => [table(
      [["Environment", false], ["Kind", false], ["Where", false], ["Apis", false], ["Services", true], ["Calls/s", true], ["Errors", true]],
      items.map((item) => h(
        "tr",
        { role: "row", "data-state": worst(item.apis_by_state) },
        cell("Environment", h("a", { href: narrowed(item.name) }, item.name)),
        cell("Kind", item.kind),
        cell("Where", [item.provider, item.region, item.zone, item.cluster].filter(Boolean).join(", ") || NOT_KNOWN),
        cell("Apis", item.apis ? tally(item.apis_by_state) : "none seen"),
        cell("Services", count(item.services), true),
        cell("Calls/s", rate(item.calls_per_second), true),
        cell("Errors", percent(item.error_ratio), true)
      ))
    )]);
  }
  function alerts() {
    return new Part("alerts", "Alerts", (items) => items.length === 0 ? [h("p", { class: "calm" }, "No alert is pending or firing.")] : items.map((item) => h(
      "details",
      { class: "alert", "data-key": item.id, open: item.state === "firing" },
      h(
        "summary",
        {},
        badge(item.state),
        h("strong", {}, item.annotations.summary ?? item.labels.alertname ?? item.id),
        h("span", { class: "muted" }, ` ${item.severity}, since ${clock(item.starts_at)}${item.ends_at ? `, resolved ${clock(item.ends_at)}` : ""}`)
      ),
      item.annotations.description ? h("p", {}, item.annotations.description) : null,
      h("p", { class: "labels" }, ...Object.entries(item.labels).map(([name, value]) => h("span", { class: "label" }, `${name}=${value}`))),
      ...item.anomalies.map(explanation)
    )));
  }
  function streams() {
    return new Part("streams", "Streams", (items) => [
      ...items.filter((item) => item.unrecognised.message).map((item) => h(
        "article",
        { class: "unread" },
        h(
          "header",
          {},
          badge("unrecognised"),
          h("h3", {}, `${service(item)}, ${item.stream}`),
          h("span", { class: "muted" }, item.environment)
        ),
        h("p", {}, `${capital(item.unrecognised.message ?? "")}:`),
        h("pre", { tabindex: 0, "aria-label": "lines that were not recognised" }, item.unrecognised.examples.join("\n")),
        h("p", { class: "muted" }, `${count(item.unrecognised.records)} of ${count(item.records)} records are searchable as text. Why: ${item.unrecognised.by_reason.map((reason) => `${reason.reason} (${count(reason.records)})`).join(", ")}.`)
      )),
      table(
        [["Service", false], ["Stream", false], ["Environment", false], ["Format", false], ["Durations", false], ["Records", true], ["Not read", true], ["Last", true]],
        items.map((item) => h(
          "tr",
          { role: "row" },
          cell("Service", service(item)),
          cell("Stream", h("span", { class: "code" }, item.stream)),
          cell("Environment", item.environment),
          cell("Format", item.format ?? badge("unrecognised")),
          cell("Durations", item.duration_unit ?? NOT_KNOWN),
          cell("Records", count(item.records), true),
          cell("Not read", count(item.unrecognised.records), true),
          cell("Last", clock(item.last_seen), true)
        ))
      )
    ]);
  }
  function capital(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  // src/incidents.ts
  function incidents() {
    return new Part("incidents", "Incidents", (items) => items.length === 0 ? [h("p", { class: "calm" }, "No incident now, and none of late.")] : items.map(incident));
  }
  function incident(item) {
    const first = item.suspects[0];
    const title = first ? first.workload.name : item.services.map((one) => one.name).join(", ");
    const when = item.open ? `for ${lasting(item.duration_seconds)}, since ${clock(item.began)}` : `lasted ${lasting(item.duration_seconds)}, ${clock(item.began)} to ${clock(item.ended ?? "")}`;
    return h(
      "details",
      { class: "alert", "data-key": item.id, open: item.open },
      h(
        "summary",
        {},
        badge(item.open ? "anomalous" : "resolved"),
        h("strong", {}, title),
        h("span", { class: "muted" }, ` ${[item.scope, when].filter(Boolean).join("; ")}`)
      ),
      item.impact && h("ul", { class: "words" }, ...words(item.impact, item.open).map((text) => h("li", {}, text))),
      item.impact?.users && item.impact.users.journeys.length > 0 && hurt(item.impact.users.journeys),
      item.suspects.length > 0 && h(
        "section",
        {},
        h("h3", {}, "What may be to blame"),
        h("ol", { class: "words" }, ...item.suspects.map((suspect) => h("li", {}, h("strong", {}, suspect.workload.name), `: ${suspect.why}`)))
      ),
      item.changes.length > 0 && h(
        "p",
        { class: "muted" },
        `What was done there: ${item.changes.map((change) => `${clock(change.at)} ${change.summary}`).join("; ")}`
      )
    );
  }
  function words(impact, open) {
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
  function between(forecast) {
    return `${percent(forecast.low)} to ${percent(forecast.high)} (${percent(forecast.expected)} is expected)`;
  }
  function spent(budget) {
    const whose = `the error budget “${budget.objective}” of ${service(budget)}, ${budget.environment}`;
    const left = budget.left <= 0 ? "nothing is left" : budget.gone !== null ? `${percent(budget.left)} is left, and nothing by ${clock(budget.gone)} if it goes on so` : `${percent(budget.left)} is left`;
    return `It has spent ${percent(budget.spent)} of ${whose}; ${left}.`;
  }
  function hurt(items) {
    return table(
      [["Journey", false], ["Rate", true], ["Fail or late", true], ["Usually", true], ["Apdex", true], ["So far", true]],
      items.map((item) => h(
        "tr",
        { role: "row", "data-state": "anomalous" },
        cell("Journey", h("a", { href: "#/journeys" }, item.name)),
        cell("Rate", `${rate(item.journeys_per_second)}/s`, true),
        cell("Fail or late", percent(item.hurt), true),
        cell("Usually", percent(item.usually), true),
        cell("Apdex", `${item.apdex.toFixed(2)} (${item.apdex_usually.toFixed(2)})`, true),
        cell("So far", count(item.so_far), true)
      ))
    );
  }

  // src/journeys.ts
  var SLIVER = 0.01;
  var WIDTH2 = 200;
  var HEIGHT2 = 10;
  function journeys() {
    return new Part("journeys", "Journeys", ([all]) => all === void 0 ? [] : [
      h(
        "section",
        { class: "late", "aria-labelledby": "late-title" },
        h("h3", { id: "late-title" }, "Late now"),
        all.late.length === 0 ? h("p", { class: "calm" }, `None of ${count(all.in_flight)} in flight is late.`) : late(all.late)
      ),
      h("h3", {}, "Types"),
      all.types.length === 0 ? h("p", { class: "calm" }, "No journey has ended yet.") : types(all.types)
    ]);
  }
  function late(items) {
    return table(
      [["Journey", false], ["Began", false], ["For", true], ["99 % take", true], ["Last seen at", false], ["Trace", false]],
      items.map((item) => h(
        "tr",
        { role: "row", "data-state": "anomalous" },
        cell("Journey", item.name ?? "of no known type"),
        cell("Began", clock(item.began)),
        cell("For", seconds(item.age_seconds), true),
        cell("99 % take", seconds(item.p99_seconds), true),
        cell("Last seen at", item.last),
        cell("Trace", item.trace_id === null ? NOT_KNOWN : h("a", { class: "code", href: `#/trace/${encodeURIComponent(item.trace_id)}` }, item.trace_id.slice(0, 8)))
      ))
    );
  }
  function types(items) {
    return table(
      [["Journey", false], ["Rate", true], ["Well", true], ["p50", true], ["p99", true], ["Apdex", true], ["May fail", true], ["Waits for", false], ["Not whole", false]],
      items.map((item) => h(
        "tr",
        { role: "row" },
        cell("Journey", h(
          "span",
          {},
          h("strong", {}, item.name),
          h("br"),
          h("small", {}, `enters at ${item.service}, ${item.environment}`)
        )),
        cell("Rate", `${rate(item.journeys_per_second)}/s`, true),
        cell("Well", percent(item.success), true),
        cell("p50", seconds(item.p50_seconds), true),
        cell("p99", seconds(item.p99_seconds), true),
        cell("Apdex", apdex(item), true),
        cell("May fail", percent(item.failure_chance), true),
        cell("Waits for", way2(item)),
        cell("Not whole", troubles(item))
      ))
    );
  }
  function apdex({ experience }) {
    if (experience === null) return NOT_KNOWN;
    const usually = experience.apdex_usually.toFixed(2);
    const now = experience.apdex?.toFixed(2) ?? NOT_KNOWN;
    return now === usually ? now : `${now} (${usually})`;
  }
  function troubles(item) {
    const said = [
      [item.incomplete, "incomplete"],
      [item.stuck, "stuck"],
      [item.retried, "retried"],
      [item.duplicated, "served twice"],
      [item.inferred, `put together by time, ${percent(item.confidence)} sure`]
    ].filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`);
    return said.join(", ") || "none";
  }
  function way2(item) {
    const spent2 = [...item.time].sort((a, b) => b.seconds - a.seconds);
    const whole2 = spent2.reduce((sum, part) => sum + part.seconds, 0);
    const shown = spent2.filter((part) => whole2 > 0 && part.seconds / whole2 >= SLIVER);
    return h(
      "details",
      { "data-key": item.id },
      h(
        "summary",
        {},
        bar(shown, whole2),
        " ",
        shown.map((part) => `${place(part)} ${seconds(part.seconds)}`).join(", ") || NOT_KNOWN
      ),
      h(
        "table",
        { class: "path" },
        h("thead", {}, h("tr", {}, ...["Api", "Passed by", "Own time", "Of its budget"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...item.hops.map(hop))
      )
    );
  }
  function place(part) {
    return part.to === null ? part.environment : `${part.environment} → ${part.to}`;
  }
  function bar(parts, whole2) {
    const drawing = s("svg", {
      class: "spent",
      viewBox: `0 0 ${WIDTH2} ${HEIGHT2}`,
      width: WIDTH2,
      height: HEIGHT2,
      "aria-hidden": "true"
    });
    let from = 0;
    for (const part of parts) {
      const width = part.seconds / whole2 * WIDTH2;
      drawing.append(s("rect", {
        class: part.to === null ? "work" : "wire",
        x: from.toFixed(1),
        y: part.to === null ? 0 : 3,
        width: Math.max(1, width - 1).toFixed(1),
        height: part.to === null ? HEIGHT2 : HEIGHT2 - 6
      }));
      from += width;
    }
    return drawing;
  }
  function hop(item) {
    const lost = item.drop_off > 0 ? `; ${percent(item.drop_off)} of failures` : "";
    return h(
      "tr",
      {},
      h("td", {}, `${item.service} ${item.operation}`, h("br"), h("small", {}, item.environment)),
      h("td", {}, `${percent(item.share)}${lost}`),
      h("td", {}, seconds(item.own_seconds)),
      h("td", {}, item.budget_used === null ? NOT_KNOWN : percent(item.budget_used))
    );
  }

  // src/live.ts
  var POLL_MS = 2e3;
  var SOON_MS = 300;
  var SLOWEST_RETRY_MS = 3e4;
  var Live = class {
    constructor(listener) {
      this.listener = listener;
      document.addEventListener("visibilitychange", () => {
        if (document.hidden) this.disconnect();
        else this.start();
      });
    }
    listener;
    socket = null;
    socketOpen = false;
    retryMs = 1e3;
    timer = 0;
    asking = false;
    again = false;
    lostSince = null;
    start() {
      this.connect();
      void this.poll();
    }
    /** Something changed: do not wait for the next poll. */
    soon() {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.poll(), SOON_MS);
    }
    async poll() {
      clearTimeout(this.timer);
      if (this.asking) {
        this.again = true;
        return;
      }
      this.asking = true;
      let wait = POLL_MS;
      try {
        await this.listener.refresh();
        this.lostSince = null;
        this.tell();
      } catch (error) {
        if (error instanceof Failure && error.status === 401) {
          this.listener.connection("locked", null);
          wait = 0;
        } else {
          this.lostSince ??= /* @__PURE__ */ new Date();
          this.tell();
        }
      }
      this.asking = false;
      if (this.again) wait = SOON_MS;
      this.again = false;
      if (wait && !document.hidden) this.timer = window.setTimeout(() => void this.poll(), wait);
    }
    tell() {
      const state = this.lostSince ? "lost" : this.socketOpen ? "live" : "polling";
      this.listener.connection(state, this.lostSince);
    }
    connect() {
      if (this.socket || token.get()) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live?calls_per_second=2`);
      this.socket = socket;
      socket.onopen = () => {
        this.socketOpen = true;
        this.retryMs = 1e3;
        this.soon();
      };
      socket.onmessage = (event) => this.hear(JSON.parse(String(event.data)));
      socket.onclose = () => {
        if (this.socket !== socket) return;
        this.socket = null;
        this.socketOpen = false;
        if (document.hidden) return;
        window.setTimeout(() => {
          if (!document.hidden) this.connect();
        }, this.retryMs);
        this.retryMs = Math.min(SLOWEST_RETRY_MS, this.retryMs * 2);
      };
    }
    hear(message) {
      if (message.type === "call") this.listener.call(message);
      else if (message.type === "lagged") this.listener.missed(message.missed);
      else if (message.type === "anomaly" || message.type === "alert") this.soon();
    }
    disconnect() {
      clearTimeout(this.timer);
      const { socket } = this;
      this.socket = null;
      this.socketOpen = false;
      socket?.close();
    }
  };

  // src/logs.ts
  var PAGE = 100;
  var MOST_LINES = 1e3;
  var RANGES = [
    ["-5m", "last 5 minutes"],
    ["-15m", "last 15 minutes"],
    ["-1h", "last hour"],
    ["-6h", "last 6 hours"],
    ["-1d", "last day"],
    ["-7d", "last 7 days"],
    ["", "all time"]
  ];
  var Logs = class {
    element;
    words = h("input", {
      type: "search",
      id: "query",
      placeholder: 'service:orders AND severity:ERROR "timed out"',
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": "query-help"
    });
    range = h("select", { id: "range" });
    follow = h("button", { type: "button", "aria-pressed": "false", click: () => this.toggleTail() }, "Follow");
    message = h("p", { class: "message", role: "status" });
    chart = h("div", { class: "chart" });
    facets = h("aside", { class: "facets", "aria-label": "Frequent values" });
    list = h("ol", { class: "records" });
    older = h("button", { type: "button", hidden: true, click: () => void this.more() }, "Show more");
    running = null;
    tailing = false;
    shown = 0;
    /** Beside the ranges of the list: the exact times of an evidence link. */
    exact = null;
    constructor() {
      this.offer(null);
      const form = h(
        "form",
        { class: "search", role: "search", submit: (event) => {
          event.preventDefault();
          this.go();
        } },
        h("label", { class: "field wide" }, h("span", {}, "Search"), this.words),
        h("label", { class: "field" }, h("span", {}, "Time"), this.range),
        h("button", { type: "submit", class: "primary" }, "Search"),
        this.follow
      );
      this.range.addEventListener("change", () => this.go());
      this.element = h(
        "section",
        { "aria-labelledby": "logs-title" },
        h("h2", { id: "logs-title", class: "hidden" }, "Logs"),
        form,
        h(
          "p",
          { class: "muted help", id: "query-help" },
          'Words and "phrases", field:value, status:>=500, AND, OR, NOT, brackets.'
        ),
        this.message,
        this.chart,
        h("div", { class: "found" }, this.facets, h("div", {}, this.list, this.older))
      );
    }
    /** Shows what the address says. */
    open(parameters) {
      this.words.value = parameters.get("query") ?? "";
      const from = parameters.get("from") ?? "-15m";
      const to = parameters.get("to") ?? "";
      this.offer(to ? { from, to } : null);
      if (!to) this.range.value = RANGES.some(([value]) => value === from) ? from : "-15m";
      void this.search();
    }
    close() {
      this.stop();
      this.showTail(false);
    }
    offer(exact) {
      this.exact = exact;
      const options = RANGES.map(([value, text]) => h("option", { value }, text));
      if (exact) options.unshift(h("option", { value: "exact" }, `${clock(exact.from)} to ${clock(exact.to)}`));
      this.range.replaceChildren(...options);
      this.range.value = exact ? "exact" : "-15m";
    }
    times() {
      if (this.exact && this.range.value === "exact") return this.exact;
      return this.range.value ? { from: this.range.value } : {};
    }
    /** Through the address, so that back, reload and a link to a colleague work. */
    go() {
      const wanted = `#/logs${query({ query: this.words.value, ...this.times() })}`;
      if (location.hash === wanted) void this.search();
      else location.hash = wanted;
    }
    stop() {
      this.running?.abort();
      return this.running = new AbortController();
    }
    async search() {
      const { signal } = this.stop();
      this.showTail(false);
      this.say("Searching…");
      const asked = { query: this.words.value, ...this.times() };
      try {
        const page = await get("search", { ...asked, limit: PAGE }, signal);
        this.shown = page.records.length;
        this.list.replaceChildren(...page.records.map(line));
        this.older.hidden = page.total <= this.shown;
        this.say(page.total === 0 ? "Nothing matches. A wider time range or fewer words may help." : `${count(page.total)} ${page.total === 1 ? "record matches" : "records match"}, newest first.`);
        const [histogram, severities, services2] = await Promise.all([
          asked.from ? get("search/histogram", asked, signal) : null,
          get("search/facets", { ...asked, field: "severity", limit: 6 }, signal).catch(() => null),
          get("search/facets", { ...asked, field: "service", limit: 12 }, signal).catch(() => null)
        ]);
        this.chart.replaceChildren(...histogram ? [chart(histogram)] : []);
        this.showFacets([severities, services2]);
      } catch (error) {
        if (signal.aborted) return;
        this.list.replaceChildren();
        this.chart.replaceChildren();
        this.facets.replaceChildren();
        this.older.hidden = true;
        this.say(error.message, true);
      }
    }
    async more() {
      const { signal } = this.stop();
      try {
        const page = await get(
          "search",
          { query: this.words.value, ...this.times(), limit: PAGE, offset: this.shown },
          signal
        );
        this.shown += page.records.length;
        this.list.append(...page.records.map(line));
        this.older.hidden = page.total <= this.shown || page.records.length === 0;
      } catch (error) {
        if (!signal.aborted) this.say(error.message, true);
      }
    }
    toggleTail() {
      if (this.tailing) {
        this.stop();
        this.showTail(false);
        this.say("Stopped following.");
      } else {
        void this.tail();
      }
    }
    async tail() {
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
        if (!signal.aborted) this.say(error.message, true);
      }
      if (!signal.aborted) this.showTail(false);
    }
    showTail(on) {
      this.tailing = on;
      this.follow.setAttribute("aria-pressed", String(on));
      setText(this.follow, on ? "Stop following" : "Follow");
    }
    showFacets(all) {
      this.facets.replaceChildren(...all.filter((facets) => facets !== null && facets.values.length > 0).map((facets) => h(
        "div",
        {},
        h("h3", {}, facets.field),
        h("ul", {}, ...facets.values.map((value) => h(
          "li",
          {},
          h(
            "button",
            { type: "button", title: "narrow the search", click: () => this.narrow(facets.field, value.value) },
            h("span", {}, value.value),
            h("span", { class: "muted" }, count(value.records))
          )
        )))
      )));
    }
    narrow(field, value) {
      const term = `${field}:${/^[\w.]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
      const words2 = this.words.value.trim();
      this.words.value = words2 ? words2.includes(term) ? words2 : `${words2} AND ${term}` : term;
      this.go();
    }
    say(text, wrong = false) {
      setText(this.message, text);
      this.message.classList.toggle("error", wrong);
    }
  };
  function line(record2) {
    const attributes = Object.entries(record2.attributes);
    return h(
      "li",
      {},
      h(
        "details",
        {},
        h(
          "summary",
          {},
          h("time", { datetime: record2.time, title: record2.time }, clock(record2.time, true)),
          h("span", { class: "severity", "data-severity": record2.severity ?? "" }, record2.severity ?? record2.kind),
          h("span", { class: "who" }, service(record2)),
          h("span", { class: "text" }, record2.text)
        ),
        h(
          "dl",
          { class: "facts" },
          pair("environment", record2.environment),
          pair("instance", record2.instance),
          pair("format", record2.format ?? "not recognised"),
          record2.template ? pair("template", record2.template) : null,
          record2.trace_id ? h("div", {}, h("dt", {}, "trace"), h(
            "dd",
            {},
            h("a", { href: `#/trace/${encodeURIComponent(record2.trace_id)}` }, record2.trace_id)
          )) : null,
          ...attributes.map(([name, value]) => pair(name, String(value)))
        )
      )
    );
  }
  function pair(name, value) {
    return value === "" ? null : h("div", {}, h("dt", {}, name), h("dd", {}, value));
  }
  function chart(histogram) {
    const width = 600;
    const height = 56;
    const { buckets } = histogram;
    const most = Math.max(1, ...buckets.map((bucket) => bucket.records));
    const step = width / Math.max(1, buckets.length);
    const bars = buckets.map((bucket, index) => {
      const tall = bucket.records === 0 ? 0 : Math.max(1.5, bucket.records / most * (height - 4));
      return s(
        "rect",
        { x: index * step + 0.5, y: height - tall, width: Math.max(0.5, step - 1), height: tall },
        s("title", {}, `${clock(bucket.start)}: ${count(bucket.records)}`)
      );
    });
    const first = buckets[0];
    const last = buckets[buckets.length - 1];
    return h(
      "figure",
      {},
      s("svg", {
        viewBox: `0 0 ${width} ${height}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `records by time, at most ${count(most)} in ${seconds(histogram.step_seconds)}`
      }, ...bars),
      h(
        "figcaption",
        { class: "muted" },
        h("span", {}, first ? clock(first.start) : ""),
        h("span", {}, `up to ${count(most)} in ${seconds(histogram.step_seconds)}`),
        h("span", {}, last ? clock(last.start) : "")
      )
    );
  }
  var TraceView = class {
    element = h("section", { "aria-labelledby": "trace-title" });
    asked = "";
    async open(traceId) {
      this.asked = traceId;
      const title = h("h2", { id: "trace-title" }, "Trace ", h("span", { class: "code" }, traceId));
      const bar2 = h("div", { class: "bar" }, title);
      this.element.replaceChildren(bar2, h("p", { class: "muted" }, "Looking…"));
      try {
        const trace2 = await get(`traces/${encodeURIComponent(traceId)}`);
        if (this.asked !== traceId) return;
        const more = trace2.total > trace2.records.length ? `, the first ${count(trace2.records.length)} shown` : "";
        bar2.append(h("span", { class: "muted" }, `${count(trace2.total)} records of ${trace2.services.join(", ")} in ${seconds(trace2.duration_seconds)}, ${clock(trace2.start, true)}${more}`));
        const start = Date.parse(trace2.start);
        this.element.replaceChildren(bar2, h("ol", { class: "records trace" }, ...trace2.records.map((record2) => {
          const after = Math.max(0, (Date.parse(record2.time) - start) / 1e3);
          const item = line(record2);
          const share2 = trace2.duration_seconds > 0 ? Math.min(1, after / trace2.duration_seconds) : 0;
          item.prepend(
            s(
              "svg",
              { class: "offset", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
              s("rect", { x: 0, y: 4, width: 100, height: 2, class: "track" }),
              s("rect", { x: share2 * 97, y: 0, width: 3, height: 10 })
            ),
            h("span", { class: "after" }, `+${seconds(after)}`)
          );
          return item;
        })));
      } catch (error) {
        if (this.asked === traceId) this.element.replaceChildren(bar2, h("p", { class: "error" }, error.message));
      }
    }
  };

  // src/predictions.ts
  var ENDED_SHOWN = 20;
  function predictions() {
    return new Part("predictions", "Predictions", ([all]) => {
      if (all === void 0) return [];
      const open = all.risks.filter((risk) => risk.open);
      const ended = all.risks.filter((risk) => !risk.open).slice(0, ENDED_SHOWN);
      return [
        h("h3", {}, "Foreseen"),
        open.length === 0 ? h("p", { class: "calm" }, "Nothing is foreseen to break.") : risks(open),
        likely(all.journeys),
        h("h3", {}, "What was said, and what came"),
        record(all.track_record),
        ended.length > 0 ? h("h3", {}, "Ended lately") : h("span", {}),
        ended.length > 0 ? past(ended) : h("span", {})
      ];
    });
  }
  var LIKELY = 0.05;
  function likely(items) {
    const named = items.filter((item) => item.probability >= LIKELY);
    if (named.length === 0) return h("p", { class: "muted" }, `No type of journeys is likely to fail within five minutes (${count(items.length)} are watched).`);
    return h("ul", { class: "words" }, ...named.map((item) => h("li", {}, h("strong", {}, item.name), item.probability >= 1 ? ": its journeys fail or are late now" : `: its journeys fail within five minutes with a chance of ${percent(item.probability)}`)));
  }
  function risks(items) {
    return table(
      [["What", false], ["When", false], ["Between", false], ["Chance", true], ["Now", true], ["Limit", true]],
      items.map((risk) => h(
        "tr",
        { role: "row", "data-state": "at-risk" },
        cell("What", what(risk)),
        cell("When", clock(risk.expected)),
        cell("Between", `${clock(risk.earliest)} and ${risk.latest === null ? "never" : clock(risk.latest)}`),
        cell("Chance", percent(risk.probability), true),
        cell("Now", inUnit(risk.actual, risk.unit), true),
        cell("Limit", inUnit(risk.limit, risk.unit), true)
      ))
    );
  }
  function what(risk) {
    return h("span", {}, h("strong", {}, `${risk.subject.name}: ${risk.statistic}`), h("br"), h("small", {}, risk.why));
  }
  var OUTCOMES = { came: "hit: it came", averted: "false: it stopped growing", "not-come": "false: it did not come" };
  function past(items) {
    return table(
      [["What", false], ["Said at", false], ["Expected", false], ["Chance", true], ["Came", false]],
      items.map((risk) => h(
        "tr",
        { role: "row" },
        cell("What", `${risk.subject.name}: ${risk.statistic}`),
        cell("Said at", clock(risk.stated)),
        cell("Expected", clock(risk.first_expected)),
        cell("Chance", percent(risk.first_probability), true),
        cell("Came", h(
          "span",
          {},
          badge(risk.outcome === "came" ? "anomalous" : "resolved"),
          ` ${OUTCOMES[risk.outcome ?? ""] ?? "could not be told"}${risk.ended ? `, ${clock(risk.ended)}` : ""}`
        ))
      ))
    );
  }
  function record(all) {
    const { risks: stated, failures } = all;
    const ended = stated.came + stated.averted + stated.not_come;
    const score = (value) => value === null ? NOT_KNOWN : value.toFixed(4);
    const said = [
      `Risks: ${count(stated.stated)} stated; of ${count(ended)} that ended ${count(stated.came)} hit (${count(stated.in_time)} when they were expected) and ${count(ended - stated.came)} false; ${count(stated.missed)} limits were crossed unforeseen.${stated.mean_lead_seconds === null ? "" : ` They were said ${lasting(stated.mean_lead_seconds)} ahead on average.`} Brier score ${score(stated.brier)}.`,
      ...[["an Api fails", failures], ["a type of journeys fails", all.journeys]].filter(([, of]) => of.judged > 0).map(([what2, of]) => `That ${what2} within ${lasting(of.horizon_seconds)}: said ${count(of.judged)} times, came ${count(of.failed)} times. Brier score ${score(of.brier)}; who always says how often it happens has ${score(of.base_brier)}.`)
    ];
    const chances = failures.reliability.filter((bin) => bin.judged > 0);
    return h(
      "div",
      {},
      h("ul", { class: "words" }, ...said.map((text) => h("li", {}, text))),
      chances.length > 0 && table(
        [["Chance said", false], ["Times", true], ["Came", true]],
        chances.map((bin) => h(
          "tr",
          { role: "row" },
          cell("Chance said", percent(bin.said_ratio)),
          cell("Times", count(bin.judged), true),
          cell("Came", percent(bin.came_ratio), true)
        ))
      ),
      all.forecasts.length > 0 && table(
        [["Forecast of", false], ["Ahead", false], ["Times", true], ["Within its 90 %", true], ["Error, of “as now”", true]],
        all.forecasts.map((of) => h(
          "tr",
          { role: "row" },
          cell("Forecast of", MEASURES2[of.measure] ?? of.measure),
          cell("Ahead", lasting(of.horizon_seconds)),
          cell("Times", `${count(of.scored)} in ${count(of.stretches)} × ${lasting(of.horizon_seconds)}`, true),
          cell("Within its 90 %", `${percent(of.coverage_ratio)}${of.stretches < ENOUGH ? ", too early to say" : ""}`, true),
          cell("Error, of “as now”", percent(of.relative_error), true)
        ))
      )
    );
  }
  var ENOUGH = 10;
  var MEASURES2 = {
    rate: "traffic",
    latency: "response time",
    impact: "calls that go wrong in an incident"
  };

  // src/main.ts
  var MOST_APIS = 2e3;
  var MOST_INCIDENTS = 50;
  var main = byId("main");
  var apiTable = new ApiTable();
  var logs = new Logs();
  var trace = new TraceView();
  var servicePart = services();
  var environmentPart = environments();
  var journeyPart = journeys();
  var incidentPart = incidents();
  var predictionPart = predictions();
  var alertPart = alerts();
  var streamPart = streams();
  var emptyPart = empty();
  var VIEWS = {
    apis: apiTable.element,
    services: servicePart.element,
    environments: environmentPart.element,
    journeys: journeyPart.element,
    incidents: incidentPart.element,
    predictions: predictionPart.element,
    alerts: alertPart.element,
    logs: logs.element,
    streams: streamPart.element,
    trace: trace.element
  };
  var view = "apis";
  var isEmpty = false;
  function route() {
    const [path = "", parameters = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [name = "apis", argument = ""] = path.split("/");
    const given = new URLSearchParams(parameters);
    if (view === "logs" && name !== "logs") logs.close();
    view = name in VIEWS ? name : "apis";
    if (view === "apis" && given.has("filter")) apiTable.narrow(given.get("filter") ?? "");
    if (view === "apis" && given.has("api")) apiTable.reveal(given.get("api") ?? "");
    if (view === "logs") logs.open(given);
    if (view === "trace") void trace.open(decode(argument));
    for (const link of document.querySelectorAll("nav a")) {
      const here = link.getAttribute("href") === `#/${view}`;
      setAttribute(link, "aria-current", here ? "page" : null);
    }
    show2();
    live.soon();
  }
  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }
  function show2() {
    const wanted = isEmpty && view === "apis" ? emptyPart : VIEWS[view] ?? apiTable.element;
    if (main.firstElementChild !== wanted || main.childElementCount !== 1) main.replaceChildren(wanted);
  }
  async function refresh() {
    const status = await get("status");
    headline(status);
    const { counts, ingest } = status;
    isEmpty = counts.apis === 0 && counts.services === 0 && ingest.streams === 0;
    show2();
    switch (view) {
      case "apis": {
        const listing = await get("apis", { limit: MOST_APIS });
        apiTable.update(listing.items, listing.total);
        break;
      }
      case "services":
        servicePart.update((await get("services")).items);
        break;
      case "environments":
        environmentPart.update((await get("environments")).items);
        break;
      case "journeys": {
        const [types2, all] = await Promise.all([
          get("journeys/types"),
          get("journeys")
        ]);
        note("journeys", all.late.length);
        journeyPart.update([{ ...all, types: types2.items }]);
        break;
      }
      case "incidents": {
        const { items } = await get("incidents", { limit: MOST_INCIDENTS });
        note("incidents", items.filter((item) => item.open).length);
        incidentPart.update(items);
        break;
      }
      case "predictions": {
        const all = await get("predictions");
        note("predictions", all.risks.filter((risk) => risk.open).length);
        predictionPart.update([all]);
        break;
      }
      case "alerts":
        alertPart.update((await get("alerts")).items);
        break;
      case "streams":
        streamPart.update((await get("streams")).items);
        break;
    }
  }
  var spoken = "";
  function headline(status) {
    const { counts, ingest } = status;
    const strip = byId("headline");
    const state = !status.ready ? "paused" : worst(counts.apis_by_state);
    if (strip.dataset.state !== state) {
      strip.dataset.state = state;
      byId("headline-icon").replaceChildren(icon(state));
    }
    setText(byId("sentence"), status.headline);
    const essence = status.headline.replace(/, for [^)]*/g, "");
    if (essence !== spoken) setText(byId("announcer"), essence);
    spoken = essence;
    document.title = `${counts.anomalies_open ? `(${counts.anomalies_open}) ` : ""}Crosswatch`;
    const behind = status.watermark ? (Date.parse(status.now) - Date.parse(status.watermark)) / 1e3 : 0;
    setText(byId("watermark"), !status.watermark ? "no data yet" : behind < 60 ? `judged up to ${clock(status.watermark)}` : `judged up to ${clock(status.watermark)}, ${lasting(behind)} ago: nothing newer has come`);
    setText(byId("counts"), `${count(counts.environments)} environments, ${count(counts.services)} services, ${count(ingest.records)} records`);
    setText(byId("version"), `Crosswatch ${status.version}`);
    note("alerts", counts.alerts_firing);
    note("streams", ingest.streams_unrecognised);
  }
  function note(name, number) {
    const place2 = document.querySelector(`nav a[href="#/${name}"] .note`);
    if (place2) setText(place2, number ? ` ${count(number)}` : "");
  }
  var CONNECTIONS = {
    connecting: "Connecting…",
    live: "Live",
    polling: "Every 2 s",
    lost: "No connection",
    locked: "Locked"
  };
  function connection(state, since) {
    const place2 = byId("connection");
    setAttribute(place2, "data-connection", state);
    const lost = state === "lost" && since;
    setText(byId("connection-text"), lost ? `No connection since ${clock(since.toISOString())}` : CONNECTIONS[state]);
    setAttribute(place2, "title", lost ? "What is shown was true then" : state === "polling" ? "Asking every two seconds; the live connection is not open" : null);
    document.body.classList.toggle("stale", state === "lost");
    if (state === "locked" && !document.getElementById("unlock")) main.replaceChildren(unlock());
  }
  function unlock() {
    const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
    const refused = token.get() !== null;
    return h(
      "form",
      { id: "unlock", class: "unlock", submit: (event) => {
        event.preventDefault();
        token.set(input.value.trim());
        location.reload();
      } },
      h("h2", {}, "This monitor asks for a token"),
      refused && h("p", { class: "error" }, "The token was not accepted."),
      h("label", { class: "field wide" }, h("span", {}, "Bearer token"), input),
      h("button", { type: "submit", class: "primary" }, "Open"),
      h("p", { class: "muted" }, "It is one of those given to crosswatch monitor with --token. This tab forgets it when it closes.")
    );
  }
  function call(latest) {
    const took = latest.duration_seconds === null ? "" : ` in ${seconds(latest.duration_seconds)}`;
    const status = latest.status ? ` ${latest.status}` : "";
    setText(byId("latest"), `${service(latest)} ${operation(latest)}${status}${took}`);
  }
  function missed(events) {
    setText(byId("latest"), `${count(events)} live events missed: this browser was too slow`);
  }
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  var live = new Live({ refresh, connection, call, missed });
  window.addEventListener("hashchange", route);
  route();
  live.start();
})();
