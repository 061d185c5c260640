// Why something is anomalous: the same shape for every detector.

import type { Anomaly } from "./api.ts";
import { query } from "./api.ts";
import { bandDrawing } from "./band.ts";
import { h } from "./dom.ts";
import { band, clock, count, inUnit, lasting, percent } from "./format.ts";
import { badge } from "./state.ts";

const MEASURES: Record<string, string> = {
  rate: "traffic", error_ratio: "errors", latency: "response time",
  log_error_ratio: "errors in the logs", template_rate: "a log message",
};

export function explanation(anomaly: Anomaly): HTMLElement {
  const why = anomaly.explanation;
  const measure = MEASURES[anomaly.measure] ?? anomaly.measure;
  const whose = anomaly.subject.api_id ? "" : ` of ${anomaly.subject.name}`;
  const { evidence } = anomaly;
  const when = anomaly.open
    ? `for ${lasting(anomaly.duration_seconds)}, since ${clock(anomaly.start)}`
    : `lasted ${lasting(anomaly.duration_seconds)}, ${clock(anomaly.start)} to ${clock(anomaly.end ?? "")}`;
  return h("article", { class: "anomaly", "data-open": anomaly.open },
    h("header", {},
      anomaly.open ? badge("anomalous") : badge("resolved"),
      h("h4", {}, `${measure}${whose} ${anomaly.direction} what is expected`),
      h("span", { class: "muted" }, when)),
    h("p", { class: "why" }, sentence(why.why)),
    h("dl", { class: "facts" },
      fact("Came", inUnit(why.actual, why.unit), "strong"),
      fact("Typical", inUnit(why.typical, why.unit)),
      fact("Expected", band(why.expected.lower, why.expected.upper, why.unit), "",
        bandDrawing(why.actual, why.expected)),
      fact("Score", `${Math.round(anomaly.score_percent)} of 100`),
      fact("Rests on", `${count(why.observations)} observations, ${count(why.learned_from)} learned from`),
      fact("Found by", anomaly.detector)),
    why.contributions.length > 0 && h("table", { class: "contributions" },
      h("caption", {}, "What the anomalous calls have in common"),
      h("thead", {}, h("tr", {}, ...["Dimension", "Value", "Share now", "Usually"].map((name) =>
        h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...why.contributions.map((part) => h("tr", {},
        h("td", {}, part.dimension),
        h("td", { class: "code" }, part.value),
        h("td", {}, share(part.share_ratio, "share now")),
        h("td", {}, share(part.usual_share_ratio, "share usually")))))),
    h("p", {}, h("a", { href: `#/logs${query({ ...evidence })}` }, "Show the records behind this")));
}

function share(ratio: number, label: string): HTMLElement {
  return h("span", { class: "share" },
    h("meter", { min: 0, max: 1, value: ratio, "aria-label": label }),
    percent(ratio));
}

function fact(name: string, value: string, kind = "", drawing: Node | null = null): HTMLElement {
  return h("div", { class: kind || null }, h("dt", {}, name), h("dd", {}, value, drawing && " ", drawing));
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
