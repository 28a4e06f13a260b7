import { assertEquals, assertStrictEquals } from "@std/assert";
import { BackendUnavailableError, CoordinationError } from "../../src/errors.ts";
import { classifyError, isRetryable } from "../../src/resilience/error_category.ts";
import { retryWithBackoff } from "../../src/resilience/retry.ts";
import { parseRetryAfter, retryAfterMs } from "../../src/resilience/retry_after.ts";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);

Deno.test("classifyError() knows the words of the original", () => {
  const words = {
    network: ["Connection refused", "read TIMEOUT", "network is down", "host unreachable"],
    rate_limit: ["rate limit exceeded", "Too many requests", "HTTP 429", "quota exceeded"],
    resource: ["out of memory", "disk failure", "no space left", "resource exhausted"],
    transient: ["temporary failure", "service unavailable", "HTTP 503", "got 502", "504"],
    permanent: ["no such user", "bad value 14290", "invalid"],
  };
  for (const [category, messages] of Object.entries(words)) {
    for (const message of messages) assertEquals(classifyError(new Error(message)), category, message);
  }
});

Deno.test("isRetryable() holds for failures of the network, rate limits and passing faults alone", () => {
  const messages = ["connection reset", "rate limit", "temporary", "out of memory", "invalid"];
  assertEquals(messages.map((message) => isRetryable(new Error(message))), [true, true, true, false, false]);
});

Deno.test("classifyError() believes an HTTP status before the words", () => {
  const byStatus = { 400: "permanent", 404: "permanent", 408: "network", 425: "transient", 429: "rate_limit" };
  for (
    const [status, category] of Object.entries({ ...byStatus, 500: "transient", 501: "permanent", 503: "transient" })
  ) {
    assertEquals(classifyError(withFields("connection", { status: Number(status) })), category);
    assertEquals(classifyError(withFields("connection", { statusCode: Number(status) })), category);
  }
});

Deno.test("classifyError() knows socket codes, also of a cause", () => {
  assertEquals(classifyError(withFields("x", { code: "ECONNRESET" })), "network");
  assertEquals(classifyError(new TypeError("x", { cause: withFields("y", { code: "ENOTFOUND" }) })), "network");
});

Deno.test("classifyError() ends when causes go round in a circle", () => {
  const error = new Error("x");
  error.cause = error;
  assertEquals(classifyError(error), "permanent");
});

Deno.test("classifyError() goes by the code of the library's own errors, whatever names they carry", () => {
  assertEquals(classifyError(new CoordinationError("CIRCUIT_OPEN", 'Cannot call "connection timeout"')), "permanent");
  assertEquals(classifyError(new BackendUnavailableError("gone")), "network");
});

Deno.test("classifyError() takes a time limit as the network's fault and an abort as the caller's wish", () => {
  assertEquals(classifyError(new DOMException("too long", "TimeoutError")), "network");
  assertEquals(classifyError(new DOMException("connection closed", "AbortError")), "permanent");
});

Deno.test("classifyError() knows a class that sets no name, and an error of another realm", () => {
  class ConnectionError extends Error {}
  assertEquals(classifyError(new ConnectionError("fail")), "network");
  assertEquals(classifyError({ message: "rate limit exceeded" }), "rate_limit");
});

Deno.test("classifyError() takes anything that is thrown", () => {
  const odd = Object.defineProperty(new Error(), "message", { value: Object.create(null) });
  assertEquals([Object.create(null), odd, Symbol("x")].map(classifyError), ["permanent", "permanent", "permanent"]);
  assertEquals(["timeout", undefined, null, 5, {}, { id: 503, resource: "timeout" }].map(classifyError), [
    "network",
    "permanent",
    "permanent",
    "permanent",
    "permanent",
    "permanent",
  ]);
});

Deno.test("parseRetryAfter() reads seconds and HTTP dates", () => {
  const now = Date.UTC(2030, 0, 1);
  assertEquals(parseRetryAfter("120", now), 120_000);
  assertEquals(parseRetryAfter(2, now), 2000);
  assertEquals(parseRetryAfter("Tue, 01 Jan 2030 00:00:05 GMT", now), 5000);
  assertEquals(parseRetryAfter("Mon, 31 Dec 2029 00:00:00 GMT", now), 0);
  assertEquals(
    ["soon", "", "-5", -5, NaN, null, {}].map((value) => parseRetryAfter(value, now)),
    new Array(7).fill(null),
  );
});

Deno.test("retryAfterMs() finds the wait on the error, its headers and its response's", () => {
  assertEquals(retryAfterMs(withFields("x", { retryAfterMs: 7 }), 0), 7);
  assertEquals(retryAfterMs(withFields("x", { retryAfter: "7" }), 0), 7000);
  assertEquals(retryAfterMs(withFields("x", { headers: new Headers({ "Retry-After": "7" }) }), 0), 7000);
  assertEquals(retryAfterMs(withFields("x", { response: { headers: { "Retry-After": "7" } } }), 0), 7000);
  assertEquals([new Error("x"), "x", null, withFields("x", { retryAfterMs: NaN })].map((e) => retryAfterMs(e, 0)), [
    null,
    null,
    null,
    null,
  ]);
});

Deno.test("an error whose fields throw is permanent, asks for no wait, and is what a retry rejects with", async () => {
  const error = Object.defineProperty(new Error("connection reset"), "status", {
    get() {
      throw new TypeError("it was closed");
    },
  });
  Object.defineProperty(error, "retryAfterMs", { get: () => Reflect.get(error, "status") });
  assertEquals([classifyError(error), isRetryable(error), retryAfterMs(error, 0)], ["permanent", false, null]);
  const thrown = await retryWithBackoff(() => Promise.reject(error)).catch((thrown) => thrown);
  assertStrictEquals(thrown, error);
  const shouldRetry = () => true;
  const last = await retryWithBackoff(() => Promise.reject(error), { maxRetries: 1, baseDelayMs: 0, shouldRetry })
    .catch((last) => last);
  assertStrictEquals(last, error);
});

Deno.test("retryAfterMs() finds no wait where headers have none", () => {
  for (const headers of [{}, { age: "5" }, { "retry-afterwards": "5" }, new Headers(), "retry-after: 5", null]) {
    assertEquals(retryAfterMs({ headers }, 0), null);
  }
  assertEquals(retryAfterMs({ headers: { age: "5", "Retry-After": "7" } }, 0), 7000);
});
