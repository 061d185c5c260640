// Keeps the page current: asks every two seconds, and at once when the WebSocket says something
// happened. The page works without the WebSocket, and says which of the two it lives on.

import type { LiveCall, LiveMessage } from "./api.ts";
import { Failure, token } from "./api.ts";

const POLL_MS = 2_000;
/** Not more often than this, however much happens. */
const SOON_MS = 300;
const SLOWEST_RETRY_MS = 30_000;

export type Connection = "connecting" | "live" | "polling" | "lost" | "locked";

export interface Listener {
  /** Brings everything that is shown up to date. */
  refresh(): Promise<void>;
  connection(state: Connection, lostSince: Date | null): void;
  call(call: LiveCall): void;
  missed(events: number): void;
}

export class Live {
  private socket: WebSocket | null = null;
  private socketOpen = false;
  private retryMs = 1_000;
  private timer = 0;
  private asking = false;
  private again = false;
  private lostSince: Date | null = null;

  constructor(private readonly listener: Listener) {
    document.addEventListener("visibilitychange", () => {
      // A page that nobody sees asks for nothing.
      if (document.hidden) this.disconnect();
      else this.start();
    });
  }

  start(): void {
    this.connect();
    void this.poll();
  }

  /** Something changed: do not wait for the next poll. */
  soon(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.poll(), SOON_MS);
  }

  private async poll(): Promise<void> {
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
        this.lostSince ??= new Date();
        this.tell();
      }
    }
    this.asking = false;
    if (this.again) wait = SOON_MS;
    this.again = false;
    if (wait && !document.hidden) this.timer = window.setTimeout(() => void this.poll(), wait);
  }

  private tell(): void {
    const state = this.lostSince ? "lost" : this.socketOpen ? "live" : "polling";
    this.listener.connection(state, this.lostSince);
  }

  private connect(): void {
    // A browser cannot send a token with a WebSocket: such a page polls.
    if (this.socket || token.get()) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live?calls_per_second=2`);
    this.socket = socket;
    socket.onopen = () => {
      this.socketOpen = true;
      this.retryMs = 1_000;
      this.soon();
    };
    socket.onmessage = (event) => this.hear(JSON.parse(String(event.data)) as LiveMessage);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.socketOpen = false;
      if (document.hidden) return;
      window.setTimeout(() => { if (!document.hidden) this.connect(); }, this.retryMs);
      this.retryMs = Math.min(SLOWEST_RETRY_MS, this.retryMs * 2);
    };
  }

  private hear(message: LiveMessage): void {
    if (message.type === "call") this.listener.call(message);
    else if (message.type === "lagged") this.listener.missed(message.missed);
    else if (message.type === "anomaly" || message.type === "alert") this.soon();
  }

  private disconnect(): void {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    this.socketOpen = false;
    socket?.close();
  }
}
