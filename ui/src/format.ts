// Numbers and times for people.

const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const NOT_KNOWN = "–";
const THIN = "\u202f";

export function count(value: number): string {
  return value < 100_000 ? whole.format(value) : compact.format(value);
}

export function rate(value: number | null): string {
  if (value === null) return NOT_KNOWN;
  if (value > 0 && value < 0.01) return "<0.01";
  return value >= 100 ? count(value) : few.format(value);
}

export function seconds(value: number | null): string {
  if (value === null) return NOT_KNOWN;
  const size = Math.abs(value);
  if (size === 0) return `0${THIN}s`;
  if (size < 0.001) return `${few.format(value * 1e6)}${THIN}µs`;
  if (size < 1) return `${few.format(value * 1e3)}${THIN}ms`;
  return `${size >= 100 ? whole.format(value) : few.format(value)}${THIN}s`;
}

export function percent(ratio: number | null): string {
  if (ratio === null) return NOT_KNOWN;
  const value = ratio * 100;
  if (value > 0 && value < 0.01) return `<0.01${THIN}%`;
  return `${value >= 10 ? whole.format(value) : few.format(value)}${THIN}%`;
}

/** A value in the unit the API names. */
export function inUnit(value: number | null, unit: string): string {
  if (value === null) return NOT_KNOWN;
  if (unit === "s") return seconds(value);
  if (unit === "ratio") return percent(value);
  return `${rate(value)}${THIN}${unit}`;
}

export function band(lower: number | null, upper: number | null, unit: string): string {
  if (lower === null && upper === null) return "anything";
  if (lower === null) return `up to ${inUnit(upper, unit)}`;
  if (upper === null) return `at least ${inUnit(lower, unit)}`;
  return `${inUnit(lower, unit)} to ${inUnit(upper, unit)}`;
}

export function lasting(value: number): string {
  const total = Math.max(0, Math.floor(value));
  if (total < 60) return `${total} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The time of day here; with the day when it is not today. */
export function clock(text: string, milliseconds = false): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const fraction = milliseconds ? `.${String(time.getMilliseconds()).padStart(3, "0")}` : "";
  const today = time.toDateString() === new Date().toDateString();
  return `${today ? "" : `${dayFormat.format(time)} `}${clockFormat.format(time)}${fraction}`;
}

export function service(of: { namespace: string; service: string }): string {
  return of.namespace ? `${of.namespace}/${of.service}` : of.service;
}

export function operation(of: { method?: string; route?: string }): string {
  return of.method ? `${of.method} ${of.route ?? ""}` : (of.route ?? "");
}
