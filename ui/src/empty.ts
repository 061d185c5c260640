// What someone sees before anything has been received: how to send something.

import { h } from "./dom.ts";

export function empty(): HTMLElement {
  const host = location.hostname || "localhost";
  return h("section", { class: "empty", "aria-labelledby": "empty-title" },
    h("h2", { id: "empty-title" }, "Send something, and its Apis appear here"),
    h("p", {}, "Nothing has been received yet. There is nothing to configure: formats, routes and what is normal are learned from what comes. Any one of these will do:"),
    way("Applications with OpenTelemetry",
      `OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
      `Set these and restart the application. For gRPC: http://${host}:4317.`),
    way("Log files on this machine", "crosswatch monitor --follow '/var/log/myapp/*.log'",
      "Follows files by name, also through rotation. Most log formats are recognised."),
    way("Anything that speaks HTTP", `curl --data-binary @myapp.jsonl \\\n  http://${host}:4318/insert/jsonline`,
      "One JSON object a line, with whatever fields there are."),
    way("Just looking", "crosswatch demo", "An invented platform on a small Kubernetes, and a fault when all is learned."));
}

function way(title: string, code: string, more: string): HTMLElement {
  return h("article", {}, h("h3", {}, title),
    h("pre", { tabindex: 0, "aria-label": `command: ${title}` }, code), h("p", { class: "muted" }, more));
}
