/** The JSON API as the pages use it. Failures become `Refusal`s, whose message is a sentence for the person. */

export interface Playground {
  name: string;
  title?: string;
  description?: string;
  state: "ready" | "making" | "missing";
  progress?: string | null;
}

export interface SessionView {
  id: string;
  url: string;
  state: string;
  expires_at: string;
  /** Once it has ended: why. */
  end_reason?: string | null;
}

export interface TerminalTicket {
  id: string;
  ws_url: string;
}

export interface TerminalView {
  id: string;
  instance: string;
  state: "open" | "ended";
}

/** A request that was not granted. `status` 0 means that nobody answered. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Seconds to wait, if the server said so. */
    readonly retryAfter?: number,
    /** The problem's stable type. */
    readonly problem?: string,
  ) {
    super(message);
  }
}

/** Sends a request and gives the JSON of the answer (undefined if it has none). Throws `Refusal`. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await reach(method, path, body);
  if (!response.ok) {
    throw await refusal(response);
  }
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function reach(method: string, path: string, body: unknown): Promise<Response> {
  const request: RequestInit = { method, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    request.headers = { "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, request);
  } catch {
    throw new Refusal(0, "The service cannot be reached. Check your connection.");
  }
}

async function refusal(response: Response): Promise<Refusal> {
  const problem = await problemOf(response);
  const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
  const sentence = problem.detail ?? problem.title ?? `The service answered ${response.status}.`;
  const wait = Number.isFinite(retryAfter) ? retryAfter : undefined;
  return new Refusal(response.status, withWait(sentence, wait), wait, problem.type);
}

async function problemOf(response: Response): Promise<{ type?: string; title?: string; detail?: string }> {
  if (!(response.headers.get("content-type") ?? "").includes("json")) {
    return {};
  }
  return response.json().catch(() => ({}));
}

/** `sentence`, with when to try again. */
export function withWait(sentence: string, seconds?: number): string {
  const text = asSentence(sentence);
  if (seconds === undefined || seconds <= 0) {
    return text;
  }
  const span = seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
  return `${text} Try again in ${span}.`;
}

/** `text` with a capital letter and a full stop. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/** The playgrounds of this node. */
export async function playgrounds(): Promise<Playground[]> {
  return (await call<{ playgrounds: Playground[] }>("GET", "/api/v1/playgrounds")).playgrounds;
}

/** Starts a session of `playground`, or of the one that the service chooses. */
export function startSession(playground: string | undefined): Promise<SessionView> {
  return call("POST", "/api/v1/sessions", { playground });
}
