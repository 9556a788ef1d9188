/**
 * The gateway's page: ask, read along, stop.
 *
 * The laws it keeps:
 *
 * - What a model wrote is text. It enters the page as the data of a text node, never as markup.
 * - At most one write to the page a frame, however fast the tokens come.
 * - The page scrolls along only while its reader is at the end.
 * - What had arrived stays, whatever happens after it.
 */

import { HeadraceError, streamChat } from "../headrace.js";

/** @typedef {"waiting" | "streaming" | "done" | "stopped" | "failed" | "cut"} State */
/** @typedef {import("../headrace.js").ErrorInfo} ErrorInfo */
/** @typedef {import("../headrace.js").EndEvent} EndEvent */

/** How often what waits is written while the page is hidden and has no frames. */
const HIDDEN_WRITE_MS = 250;

/** How often the running figures change. More often would be a flicker. */
const FIGURES_MS = 250;

/** What a token is taken for while nobody has counted them: so many characters. */
const CHARS_PER_TOKEN = 4;

/** Closer to the end than this, the reader is at the end. */
const NEAR_END_PX = 24;

/** @type {Record<State, string>} */
const STATE_TEXT = {
  waiting: "Waiting for the first token…",
  streaming: "Streaming",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
  cut: "Cut off",
};

/** Endings that are no failure and yet not what one expects. @type {Record<string, string>} */
const OUTCOME_TEXT = {
  length: "Done, at the length limit",
  tool_calls: "Done, with a tool call",
  filtered: "Ended by a content filter",
  refused: "The model declined",
  paused: "Paused by the provider",
  stopped: "Stopped by a limit",
  cancelled: "Cancelled",
};

const TRY_LATER = "This is on the provider's side. Try again in a moment.";
const OTHER_FORMAT = "Something between this page and the model answered in another format, perhaps a proxy.";
const INCOMPLETE = "The answer is incomplete; what had arrived stays above. Try again for a whole one.";
const WRONG_MODEL = "Check the name in the model field. The command “headrace models” lists those that are known.";
const WRONG_KEY = "Check the key in the environment of “headrace serve”, and start it again.";
const CHANGE_IT = "Change the question or the model: as it is, it would fail again.";

/** What a reader can do, by the type of the error. @type {Record<string, string>} */
const ADVICE = {
  gateway_unreachable: "Is “headrace serve” still running? Start it again, then try once more.",
  missing_key: WRONG_KEY,
  authentication: WRONG_KEY,
  permission_denied:
    "Check that your key may use this model, and that this page is open at the address that “headrace serve” printed.",
  not_found: WRONG_MODEL,
  unknown_provider: WRONG_MODEL,
  invalid_request: CHANGE_IT,
  unsupported: CHANGE_IT,
  usage: CHANGE_IT,
  rate_limit: "Wait a little, then try again. If it goes on, look at your quota with the provider.",
  overloaded: TRY_LATER,
  server: TRY_LATER,
  timeout: "Try again, or choose another model.",
  connect: "The gateway runs, but cannot reach the provider. Check its network and the provider's address.",
  tls: "The gateway runs, but does not trust the provider's certificate. Check proxy and certificate settings.",
  truncated: INCOMPLETE,
  broken_stream: INCOMPLETE,
  unexpected_response: OTHER_FORMAT,
  wire: OTHER_FORMAT,
  frame_too_large: OTHER_FORMAT,
};
const ADVICE_ELSE = "Try again. The terminal where “headrace serve” runs may say more.";

/**
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${selector}`);
}

const form = find(document, "#ask", HTMLFormElement);
const promptField = find(document, "#prompt", HTMLTextAreaElement);
const modelField = find(document, "#model", HTMLInputElement);
const sendButton = find(document, "#send", HTMLButtonElement);
const stopButton = find(document, "#stop", HTMLButtonElement);
const latestButton = find(document, "#latest", HTMLButtonElement);
const statusLine = find(document, "#status", HTMLElement);
const stateText = find(document, "#state", HTMLElement);
const figuresText = find(document, "#figures", HTMLElement);
const notice = find(document, "#notice", HTMLElement);
const welcome = find(document, "#welcome", HTMLElement);
const scroller = find(document, "#scroller", HTMLElement);
const transcript = find(document, "#transcript", HTMLElement);
const turnTemplate = find(document, "#turn", HTMLTemplateElement);

/** Writes text into the page: gathered, once a frame, or now and then while the page is hidden and has no frames. */
class TextWriter {
  #node = document.createTextNode("");
  #waiting = "";
  #frame = 0;
  #timer = 0;

  /** @param {Element} parent */
  constructor(parent) {
    parent.append(this.#node);
  }

  /** @param {string} text */
  add(text) {
    this.#waiting += text;
    if (this.#frame !== 0 || this.#timer !== 0) return;
    if (document.hidden) this.#timer = setTimeout(() => this.flush(), HIDDEN_WRITE_MS);
    else this.#frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = 0;
    if (this.#waiting === "") return;
    this.#node.appendData(this.#waiting);
    this.#waiting = "";
    follower.contentGrew();
  }
}

/** Keeps the end of the transcript in view while its reader is there; offers a way back otherwise. */
class Follower {
  #following = true;
  #lastTop = 0;

  constructor() {
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The window changes, or the question grows: the end is elsewhere.
    new ResizeObserver(() => this.contentGrew()).observe(scroller);
    latestButton.addEventListener("click", () => this.toEnd());
  }

  contentGrew() {
    if (this.#following) this.toEnd();
    else latestButton.hidden = this.#distance() < NEAR_END_PX;
  }

  toEnd() {
    this.#following = true;
    latestButton.hidden = true;
    scroller.scrollTo({ top: scroller.scrollHeight, behavior: "instant" });
  }

  #distance() {
    return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  }

  /** Any step up leaves the end, however small: only so the page never pulls against its reader. */
  #scrolled() {
    const top = scroller.scrollTop;
    if (this.#distance() < NEAR_END_PX && top >= this.#lastTop) this.#following = true;
    else if (top < this.#lastTop) this.#following = false;
    this.#lastTop = top;
    if (this.#following) latestButton.hidden = true;
  }
}

const follower = new Follower();

/** One question with its answer, and what the status line says about it. */
class Turn {
  /** @type {State} */
  #state = "waiting";
  #text = STATE_TEXT.waiting;
  #startedAt = performance.now();
  #firstAt = 0;
  #lastAt = 0;
  #chars = 0;
  /** @type {EndEvent | null} */
  #end = null;
  #model = "";
  #simulated = false;
  #ticker = setInterval(() => this.#showFigures(), FIGURES_MS);

  /**
   * @param {string} prompt
   * @param {string} model
   */
  constructor(prompt, model) {
    this.prompt = prompt;
    this.model = model;
    this.controller = new AbortController();
    const article = turnTemplate.content.firstElementChild?.cloneNode(true);
    if (!(article instanceof HTMLElement)) throw new Error("the page has no template of a turn");
    this.article = article;
    find(article, ".question", HTMLElement).textContent = prompt;
    this.answer = find(article, ".answer", HTMLElement);
    this.answer.ariaBusy = "true";
    this.writer = new TextWriter(this.answer);
    find(article, ".retry", HTMLButtonElement).addEventListener("click", () => void ask(this.prompt, this.model));
    transcript.append(article);
    this.#showState();
  }

  /** Read the answer to its end, whatever that is. */
  async run() {
    const url = new URL("../chat/stream", import.meta.url);
    const { prompt, model } = this;
    const { signal } = this.controller;
    try {
      for await (const event of streamChat({ prompt, ...(model === "" ? {} : { model }), url, signal })) {
        if (event.type === "start") this.#about(event);
        else if (event.type === "text") this.#grow(event.text);
        else if (event.type === "end") this.#finish(event);
      }
    } catch (error) {
      if (signal.aborted) this.#stopped();
      else this.#fail(error);
    }
  }

  /** Write down what the status line says, as it will speak of the next turn. */
  retire() {
    find(this.article, ".retry", HTMLElement).hidden = true;
    const summary = find(this.article, ".summary", HTMLElement);
    summary.textContent = [this.#text, this.#figures()].filter(Boolean).join(" · ");
    summary.hidden = false;
  }

  /** @param {{model?: string, simulated: boolean}} event */
  #about({ model, simulated }) {
    this.#model = model ?? this.#model;
    this.#simulated = simulated;
    this.#showOrigin();
  }

  /** The banner speaks of the answer that is read now; the label stays with its answer. */
  #showOrigin() {
    notice.hidden = !this.#simulated;
    find(this.article, ".simulated", HTMLElement).hidden = !this.#simulated;
  }

  /** @param {string} text */
  #note(text) {
    const item = document.createElement("li");
    item.textContent = text;
    find(this.article, ".notes", HTMLElement).append(item);
  }

  /** @param {string} text */
  #grow(text) {
    this.#lastAt = performance.now();
    if (this.#firstAt === 0) {
      this.#firstAt = this.#lastAt;
      this.#showOrigin();
      this.#state = "streaming";
      this.#text = STATE_TEXT.streaming;
      this.#showState();
    }
    this.#chars += text.length;
    this.writer.add(text);
  }

  /** @param {EndEvent} end */
  #finish(end) {
    this.#end = end;
    this.#about(end);
    if (this.#chars === 0) this.#note("The answer has no text.");
    // the banner says already that it is a simulation
    for (const { code, text } of end.warnings) if (code !== "simulation") this.#note(`Note: ${text}`);
    this.#close("done", OUTCOME_TEXT[end.outcome]);
  }

  #stopped() {
    if (this.#chars === 0) this.#note("Stopped before the first token came.");
    this.#close("stopped");
  }

  /** @param {unknown} error */
  #fail(error) {
    /** @type {ErrorInfo} */
    const info =
      error instanceof HeadraceError ? error.info : { type: "page", message: `This page failed: ${String(error)}` };
    const retryAfter = info.retry_after_s ? `Try again in ${Math.ceil(info.retry_after_s)} s.` : undefined;
    find(this.article, ".what", HTMLElement).textContent = info.message;
    find(this.article, ".advice", HTMLElement).textContent = retryAfter ?? ADVICE[info.type] ?? ADVICE_ELSE;
    find(this.article, ".problem", HTMLElement).hidden = false;
    this.#close(info.type === "truncated" || info.type === "broken_stream" ? "cut" : "failed");
  }

  /**
   * @param {State} state
   * @param {string} [text]
   */
  #close(state, text = STATE_TEXT[state]) {
    clearInterval(this.#ticker);
    this.writer.flush();
    this.#showOrigin();
    this.answer.ariaBusy = "false";
    this.#state = state;
    this.#text = text;
    this.#showState();
    follower.contentGrew();
  }

  #showState() {
    this.article.dataset.state = statusLine.dataset.state = this.#state;
    stateText.textContent = this.#text;
    this.#showFigures();
  }

  #showFigures() {
    figuresText.textContent = this.#figures();
  }

  #figures() {
    const { usage, outcome } = this.#end ?? {};
    const running = this.#state === "waiting" || this.#state === "streaming";
    const about = usage?.estimated ? "≈ " : "";
    const counts = [
      usage?.input_tokens == null ? "" : `${about}${count(usage.input_tokens)} tokens in`,
      usage?.output_tokens == null ? "" : `${about}${count(usage.output_tokens)} tokens out`,
    ];
    const waited = performance.now() - this.#startedAt;
    return [
      this.#state === "waiting" && waited > 1000 ? `${Math.floor(waited / 1000)} s` : "",
      outcome ?? "",
      this.#firstAt === 0 ? "" : `first token ${duration(this.#firstAt - this.#startedAt)}`,
      this.#speed(running ? performance.now() : this.#lastAt),
      ...counts,
      running ? "" : this.#model,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  /** @param {number} until */
  #speed(until) {
    const seconds = (until - this.#firstAt) / 1000;
    if (this.#firstAt === 0 || seconds < 0.3) return "";
    const usage = this.#end?.usage;
    // The provider's count if there is one, less what was thought before the first visible token.
    const counted = usage?.output_tokens == null ? 0 : usage.output_tokens - (usage.reasoning_tokens ?? 0);
    return `≈ ${count(Math.round((counted > 0 ? counted : this.#chars / CHARS_PER_TOKEN) / seconds))} tokens/s`;
  }
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString("en");
}

/** @param {number} ms */
function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** The turn that the status line speaks of. @type {Turn | null} */
let current = null;
let busy = false;

/**
 * @param {string} prompt
 * @param {string} model
 */
async function ask(prompt, model) {
  if (busy || prompt.trim() === "") return;
  current?.retire();
  welcome.hidden = true;
  current = new Turn(prompt, model);
  follower.toEnd();
  setBusy(true);
  await current.run();
  setBusy(false);
}

/** @param {boolean} value */
function setBusy(value) {
  // A button that vanishes takes the focus with it: hand it on.
  const hadFocus = document.activeElement === (value ? sendButton : stopButton);
  busy = value;
  sendButton.hidden = value;
  stopButton.hidden = !value;
  if (hadFocus) (value ? stopButton : promptField).focus({ preventScroll: true });
  promptChanged();
}

function stop() {
  if (busy) current?.controller.abort();
}

function promptChanged() {
  sendButton.disabled = promptField.value.trim() === "";
  // As high as its text; the style sheet bounds it.
  promptField.style.height = "auto";
  promptField.style.height = `${promptField.scrollHeight}px`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy || promptField.value.trim() === "") return;
  const prompt = promptField.value.trim();
  promptField.value = "";
  promptChanged();
  void ask(prompt, modelField.value.trim());
});

promptField.addEventListener("input", promptChanged);
promptField.addEventListener("keydown", (event) => {
  // While an input method composes a character, Enter belongs to it (Safari says so by the key code only).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});

// The second click of a double click on Send falls on Stop, and is not meant for it.
stopButton.addEventListener("click", (event) => {
  if (event.detail < 2) stop();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) stop();
});

// There are no frames in a hidden page: what waits for one is written now.
document.addEventListener("visibilitychange", () => current?.writer.flush());
// A page that is left may be kept for the way back, with its connection open: the model would write on for nobody.
addEventListener("pagehide", stop);

promptChanged();
