// The JavaScript client: its parser against the standard, its streams against real sockets.
// Runs with `node --test`; test_headrace_js.py does that as a part of the whole.

import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

// As .mjs, since a .js file without a package.json beside it is no ES module to Node 20.
const folder = await mkdtemp(join(tmpdir(), "headrace-js-"));
const copy = join(folder, "headrace.mjs");
await copyFile(new URL("../../src/headrace/ui/headrace.js", import.meta.url), copy);
const { HeadraceError, MAX_PENDING_CHARS, SSEParser, streamChat } = await import(pathToFileURL(copy).href);
await rm(folder, { recursive: true });

const utf8 = new TextEncoder();

/** Parse bytes in the given pieces. */
function parse(...pieces) {
  const parser = new SSEParser();
  return pieces.flatMap((piece) =>
    typeof piece === "string" ? parser.push(piece) : parser.pushBytes(Uint8Array.from(piece)),
  );
}

const message = (data, id = "") => ({ event: "message", data, id });

/** A promise and what resolves it (Node 20 has no Promise.withResolvers). */
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}

/** A small generator of numbers in [0, 1), the same for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// All that the format has, in one stream: a BOM, each line end, comments, fields of every kind, characters of two to
// four bytes, bytes that are no UTF-8, separators that end no line, a block that never ends.
const SAMPLE = Buffer.concat([
  Buffer.from("\ufeffdata: first\r\n\r\n: a comment\n"),
  Buffer.from("event: named\rid: 7\rdata: a\rdata: b\r\r"),
  Buffer.from("data: żółw 🐢 水\ndata:no space\ndata:  two\n\n"),
  Buffer.from("id: with\0nul\ndata: \u2028\u2029\u0085\v\f stays\n\n"),
  Buffer.from("event: dropped\n\nid: 8\r\n\r\ndata\r\n\r\n"),
  Buffer.from("data: bad "), Buffer.from([0xff, 0xc3, 0x28, 0xe2, 0x82, 0x0a, 0x0a]),
  Buffer.from('data: {"content":"…"}\r\r\ndata : unknown\nretry: 12\ndata: last\n\r\nid\ndata: no id\r\n\r'),
  Buffer.from("\ndata: never ended\n"),
]);
const SAMPLE_EVENTS = [
  message("first"),
  { event: "named", data: "a\nb", id: "7" },
  message("żółw 🐢 水\nno space\n two", "7"),
  message("\u2028\u2029\u0085\v\f stays", "7"),
  message("", "8"),
  message("bad \ufffd\ufffd(\ufffd", "8"),
  message('{"content":"…"}', "8"),
  message("last", "8"),
  message("no id"),
];

describe("SSEParser: any cutting of the bytes gives the same events", () => {
  test("whole", () => assert.deepEqual(parse(SAMPLE), SAMPLE_EVENTS));

  test("byte by byte, with empty reads between", () => {
    assert.deepEqual(parse(...[...SAMPLE].flatMap((byte) => [[byte], []])), SAMPLE_EVENTS);
  });

  test("in two, at every place", () => {
    for (let at = 0; at <= SAMPLE.length; at += 1) {
      assert.deepEqual(parse(SAMPLE.subarray(0, at), SAMPLE.subarray(at)), SAMPLE_EVENTS, `cut at ${at}`);
    }
  });

  test("in random pieces", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const next = random(seed);
      const most = 1 + Math.floor(next() * 40);
      const pieces = [];
      for (let at = 0; at < SAMPLE.length; ) {
        const end = at + Math.floor(next() * (most + 1));
        pieces.push(SAMPLE.subarray(at, end));
        at = Math.min(end, SAMPLE.length);
      }
      assert.deepEqual(parse(...pieces), SAMPLE_EVENTS, `seed ${seed}`);
    }
  });

  test("as text, cut between any two characters", () => {
    const text = SAMPLE.toString("utf8");
    for (let at = 0; at <= text.length; at += 1) {
      assert.deepEqual(parse(text.slice(0, at), text.slice(at)), SAMPLE_EVENTS, `cut at ${at}`);
    }
  });
});

describe("SSEParser: the standard", () => {
  const cases = [
    ["one BOM is stripped", "\ufeffdata: x\n\n", [message("x")]],
    ["a second BOM is a part of the field's name", "\ufeff\ufeffdata: x\n\n", []],
    ["a BOM inside is kept", "data: \ufeffx\n\n", [message("\ufeffx")]],
    ["LF", "data: x\n\n", [message("x")]],
    ["CR", "data: x\r\r", [message("x")]],
    ["CRLF", "data: x\r\n\r\n", [message("x")]],
    ["line ends in any mix", "data: x\r\ndata: y\rdata: z\n\r\ndata: w\n\r", [message("x\ny\nz"), message("w")]],
    ["LF CR is two line ends", "data: x\n\rdata: y\n\n", [message("x"), message("y")]],
    ["no other character ends a line", "data: a\u2028b\u2029c\u0085d\ve\ff\n\n", [message("a\u2028b\u2029c\u0085d\ve\ff")]],
    ["comments are ignored", ": ping\n:\n: \ndata: x\n:\n\n", [message("x")]],
    ["a comment alone makes no event", ": keep-alive\n\n", []],
    ["a colon in the value", "data: a: b:c\n\n", [message("a: b:c")]],
    ["no space after the colon", "data:x\n\n", [message("x")]],
    ["only one space is stripped", "data:  x \n\n", [message(" x ")]],
    ["a tab is not", "data:\tx\n\n", [message("\tx")]],
    ["a field without a colon has an empty value", "data\n\n", [message("")]],
    ["two of them", "data\ndata\n\n", [message("\n")]],
    ["names are case-sensitive", "Data: x\nDATA: y\n\n", []],
    ["a space before the colon makes another name", "data : x\n\n", []],
    ["a space before the name, too", " data: x\n\n", []],
    ["unknown fields are ignored", "foo: bar\ndata: x\n\n", [message("x")]],
    ["the last event type wins", "event: a\nevent: b\ndata: x\n\n", [{ event: "b", data: "x", id: "" }]],
    ["an empty event type is 'message'", "event: a\nevent\ndata: x\n\n", [message("x")]],
    ["the type does not outlive its block", "event: a\ndata: x\n\ndata: y\n\n",
      [{ event: "a", data: "x", id: "" }, message("y")]],
    ["nor a block without data", "event: a\n\ndata: x\n\n", [message("x")]],
    ["the id does", "id: 1\ndata: x\n\ndata: y\n\n", [message("x", "1"), message("y", "1")]],
    ["also from a block without data", "id: 1\n\n\n\ndata: x\n\n", [message("x", "1")]],
    ["an empty id clears it", "id: 1\ndata: x\n\nid\ndata: y\n\n", [message("x", "1"), message("y")]],
    ["an id with NUL is ignored", "id: 1\ndata: x\n\nid: 2\0\ndata: y\n\n", [message("x", "1"), message("y", "1")]],
    ["an unfinished block is dropped", "data: x\n\ndata: y\n", [message("x")]],
    ["an unfinished line is, too", "data: x\n\ndata: y", [message("x")]],
  ];
  for (const [name, text, events] of cases) {
    test(name, () => {
      const bytes = utf8.encode(text);
      const parser = new SSEParser();
      assert.deepEqual(parser.pushBytes(bytes), events);
      parser.finish();
      assert.deepEqual(parse(...[...bytes].map((byte) => [byte])), events, "byte by byte");
      assert.deepEqual(parse(text), events, "as text");
    });
  }

  test("a lone CR ends the line and the block at once, before the next byte", () => {
    const parser = new SSEParser();
    assert.deepEqual(parser.push("data: x\r"), []);
    assert.deepEqual(parser.push("\r"), [message("x")]);
    assert.deepEqual(parser.push("\ndata: y\r\r"), [message("y")]);
  });

  test("retry counts only if it is all digits", () => {
    const parser = new SSEParser();
    parser.push("retry: -5\nretry: 1s\nretry: 1e3\nretry: ٣\nretry\n\n");
    assert.equal(parser.retryMs, null);
    parser.push("retry: 250\n\n");
    assert.equal(parser.retryMs, 250);
  });

  test("the last event id is committed by the blank line, and outlives a reconnection", () => {
    const parser = new SSEParser();
    parser.push("id: 1\ndata: x\n\nid: 2\n");
    assert.equal(parser.lastEventId, "1");
    parser.finish();
    assert.deepEqual(parser.push("\ufeffdata: y\n\n"), [message("y", "1")]);
  });

  test("bytes that are no UTF-8 are replaced, and those of an earlier stream forgotten", () => {
    assert.deepEqual(parse([...utf8.encode("data: "), 0xf0, 0x9f, 0x0a, 0x0a]), [message("\ufffd")]);
    const parser = new SSEParser();
    parser.pushBytes(Uint8Array.from([0xf0, 0x9f]));
    parser.finish();
    assert.deepEqual(parser.pushBytes(utf8.encode("data: x\n\n")), [message("x")]);
  });
});

describe("SSEParser: bounds", () => {
  const tooLarge = (error) => error instanceof HeadraceError && error.info.type === "frame_too_large";

  test("the default is 16 Mi characters", () => assert.equal(MAX_PENDING_CHARS, 2 ** 24));

  test("a line that does not end", () => {
    const parser = new SSEParser({ maxPendingChars: 100 });
    assert.deepEqual(parser.push("x".repeat(60)), []);
    assert.throws(() => parser.push("x".repeat(60)), tooLarge);
    assert.throws(() => parser.push("\n\n"), tooLarge, "and it stays so");
    assert.throws(() => parser.finish(), tooLarge);
  });

  test("a block that does not end", () => {
    const parser = new SSEParser({ maxPendingChars: 100 });
    assert.throws(() => { for (let n = 0; n < 200; n += 1) parser.push("data\n"); }, tooLarge);
  });

  test("a line that ends too late, in one piece", () => {
    assert.throws(() => new SSEParser({ maxPendingChars: 100 }).push(`data: ${"x".repeat(200)}\n\n`), tooLarge);
  });

  test("events before it are not lost", () => {
    const parser = new SSEParser({ maxPendingChars: 100 });
    assert.deepEqual(parser.push(`data: x\n\ndata: ${"x".repeat(200)}`), [message("x")]);
    assert.throws(() => parser.finish(), tooLarge);
  });

  test("it bounds one event, not the stream nor a piece of it", () => {
    const parser = new SSEParser({ maxPendingChars: 100 });
    const block = `data: ${"x".repeat(40)}\ndata: ${"y".repeat(40)}\n\n`;
    assert.equal(parser.push(block.repeat(50)).length, 50);
    for (let n = 0; n < 50; n += 1) assert.equal(parser.push(block).length, 1);
  });

  test("a long frame byte by byte is read in linear work", { timeout: 60_000 }, () => {
    // Half a million reads: at a cost that grew with what is held, they would take minutes.
    const parser = new SSEParser();
    for (let n = 0; n < 500_000; n += 1) parser.push("x");
    parser.push("\n");
    assert.deepEqual(parser.push("data: x\n\n"), [message("x")]);
    // And as many lines in one read, with a CR far behind.
    assert.equal(parser.push(`${"data: x\n\n".repeat(500_000)}\r`).length, 500_000);
  });
});

// ---- streams ---------------------------------------------------------------------------------------------------------

const servers = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Start a server on a free port; `answer(request, response, body)` serves POST requests. */
async function serve(answer) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    await answer(request, response, body);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}/chat/stream`;
}

const startStream = (response) => response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
const frame = (object) => `data: ${JSON.stringify(object)}\n\n`;
const END = { content: "", outcome: "complete", usage: { input_tokens: 3, output_tokens: 2 }, model: "acme/large" };

async function collect(events) {
  const collected = [];
  for await (const event of events) collected.push(event);
  return collected;
}

/** Iterate until it throws, and hand back the error. */
async function failure(events) {
  try {
    const collected = await collect(events);
    assert.fail(`no error, but ${JSON.stringify(collected)}`);
  } catch (error) {
    assert.ok(error instanceof HeadraceError, error);
    return error;
  }
}

describe("streamChat: an answer", () => {
  test("comes as text and one end; the request says what was asked", async () => {
    let seen;
    const url = await serve((request, response, body) => {
      seen = { method: request.method, type: request.headers["content-type"], body: JSON.parse(body) };
      startStream(response);
      response.write(`${frame({ content: "Hel" })}: keep-alive\n\n`);
      response.end(`${frame({ content: "lo 🐢" })}${frame(END)}data: [DONE]\n\n`);
    });
    const events = await collect(streamChat({ prompt: "Hi", model: "acme/large", system: "Be brief", maxTokens: 9, url }));
    assert.deepEqual(events, [
      { type: "text", text: "Hel" },
      { type: "text", text: "lo 🐢" },
      { type: "end", outcome: "complete", usage: END.usage, model: "acme/large", simulated: false, warnings: [] },
    ]);
    assert.deepEqual(seen, {
      method: "POST",
      type: "application/json",
      body: { prompt: "Hi", model: "acme/large", system: "Be brief", max_tokens: 9 },
    });
  });

  test("what was not given is not sent", async () => {
    let seen;
    const url = await serve((request, response, body) => {
      seen = JSON.parse(body);
      startStream(response).end("data: [DONE]\n\n");
    });
    await collect(streamChat({ prompt: "Hi", url }));
    assert.deepEqual(seen, { prompt: "Hi" });
  });

  test("says early who answers, and at the end what was odd", async () => {
    const warnings = [{ code: "eof_without_marker", text: "The upstream closed without its marker." }];
    const url = await serve((request, response) => {
      startStream(response);
      response.write(frame({ content: "", model: "sim/demo", simulated: true }));
      response.end(`${frame({ content: "x" })}${frame({ content: "", outcome: "length", warnings })}data: [DONE]\n\n`);
    });
    assert.deepEqual(await collect(streamChat({ prompt: "Hi", url })), [
      { type: "start", model: "sim/demo", simulated: true },
      { type: "text", text: "x" },
      { type: "end", outcome: "length", model: "sim/demo", simulated: true, warnings },
    ]);
  });

  test("is the same when the server writes it byte by byte", async () => {
    const url = await serve(async (request, response) => {
      startStream(response);
      response.socket.setNoDelay(true);
      for (const byte of Buffer.from(`${frame({ content: "żółw 🐢" })}data: [DONE] \r\n\r\n`)) {
        await new Promise((written) => response.write(Buffer.from([byte]), written));
      }
      response.end();
    });
    const [text, end] = await collect(streamChat({ prompt: "Hi", url }));
    assert.deepEqual(text, { type: "text", text: "żółw 🐢" });
    assert.equal(end.outcome, "complete");
  });

  test("is over at [DONE], even if the server keeps the connection", async () => {
    let closed;
    const url = await serve((request, response) => {
      closed = once(response, "close");
      startStream(response).write(`${frame({ content: "x" })}data: [DONE]\n\n${frame({ content: "not said" })}`);
    });
    const events = await collect(streamChat({ prompt: "Hi", url }));
    assert.deepEqual(events.map((event) => event.type), ["text", "end"]);
    await closed; // We close it then.
  });

  test("sends nothing before it is asked for", async () => {
    let requests = 0;
    const url = await serve((request, response) => {
      requests += 1;
      startStream(response).end("data: [DONE]\n\n");
    });
    await streamChat({ prompt: "never iterated", url }).return();
    streamChat({ prompt: "nor this one", url });
    await collect(streamChat({ prompt: "Hi", url }));
    assert.equal(requests, 1);
  });

  test("can be fetched by a function of the caller's", async () => {
    const calls = [];
    const fetch = async (url, init) => {
      calls.push([url, init.method]);
      return new Response("data: [DONE]\n\n", { headers: { "content-type": "text/event-stream" } });
    };
    await collect(streamChat({ prompt: "Hi", fetch }));
    assert.deepEqual(calls, [["/chat/stream", "POST"]]);
  });
});

describe("streamChat: failures keep what had arrived", () => {
  test("a stream that ends without [DONE]", async () => {
    const url = await serve((request, response) => startStream(response).end(frame({ content: "Half an" })));
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.equal(error.message, "The connection was cut before the answer was complete.");
    assert.equal(error.info.type, "truncated");
    assert.equal(error.partial, "Half an");
    assert.equal(error.status, null);
  });

  test("the frame with the outcome is not enough", async () => {
    const url = await serve((request, response) => startStream(response).end(frame({ content: "x" }) + frame(END)));
    assert.equal((await failure(streamChat({ prompt: "Hi", url }))).info.type, "truncated");
  });

  test("nor is a [DONE] whose blank line did not come", async () => {
    const url = await serve((request, response) => startStream(response).end(`${frame({ content: "x" })}data: [DONE]`));
    assert.equal((await failure(streamChat({ prompt: "Hi", url }))).info.type, "truncated");
  });

  test("a socket that is torn down in the middle", async () => {
    const url = await serve((request, response) => {
      startStream(response).write(frame({ content: "Half an" }), () => response.socket.resetAndDestroy());
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.equal(error.info.type, "truncated");
    assert.ok(error.cause instanceof Error);
  });

  test("a body that is empty", async () => {
    const url = await serve((request, response) => startStream(response).end());
    assert.equal((await failure(streamChat({ prompt: "Hi", url }))).info.type, "truncated");
  });

  test("an error inside the stream", async () => {
    const info = { type: "overloaded", message: "The provider is overloaded.", status: 529, request_id: "req_1" };
    const url = await serve((request, response) => {
      startStream(response).end(`${frame({ content: "Half an" })}${frame({ error: info })}`);
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.deepEqual(error.info, info);
    assert.equal(error.message, info.message);
    assert.equal(error.status, 529);
    assert.equal(error.partial, "Half an");
  });

  test("an HTTP error in JSON", async () => {
    const info = { type: "permission_denied", message: "This gateway answers its own page only." };
    const url = await serve((request, response) => {
      response.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify({ error: info }));
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.deepEqual(error.info, info);
    assert.equal(error.status, 403);
    assert.equal(error.message, info.message);
    assert.equal(error.partial, "");
  });

  test("an HTTP error that is a web page", async () => {
    const url = await serve((request, response) => {
      response.writeHead(502, { "content-type": "text/html" }).end(`<h1>Bad gateway</h1>${" ".repeat(500_000)}`);
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.equal(error.info.type, "unexpected_response");
    assert.equal(error.message, "The server answered 502 Bad Gateway.");
    assert.equal(error.status, 502);
  });

  test("a web page in the place of a stream", async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>Log in</h1>");
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.equal(error.message, "The server sent text/html where a stream of events was expected.");
    assert.equal(error.info.type, "unexpected_response");
  });

  for (const data of ["not JSON", "[1]", "null", '{"content": "cut']) {
    test(`a frame that is no JSON object: ${data}`, async () => {
      const url = await serve((request, response) => {
        startStream(response).end(`${frame({ content: "Half an" })}data: ${data}\n\ndata: [DONE]\n\n`);
      });
      const error = await failure(streamChat({ prompt: "Hi", url }));
      assert.equal(error.info.type, "wire");
      assert.equal(error.partial, "Half an");
      assert.ok(error.message.includes(data), error.message);
    });
  }

  test("a frame over the bound", async () => {
    const url = await serve((request, response) => {
      startStream(response).write(frame({ content: "Half an" }));
      response.end(Buffer.alloc(MAX_PENDING_CHARS + 1, "x"));
    });
    const error = await failure(streamChat({ prompt: "Hi", url }));
    assert.equal(error.info.type, "frame_too_large");
    assert.equal(error.partial, "Half an");
  });

  test("a frame over the bound, in the last read and behind text", async () => {
    const body = `${frame({ content: "Half an" })}data: ${"x".repeat(MAX_PENDING_CHARS)}`;
    const fetch = async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
    const error = await failure(streamChat({ prompt: "Hi", fetch }));
    assert.equal(error.info.type, "frame_too_large");
    assert.equal(error.partial, "Half an");
  });

  test("a server that is not there", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    server.close();
    await once(server, "close");
    const error = await failure(streamChat({ prompt: "Hi", url: `http://127.0.0.1:${port}/` }));
    assert.equal(error.info.type, "gateway_unreachable");
    assert.equal(error.message, "The gateway could not be reached.");
    assert.ok(error.cause instanceof Error);
  });
});

describe("streamChat: leaving closes the connection", { timeout: 30_000 }, () => {
  /** A server that says `said` and then nothing, with promises of the request's arrival and of its peer's leaving. */
  async function silent(said) {
    const { promise: arrived, resolve: arrive } = withResolvers();
    const { promise: left, resolve: leave } = withResolvers();
    const url = await serve((request, response) => {
      response.on("close", leave);
      if (said !== null) startStream(response).write(said);
      arrive();
    });
    return { url, arrived, left };
  }

  const said = frame({ content: "one" }) + frame({ content: "two" });

  test("by break", async () => {
    const { url, left } = await silent(said);
    for await (const event of streamChat({ prompt: "Hi", url })) {
      assert.deepEqual(event, { type: "text", text: "one" });
      break;
    }
    await left;
  });

  test("by an exception in the loop, which comes through", async () => {
    const { url, left } = await silent(said);
    await assert.rejects(async () => {
      for await (const event of streamChat({ prompt: "Hi", url })) throw new Error(event.text);
    }, /one/);
    await left;
  });

  test("by the signal in the middle, while the server is silent; the loop throws its reason", async () => {
    const { url, left } = await silent(said);
    const stop = new AbortController();
    const events = streamChat({ prompt: "Hi", url, signal: stop.signal });
    await events.next();
    await events.next();
    const waiting = assert.rejects(events.next(), { name: "AbortError" });
    stop.abort();
    await waiting;
    await left;
    assert.deepEqual(await events.next(), { done: true, value: undefined });
  });

  test("by the signal, with a reason of the caller's", async () => {
    const { url, left, arrived } = await silent(said);
    const stop = new AbortController();
    const loop = collect(streamChat({ prompt: "Hi", url, signal: stop.signal }));
    await arrived;
    stop.abort(new Error("enough"));
    await assert.rejects(loop, /enough/);
    await left;
  });

  test("by the signal before the headers", async () => {
    const { url, arrived, left } = await silent(null);
    const stop = new AbortController();
    const waiting = assert.rejects(collect(streamChat({ prompt: "Hi", url, signal: stop.signal })), { name: "AbortError" });
    await arrived;
    stop.abort();
    await waiting;
    await left;
  });

  test("by the signal before the first token", async () => {
    const { url, arrived, left } = await silent(": keep-alive\n\n");
    const stop = new AbortController();
    const waiting = assert.rejects(collect(streamChat({ prompt: "Hi", url, signal: stop.signal })), { name: "AbortError" });
    await arrived;
    stop.abort();
    await waiting;
    await left;
  });

  test("by the signal while the caller holds an event: what was read already is not given", async () => {
    const { url, left } = await silent(said);
    const stop = new AbortController();
    const texts = [];
    await assert.rejects(async () => {
      for await (const event of streamChat({ prompt: "Hi", url, signal: stop.signal })) {
        texts.push(event.text);
        stop.abort();
        await left; // The connection is closed although nobody asks for more.
      }
    }, { name: "AbortError" });
    assert.deepEqual(texts, ["one"]);
  });

  test("by a signal that was aborted from the start: nothing is sent", async () => {
    let sent = 0;
    const fetch = async () => { sent += 1; };
    await assert.rejects(collect(streamChat({ prompt: "Hi", fetch, signal: AbortSignal.abort() })), { name: "AbortError" });
    assert.equal(sent, 0);
  });

  test("by return() while a next() waits on a silent server; that next() ends quietly", async () => {
    const { url, left } = await silent(said);
    const events = streamChat({ prompt: "Hi", url });
    await events.next();
    await events.next();
    const waiting = events.next();
    assert.deepEqual(await events.return(), { done: true, value: undefined });
    assert.deepEqual(await waiting, { done: true, value: undefined });
    await left;
  });

  test("by return() before the headers", async () => {
    const { url, arrived, left } = await silent(null);
    const events = streamChat({ prompt: "Hi", url });
    const waiting = events.next();
    await arrived;
    await events.return();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    await left;
  });

  test("by an error frame, after which the server says more", async () => {
    const { url, left } = await silent(frame({ error: { type: "server", message: "broken" } }) + said);
    assert.equal((await failure(streamChat({ prompt: "Hi", url }))).message, "broken");
    await left;
  });

  test("by an HTTP error whose body does not end", async () => {
    const { promise: left, resolve: leave } = withResolvers();
    const url = await serve((request, response) => {
      response.on("close", leave);
      response.writeHead(500, { "content-type": "text/plain" }).write("x".repeat(100_000));
    });
    assert.equal((await failure(streamChat({ prompt: "Hi", url }))).status, 500);
    await left;
  });

  test("but not that of a finished answer, which may be used again", async () => {
    let body, signal;
    const fetch = async (url, init) => {
      signal = init.signal;
      const stream = new ReadableStream({ start: (controller) => { body = controller; } });
      body.enqueue(utf8.encode("data: [DONE]\n\n"));
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    };
    for await (const event of streamChat({ prompt: "Hi", fetch })) if (event.type === "end") break;
    assert.equal(signal.aborted, false);
    body.close();
  });
});
