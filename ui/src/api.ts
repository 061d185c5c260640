// The words of the API that the page uses, and how it asks. See docs/openapi.json.

export type ApiState = "learning" | "ok" | "at-risk" | "anomalous" | "silent" | "paused";
export interface Band { lower: number | null; upper: number | null }
export interface Signal {
  actual: number | null; typical: number | null; expected: Band | null; score: number;
}
export interface Api {
  id: string; environment: string; namespace: string; service: string;
  method: string; route: string; state: ApiState; reason: string;
  score: number; score_percent: number; source: string;
  calls_per_second: number; error_ratio: number;
  latency_p50_seconds: number | null; latency_p95_seconds: number | null;
  latency_p99_seconds: number | null;
  signals: { calls_per_second: Signal; error_ratio: Signal; latency_seconds: Signal };
  calls_total: number; errors_total: number; first_seen: string; last_seen: string;
}
export interface Contribution {
  dimension: string; value: string; share_ratio: number; usual_share_ratio: number;
}
export interface Anomaly {
  id: string;
  subject: {
    environment: string; namespace: string; service: string;
    api_id?: string; method?: string; route?: string; name: string;
  };
  measure: string; template_id?: string; detector: string; direction: "above" | "below";
  open: boolean; start: string; detected: string; end: string | null;
  duration_seconds: number; score: number; score_percent: number;
  severity_percent: number;
  explanation: {
    unit: string; typical: number | null; actual: number | null; expected: Band;
    observations: number; learned_from: number; contributions: Contribution[]; why: string;
  };
  evidence: { query: string; from: string; to: string };
}
export interface Alert {
  id: string; state: "pending" | "firing" | "resolved";
  severity: "info" | "warning" | "critical";
  labels: Record<string, string>; annotations: Record<string, string>;
  starts_at: string; ends_at: string | null; anomalies: Anomaly[];
}
export interface ApiDetail { api: Api; anomalies: Anomaly[]; alerts: Alert[] }
export interface Service {
  environment: string; namespace: string; service: string; score: number; apis: number;
  apis_by_state: Partial<Record<ApiState, number>>;
  calls_per_second: number; error_ratio: number;
  logs_per_second: number | null; log_error_ratio: number | null;
  logs_total: number; log_errors_total: number; templates: number; last_seen: string;
}
export interface Environment {
  name: string; kind: string; provider: string | null; region: string | null;
  zone: string | null; cluster: string | null; score: number; services: number; apis: number;
  apis_by_state: Partial<Record<ApiState, number>>;
  calls_per_second: number; error_ratio: number;
}
export interface Stream {
  environment: string; namespace: string; service: string; stream: string;
  format: string | null; format_changes: number; records: number;
  unrecognised: {
    records: number; by_reason: { reason: string; records: number }[];
    examples: string[]; message: string | null;
  };
  duration_unit: string | null; last_seen: string;
}
export interface Status {
  headline: string; version: string; revision: string | null; ready: boolean;
  not_ready_reason: string | null; now: string; watermark: string | null;
  counts: {
    environments: number; services: number; apis: number;
    apis_by_state: Partial<Record<ApiState, number>>;
    anomalies_open: number; alerts_firing: number; observations: number; late: number;
    future: number; overflowed: number;
  };
  ingest: {
    streams: number; streams_unrecognised: number; records: number;
    records_unrecognised: number; templates: number;
  };
}
export interface JourneyHop {
  environment: string; service: string; operation: string; share: number; drop_off: number;
  own_seconds: number; budget_seconds: number | null; budget_used: number | null;
}
/** In an environment, or on the wire to another one. */
export interface TimeSpent { environment: string; to: string | null; seconds: number }
export interface JourneyType {
  id: string; name: string; environment: string; service: string; operation: string;
  window_seconds: number; journeys: number; journeys_per_second: number; success: number;
  p50_seconds: number | null; p95_seconds: number | null; p99_seconds: number | null;
  incomplete: number; stuck: number; retried: number; duplicated: number; inferred: number;
  confidence: number; hops: JourneyHop[]; time: TimeSpent[]; total: number;
  experience: { apdex: number | null; apdex_usually: number } | null; failure_chance: number | null;
}
export interface LateJourney {
  trace_id: string | null; type: string | null; name: string | null; began: string;
  age_seconds: number; p99_seconds: number | null; hops: number; last: string;
}
export interface Journeys { late: LateJourney[]; in_flight: number; types: number }
export interface Forecast { expected: number; low: number; high: number }
export interface JourneyImpact {
  type: string; name: string; journeys_per_second: number; hurt: number; usually: number;
  apdex: number; apdex_usually: number; so_far: number;
}
export interface BudgetImpact {
  environment: string; namespace: string; service: string; objective: string; weight: number;
  spent: number; left: number; gone: string | null;
}
export interface Impact {
  calls_per_second: number; affected: number; usually: number; next_minute: Forecast;
  later: { horizon_seconds: number; lasts_ratio: number; affected: Forecast }[];
  users: {
    journeys_so_far: number; apdex: number | null; apdex_usually: number | null;
    journeys: JourneyImpact[]; budgets: BudgetImpact[];
  } | null;
}
export interface Incident {
  id: string; open: boolean; began: string; ended: string | null; duration_seconds: number;
  services: { name: string }[]; suspects: { workload: { name: string }; why: string }[];
  scope: string; impact: Impact | null; changes: { at: string; summary: string }[];
}
export interface Risk {
  id: string; subject: { name: string }; statistic: string; unit: string; limit: number | null;
  actual: number | null; open: boolean; stated: string; expected: string; earliest: string;
  latest: string | null; probability: number; first_expected: string; first_probability: number;
  ended: string | null; outcome: string | null; why: string;
}
export interface FailureRecord {
  horizon_seconds: number; judged: number; failed: number; brier: number | null;
  base_brier: number | null;
  reliability: { judged: number; said_ratio: number | null; came_ratio: number | null }[];
}
export interface TrackRecord {
  risks: {
    stated: number; came: number; averted: number; not_come: number; missed: number;
    in_time: number; mean_lead_seconds: number | null; brier: number | null;
  };
  failures: FailureRecord; journeys: FailureRecord;
  forecasts: {
    measure: string; horizon_seconds: number; scored: number; stretches: number;
    coverage_ratio: number | null;
    relative_error: number | null;
  }[];
}
export interface Predictions {
  risks: Risk[]; journeys: { type: string; name: string; probability: number }[];
  track_record: TrackRecord;
}
export interface LogRecord {
  id: string; kind: "log" | "span"; time: string; environment: string; namespace: string;
  service: string; instance: string; severity: string | null; format: string | null;
  text: string; template: string | null; trace_id: string | null; span_id: string | null;
  attributes: Record<string, string | number | boolean | null>;
}
export interface SearchPage { total: number; records: LogRecord[]; took_seconds: number }
export interface Histogram {
  step_seconds: number; buckets: { start: string; records: number }[];
}
export interface Facets { field: string; values: { value: string; records: number }[] }
export interface Trace {
  trace_id: string; total: number; services: string[]; start: string;
  duration_seconds: number; records: LogRecord[];
}
export interface Listing<T> { at: string | null; total: number; items: T[] }
export interface Problem {
  title: string; status: number; detail: string; parameter?: string; position?: number;
  hint?: string;
}
export type TailMessage =
  | ({ type: "record" } & LogRecord)
  | { type: "skipped"; records: number }
  | { type: "failed"; problem: Problem };
export interface LiveCall {
  service: string; namespace: string; method: string; route: string;
  duration_seconds: number | null; status: string | null; outcome: string; skipped: number;
}
export type LiveMessage =
  | { type: "hello" }
  | ({ type: "call" } & LiveCall)
  | { type: "anomaly" } | { type: "alert" }
  | { type: "lagged"; missed: number };

export type Parameters = Record<string, string | number | undefined>;

/** What the monitor, or the way to it, says is wrong. */
export class Failure extends Error {
  constructor(readonly status: number, readonly problem: Problem | null) {
    super(problem ? sentence(problem) : status ? `The monitor answered with HTTP ${status}.`
      : "The monitor does not answer.");
  }
}

function sentence(problem: Problem): string {
  const where = problem.position === undefined ? "" : ` at character ${problem.position}`;
  const hint = problem.hint ? ` ${problem.hint[0]?.toUpperCase()}${problem.hint.slice(1)}.` : "";
  return `${problem.detail[0]?.toUpperCase()}${problem.detail.slice(1)}${where}.${hint}`;
}

const TOKEN = "crosswatch-token";

/** For monitors that ask for one. Kept until the tab closes. */
export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN),
  set: (value: string): void => sessionStorage.setItem(TOKEN, value),
};

export function query(parameters: Parameters): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

async function ask(path: string, parameters: Parameters, signal?: AbortSignal): Promise<Response> {
  const headers = new Headers();
  const secret = token.get();
  if (secret) headers.set("authorization", `Bearer ${secret}`);
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}${query(parameters)}`, { headers, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(0, null);
  }
  if (response.ok) return response;
  let problem: Problem | null = null;
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "detail" in body) problem = body as Problem;
  } catch { /* whatever is between us and the monitor answered, without a problem document */ }
  throw new Failure(response.status, problem);
}

export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, parameters, signal);
  return await response.json() as T;
}

/** Server-Sent Events through fetch, because EventSource cannot send a token. */
export async function tail(
  parameters: Parameters, signal: AbortSignal, each: (message: TailMessage) => void,
): Promise<void> {
  const response = await ask("search/tail", parameters, signal);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let unread = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    unread += value;
    const lines = unread.split("\n");
    unread = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) each(JSON.parse(line.slice(5)) as TailMessage);
    }
  }
}
