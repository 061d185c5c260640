// The page: one sentence on top, then the Apis by trouble, and what leads to why.

import type { Alert, Api, Environment, Incident, JourneyType, Journeys, Listing, LiveCall, Predictions, Service, Status, Stream } from "./api.ts";
import { get, token } from "./api.ts";
import { ApiTable } from "./apis.ts";
import { byId, h, setAttribute, setText } from "./dom.ts";
import { empty } from "./empty.ts";
import { clock, count, lasting, operation, seconds, service } from "./format.ts";
import { incidents } from "./incidents.ts";
import { journeys } from "./journeys.ts";
import type { Connection } from "./live.ts";
import { Live } from "./live.ts";
import { Logs, TraceView } from "./logs.ts";
import { alerts, environments, services, streams } from "./places.ts";
import { predictions } from "./predictions.ts";
import { icon, worst } from "./state.ts";

const MOST_APIS = 2_000;
const MOST_INCIDENTS = 50;

const main = byId("main");
const apiTable = new ApiTable();
const logs = new Logs();
const trace = new TraceView();
const servicePart = services();
const environmentPart = environments();
const journeyPart = journeys();
const incidentPart = incidents();
const predictionPart = predictions();
const alertPart = alerts();
const streamPart = streams();
const emptyPart = empty();

/** What the page shows, by the first part of the address after `#/`. */
const VIEWS: Record<string, HTMLElement> = {
  apis: apiTable.element,
  services: servicePart.element,
  environments: environmentPart.element,
  journeys: journeyPart.element,
  incidents: incidentPart.element,
  predictions: predictionPart.element,
  alerts: alertPart.element,
  logs: logs.element,
  streams: streamPart.element,
  trace: trace.element,
};

let view = "apis";
let isEmpty = false;

function route(): void {
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
  show();
  live.soon();
}

/** An address that someone typed may hold anything. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show(): void {
  const wanted = isEmpty && view === "apis" ? emptyPart : VIEWS[view] ?? apiTable.element;
  if (main.firstElementChild !== wanted || main.childElementCount !== 1) main.replaceChildren(wanted);
}

async function refresh(): Promise<void> {
  const status = await get<Status>("status");
  headline(status);
  const { counts, ingest } = status;
  isEmpty = counts.apis === 0 && counts.services === 0 && ingest.streams === 0;
  show();
  // Only what is on the screen is asked for.
  switch (view) {
    case "apis": {
      const listing = await get<Listing<Api>>("apis", { limit: MOST_APIS });
      apiTable.update(listing.items, listing.total);
      break;
    }
    case "services": servicePart.update((await get<Listing<Service>>("services")).items); break;
    case "environments": environmentPart.update((await get<Listing<Environment>>("environments")).items); break;
    case "journeys": {
      const [types, all] = await Promise.all([
        get<Listing<JourneyType>>("journeys/types"), get<Journeys>("journeys")]);
      note("journeys", all.late.length);
      // Those of `all` are only counted.
      journeyPart.update([{ ...all, types: types.items }]);
      break;
    }
    case "incidents": {
      const { items } = await get<Listing<Incident>>("incidents", { limit: MOST_INCIDENTS });
      note("incidents", items.filter((item) => item.open).length);
      incidentPart.update(items);
      break;
    }
    case "predictions": {
      const all = await get<Predictions>("predictions");
      note("predictions", all.risks.filter((risk) => risk.open).length);
      predictionPart.update([all]);
      break;
    }
    case "alerts": alertPart.update((await get<Listing<Alert>>("alerts")).items); break;
    case "streams": streamPart.update((await get<Listing<Stream>>("streams")).items); break;
  }
}

let spoken = "";

function headline(status: Status): void {
  const { counts, ingest } = status;
  const strip = byId("headline");
  const state = !status.ready ? "paused" : worst(counts.apis_by_state);
  if (strip.dataset.state !== state) {
    strip.dataset.state = state;
    byId("headline-icon").replaceChildren(icon(state));
  }
  setText(byId("sentence"), status.headline);
  // Read out when what is wrong changes, not each time that a duration grows.
  const essence = status.headline.replace(/, for [^)]*/g, "");
  if (essence !== spoken) setText(byId("announcer"), essence);
  spoken = essence;
  document.title = `${counts.anomalies_open ? `(${counts.anomalies_open}) ` : ""}Crosswatch`;

  const behind = status.watermark ? (Date.parse(status.now) - Date.parse(status.watermark)) / 1000 : 0;
  setText(byId("watermark"), !status.watermark ? "no data yet"
    : behind < 60 ? `judged up to ${clock(status.watermark)}`
    : `judged up to ${clock(status.watermark)}, ${lasting(behind)} ago: nothing newer has come`);
  setText(byId("counts"), `${count(counts.environments)} environments, ${count(counts.services)} services, ${count(ingest.records)} records`);
  setText(byId("version"), `Crosswatch ${status.version}`);
  note("alerts", counts.alerts_firing);
  note("streams", ingest.streams_unrecognised);
}

/** A number beside a link, when there is something to see there. */
function note(name: string, number: number): void {
  const place = document.querySelector(`nav a[href="#/${name}"] .note`);
  if (place) setText(place, number ? ` ${count(number)}` : "");
}

const CONNECTIONS: Record<Connection, string> = {
  connecting: "Connecting…",
  live: "Live",
  polling: "Every 2 s",
  lost: "No connection",
  locked: "Locked",
};

function connection(state: Connection, since: Date | null): void {
  const place = byId("connection");
  setAttribute(place, "data-connection", state);
  const lost = state === "lost" && since;
  setText(byId("connection-text"), lost ? `No connection since ${clock(since.toISOString())}` : CONNECTIONS[state]);
  setAttribute(place, "title", lost ? "What is shown was true then"
    : state === "polling" ? "Asking every two seconds; the live connection is not open" : null);
  document.body.classList.toggle("stale", state === "lost");
  if (state === "locked" && !document.getElementById("unlock")) main.replaceChildren(unlock());
}

function unlock(): HTMLElement {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const refused = token.get() !== null;
  return h("form", { id: "unlock", class: "unlock", submit: (event: Event) => {
    event.preventDefault();
    token.set(input.value.trim());
    // A fresh start: everything that failed for want of a token is asked again.
    location.reload();
  } },
    h("h2", {}, "This monitor asks for a token"),
    refused && h("p", { class: "error" }, "The token was not accepted."),
    h("label", { class: "field wide" }, h("span", {}, "Bearer token"), input),
    h("button", { type: "submit", class: "primary" }, "Open"),
    h("p", { class: "muted" }, "It is one of those given to crosswatch monitor with --token. This tab forgets it when it closes."));
}

function call(latest: LiveCall): void {
  const took = latest.duration_seconds === null ? "" : ` in ${seconds(latest.duration_seconds)}`;
  const status = latest.status ? ` ${latest.status}` : "";
  setText(byId("latest"), `${service(latest)} ${operation(latest)}${status}${took}`);
}

function missed(events: number): void {
  setText(byId("latest"), `${count(events)} live events missed: this browser was too slow`);
}

// The address is the view's: jumping to the content must not change it.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

const live = new Live({ refresh, connection, call, missed });
window.addEventListener("hashchange", route);
route();
live.start();
