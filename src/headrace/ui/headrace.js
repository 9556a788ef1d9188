/**
 * headrace.js: read a model's answer, while it is being written, from a headrace gateway.
 *
 * One ES module: no build step, nothing to install. It runs in browsers and in Node 20 or newer.
 *
 *     import { streamChat } from "/headrace.js";
 *
 *     for await (const event of streamChat({ prompt: "Write a haiku" })) {
 *       if (event.type === "text") output.append(event.text);
 *     }
 *
 * The laws it keeps:
 *
 * - Leaving ends the model. `break`, `return`, a throw out of the loop, or aborting the signal closes the connection
 *   at once, also before the first token and while the server is silent; the gateway then stops the model.
 * - Never success by default. An answer is complete only when the server said `[DONE]`; anything else throws a
 *   `HeadraceError`, and what had arrived is in its `partial`.
 * - The bytes may be cut anywhere: inside a character, a line end, a frame. The events are the same.
 * - Linear. The work for a piece of the stream depends on that piece, never on what came before it, and what is held
 *   of an unfinished frame is bounded.
 *
 * @module headrace
 */

/** The most that is held of one unfinished server-sent event, in characters: 16 Mi. */
export const MAX_PENDING_CHARS = 16 * 1024 * 1024;

/** The most that is read of an error's body, in bytes; what is longer is a web page rather than a message. */
const MAX_ERROR_BYTES = 64 * 1024;

/** How long the server may take to close the connection after `[DONE]` before we do it. */
const LINGER_MS = 1000;

const BOM = 0xfeff;
const SPACE = 0x20;

/**
 * What went wrong, as the gateway tells it. Fields that are not listed here may be present too.
 *
 * @typedef {object} ErrorInfo
 * @property {string} type A stable word, such as `authentication`, `rate_limit`, `truncated`, `gateway_unreachable`.
 * @property {string} message A sentence for a person.
 * @property {number | null} [status] The HTTP status that the provider answered with.
 * @property {string | null} [code] The provider's own word.
 * @property {string | null} [request_id]
 * @property {number | null} [retry_after_s]
 */

/**
 * Token counts as the provider gave them.
 *
 * @typedef {object} Usage
 * @property {number | null} [input_tokens]
 * @property {number | null} [output_tokens]
 * @property {number | null} [cached_input_tokens]
 * @property {number | null} [reasoning_tokens]
 * @property {number | null} [total_tokens]
 * @property {boolean} [estimated] True when these are not the provider's figures but an estimate.
 */

/** @typedef {{code: string, text: string}} Warning */

/**
 * How an answer ended.
 *
 * @typedef {"complete" | "length" | "tool_calls" | "filtered" | "refused" | "paused" | "stopped" | "cancelled"
 *   | "timeout" | "truncated" | "failed"} Outcome
 */

/**
 * Who answers; comes before the text if the server says so early, and again if that changes.
 *
 * @typedef {{type: "start", model?: string, simulated: boolean}} StartEvent
 */
/** @typedef {{type: "text", text: string}} TextEvent */
/**
 * The last event of an answer that came to its end.
 *
 * @typedef {{type: "end", outcome: Outcome, usage?: Usage, model?: string, simulated: boolean,
 *   warnings: Warning[]}} EndEvent
 */
/** @typedef {StartEvent | TextEvent | EndEvent} ChatEvent */

/** One server-sent event. @typedef {{event: string, data: string, id: string}} ServerSentEvent */

/** An answer that could not be had, or not whole. */
export class HeadraceError extends Error {
  /**
   * @param {ErrorInfo} info
   * @param {{status?: number | null, partial?: string, cause?: unknown}} [more]
   */
  constructor(info, { status = null, partial = "", cause } = {}) {
    super(info.message, cause === undefined ? undefined : { cause });
    this.name = "HeadraceError";
    /** The error object of the gateway, or one of the same shape made here. */
    this.info = info;
    /** The HTTP status, the gateway's or the provider's; null when there was none. */
    this.status = status;
    /** The text that had arrived before the error. */
    this.partial = partial;
  }
}

/**
 * An incremental parser of `text/event-stream`, to the WHATWG standard.
 *
 * Feed one stream to one parser, either as text or as bytes. `finish()` ends the stream and makes the parser ready
 * for the next one, which goes on with the same last event id, as a reconnection does.
 */
export class SSEParser {
  #maxPendingChars;
  // The BOM is stripped below, where text and bytes meet: a decoder that strips one too would make it two.
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #atStart = true;
  // A line ended with the last character seen, a CR: an LF that follows belongs to it.
  #afterCR = false;
  /** @type {string[]} The pieces of the line that has not ended yet. Joined once. */
  #linePieces = [];
  #lineChars = 0;
  /** @type {string[]} The data lines of the block that has not ended yet. */
  #data = [];
  #dataChars = 0;
  #type = "";
  #id = "";
  /** @type {HeadraceError | null} */
  #failure = null;

  /**
   * @param {{maxPendingChars?: number}} [options] `maxPendingChars` bounds what is held of one unfinished event.
   */
  constructor({ maxPendingChars = MAX_PENDING_CHARS } = {}) {
    this.#maxPendingChars = maxPendingChars;
    /** The id of the last event, for a `Last-Event-ID` header. */
    this.lastEventId = "";
    /** @type {number | null} How long the server asks to wait before a reconnection. */
    this.retryMs = null;
  }

  /**
   * Take the next bytes, cut anywhere. Bytes that are no UTF-8 become U+FFFD.
   *
   * @param {Uint8Array} bytes
   * @returns {ServerSentEvent[]} The events that these bytes completed.
   * @throws {HeadraceError} As `push` does.
   */
  pushBytes(bytes) {
    return this.push(this.#decoder.decode(bytes, { stream: true }));
  }

  /**
   * Take the next characters, cut anywhere.
   *
   * @param {string} text
   * @returns {ServerSentEvent[]} The events that this text completed.
   * @throws {HeadraceError} `frame_too_large`, when an event is larger than the bound. Events that were complete before
   *   it are returned first: then the next call throws.
   */
  push(text) {
    if (this.#failure !== null) throw this.#failure;
    /** @type {ServerSentEvent[]} */
    const events = [];
    this.#read(text, events);
    if (this.#failure !== null && events.length === 0) throw this.#failure;
    return events;
  }

  /**
   * End the stream. A block without its blank line is dropped, as the standard has it: it may be incomplete.
   *
   * @throws {HeadraceError} When the stream had run over the bound and no call has said so yet.
   */
  finish() {
    if (this.#failure !== null) throw this.#failure;
    this.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.#atStart = true;
    this.#afterCR = false;
    this.#linePieces = [];
    this.#lineChars = 0;
    this.#data = [];
    this.#dataChars = 0;
    this.#type = "";
    this.#id = this.lastEventId;
  }

  /**
   * @param {string} text
   * @param {ServerSentEvent[]} events
   */
  #read(text, events) {
    if (text === "") return;
    let at = 0;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === BOM) at = 1;
    } else if (this.#afterCR) {
      this.#afterCR = false;
      if (text.charCodeAt(0) === 0x0a) at = 1;
    }
    // Only CR and LF end a line. Each is looked up from where it was last found, so that every character is looked at
    // a fixed number of times, however many lines a piece has.
    let cr = text.indexOf("\r", at);
    let lf = text.indexOf("\n", at);
    while (cr !== -1 || lf !== -1) {
      const endsWithCR = cr !== -1 && (lf === -1 || cr < lf);
      const end = endsWithCR ? cr : lf;
      if (!this.#hold(text.slice(at, end))) return;
      this.#endLine(events);
      at = end + 1;
      if (!endsWithCR) {
        lf = text.indexOf("\n", at);
        continue;
      }
      cr = text.indexOf("\r", at);
      if (at === text.length) {
        this.#afterCR = true;
      } else if (lf === at) {
        at += 1;
        lf = text.indexOf("\n", at);
      }
    }
    this.#hold(text.slice(at));
  }

  /**
   * Keep a piece of the line, unless the event grows over the bound with it.
   *
   * @param {string} piece
   * @returns {boolean}
   */
  #hold(piece) {
    if (piece === "") return true;
    this.#linePieces.push(piece);
    this.#lineChars += piece.length;
    if (this.#lineChars + this.#dataChars <= this.#maxPendingChars) return true;
    this.#linePieces = [];
    this.#data = [];
    this.#failure = new HeadraceError({
      type: "frame_too_large",
      message: `A single event of the stream is larger than ${this.#maxPendingChars} characters; reading was stopped.`,
    });
    return false;
  }

  /** @param {ServerSentEvent[]} events */
  #endLine(events) {
    const line = this.#linePieces.length === 1 ? this.#linePieces[0] : this.#linePieces.join("");
    this.#linePieces = [];
    this.#lineChars = 0;
    if (line === "") {
      this.#endBlock(events);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // A comment.
    const name = colon === -1 ? line : line.slice(0, colon);
    // At most one space after the colon belongs to the syntax.
    const value = colon === -1 ? "" : line.slice(line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1);
    switch (name) {
      case "data":
        this.#data.push(value);
        // One more for the line end, so that endless empty data lines meet the bound as well.
        this.#dataChars += value.length + 1;
        break;
      case "event":
        this.#type = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^[0-9]+$/.test(value)) this.retryMs = Number(value);
        break;
      default: // Unknown fields are ignored.
    }
  }

  /** @param {ServerSentEvent[]} events */
  #endBlock(events) {
    this.lastEventId = this.#id;
    if (this.#data.length > 0) {
      events.push({ event: this.#type || "message", data: this.#data.join("\n"), id: this.lastEventId });
      this.#data = [];
      this.#dataChars = 0;
    }
    this.#type = "";
  }
}

/**
 * @typedef {object} ChatOptions
 * @property {string} prompt
 * @property {string} [model] Such as `openai/gpt-4o-mini`; without it the gateway chooses.
 * @property {string} [system]
 * @property {number} [maxTokens]
 * @property {string | URL} [url] Where the gateway listens.
 * @property {AbortSignal} [signal] Aborting it closes the connection, which stops the model; the loop then throws the
 *   signal's reason (an `AbortError`, unless another one was given).
 * @property {typeof globalThis.fetch} [fetch] To be used instead of the global one.
 */

/**
 * Ask once, and yield the answer as it arrives. Nothing is sent before the first event is asked for.
 *
 * Ignore events of a type that you do not know: later versions may add some.
 *
 * @param {ChatOptions} options
 * @returns {AsyncGenerator<ChatEvent, void, void>} `text` events, and one `end` event at last. A `start` event comes
 *   before them where the server says early who answers.
 * @throws {HeadraceError} While iterating: when the server cannot be reached, answers with an HTTP error, sends an
 *   error inside the stream, or ends the stream without `[DONE]`.
 */
export function streamChat(options) {
  const run = { closing: new AbortController(), left: false, finished: false };
  const events = chatEvents(options, run);
  // A generator's own return() waits for a pending next(), and on a silent stream that is for ever. So the connection
  // is closed first, which wakes the one that waits.
  const close = () => {
    if (!run.finished) run.closing.abort();
  };
  const generator = {
    next: () => events.next(),
    return: () => {
      run.left = true;
      close();
      return events.return();
    },
    /** @param {unknown} error */
    throw: (error) => {
      close();
      return events.throw(error);
    },
    [Symbol.asyncIterator]: () => generator,
    [Symbol.toStringTag]: "streamChat",
  };
  return /** @type {AsyncGenerator<ChatEvent, void, void>} */ (/** @type {unknown} */ (generator));
}

/**
 * @param {ChatOptions} options
 * @param {{closing: AbortController, left: boolean, finished: boolean}} run
 * @returns {AsyncGenerator<ChatEvent, void, void>}
 */
async function* chatEvents(options, run) {
  const { prompt, model, system, maxTokens, url = "/chat/stream", signal, fetch: send = globalThis.fetch } = options;
  const { closing } = run;
  const onAbort = () => closing.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener("abort", onAbort, { once: true });
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  let reader;
  const answer = new Answer();
  try {
    const response = await open(send, url, closing.signal, { prompt, model, system, max_tokens: maxTokens });
    const parser = new SSEParser();
    reader = response.body?.getReader();
    while (!run.finished) {
      for (const { data } of await nextEvents(reader, parser, closing.signal)) {
        run.finished = data.trim() === "[DONE]";
        if (run.finished) break;
        for (const event of answer.take(data)) {
          yield event;
          // Aborted while the caller held that event: what was read already is not wanted any more.
          closing.signal.throwIfAborted();
        }
      }
    }
    yield answer.end();
  } catch (error) {
    if (run.left) return;
    // The browsers wrap an abort in errors of several kinds. The caller gets the reason that it gave.
    signal?.throwIfAborted();
    if (error instanceof HeadraceError) error.partial = answer.text;
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (run.finished && reader !== undefined) void letGo(reader, closing);
    else closing.abort();
  }
}

/** What has arrived of one answer. */
class Answer {
  text = "";
  simulated = false;
  /** @type {string | undefined} */
  #model;
  /** @type {Outcome} `[DONE]` without a word about the outcome comes from servers that only send what went well. */
  #outcome = "complete";
  /** @type {Usage | undefined} */
  #usage;
  /** @type {Warning[]} */
  #warnings = [];

  /**
   * Take one frame.
   *
   * @param {string} data
   * @returns {ChatEvent[]}
   * @throws {HeadraceError} When the frame says that the answer failed, or is none.
   */
  take(data) {
    const frame = jsonObject(data);
    if (frame.error) {
      const info = errorInfo(frame.error, "provider", "The answer failed; the server did not say why.");
      throw new HeadraceError(info, { status: info.status ?? null });
    }
    /** @type {ChatEvent[]} */
    const events = [];
    const model = typeof frame.model === "string" ? frame.model : this.#model;
    const simulated = typeof frame.simulated === "boolean" ? frame.simulated : this.simulated;
    const news = model !== this.#model || simulated !== this.simulated;
    this.#model = model;
    this.simulated = simulated;
    if (frame.usage) this.#usage = frame.usage;
    if (Array.isArray(frame.warnings)) this.#warnings.push(...frame.warnings);
    if (typeof frame.outcome === "string") this.#outcome = /** @type {Outcome} */ (frame.outcome);
    else if (news) events.push({ type: "start", ...(model === undefined ? {} : { model }), simulated });
    if (typeof frame.content === "string" && frame.content !== "") {
      this.text += frame.content;
      events.push({ type: "text", text: frame.content });
    }
    return events;
  }

  /** @returns {EndEvent} */
  end() {
    return {
      type: "end",
      outcome: this.#outcome,
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
      simulated: this.simulated,
      warnings: this.#warnings,
    };
  }
}

/**
 * @param {string} data
 * @returns {Record<string, any>}
 * @throws {HeadraceError}
 */
function jsonObject(data) {
  const value = jsonOrUndefined(data);
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  const start = data.length > 80 ? `${data.slice(0, 80)}…` : data;
  throw new HeadraceError({ type: "wire", message: `The server sent a frame that is no JSON object: ${start}` });
}

/**
 * Send the request; hand back a response that is a stream of events.
 *
 * @param {typeof globalThis.fetch} send
 * @param {string | URL} url
 * @param {AbortSignal} signal
 * @param {Record<string, unknown>} body Fields that are undefined are not sent.
 * @returns {Promise<Response>}
 */
async function open(send, url, signal, body) {
  /** @type {Response} */
  let response;
  try {
    response = await send(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(body),
      cache: "no-store",
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    throw new HeadraceError({ type: "gateway_unreachable", message: "The gateway could not be reached." }, { cause });
  }
  const mediaType = (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (response.ok && mediaType === "text/event-stream") return response;
  const said = jsonOrUndefined(await readSome(response, MAX_ERROR_BYTES));
  const message = response.ok
    ? `The server sent ${mediaType || "something without a type"} where a stream of events was expected.`
    : `The server answered ${response.status} ${response.statusText}`.trim() + ".";
  const info = errorInfo(said?.error, "unexpected_response", message);
  throw new HeadraceError(info, { status: response.ok ? (info.status ?? null) : response.status });
}

/**
 * Wait for the next piece of the stream.
 *
 * @param {ReadableStreamDefaultReader<Uint8Array> | undefined} reader
 * @param {SSEParser} parser
 * @param {AbortSignal} signal
 * @returns {Promise<ServerSentEvent[]>}
 */
async function nextEvents(reader, parser, signal) {
  /** @type {unknown} */
  let cause;
  /** @type {Uint8Array | undefined} */
  let bytes;
  try {
    bytes = (await reader?.read())?.value;
  } catch (error) {
    signal.throwIfAborted();
    cause = error;
  }
  if (bytes !== undefined) return parser.pushBytes(bytes);
  parser.finish();
  const message = "The connection was cut before the answer was complete.";
  throw new HeadraceError({ type: "truncated", message }, { cause });
}

/**
 * Read to the end of a finished answer, so that the connection can be used again; close it if the end does not come.
 *
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortController} closing
 */
async function letGo(reader, closing) {
  const timer = setTimeout(() => closing.abort(), LINGER_MS);
  try {
    while (!(await reader.read()).done);
  } catch {
    // The answer was complete: how the connection ended after it is nobody's concern.
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Response} response
 * @param {number} maxBytes
 * @returns {Promise<string>} The start of the body, as far as it can be had.
 */
async function readSome(response, maxBytes) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let bytes = 0; reader !== undefined && bytes < maxBytes; ) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // The status says enough; half a message says no more.
  }
  return text;
}

/**
 * @param {string} text
 * @returns {any}
 */
function jsonOrUndefined(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Make sure that an error has a type and a message.
 *
 * @param {any} error An error object, or whatever stands in its place.
 * @param {string} type
 * @param {string} message
 * @returns {ErrorInfo}
 */
function errorInfo(error, type, message) {
  if (error === null || typeof error !== "object") return { type, message: String(error || message) };
  return { ...error, type: String(error.type || type), message: String(error.message || message) };
}
