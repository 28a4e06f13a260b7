import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { RetryBudget } from "../../src/resilience/retry_budget.ts";
import { type RetryConfig, retryWithBackoff, withRetry } from "../../src/resilience/retry.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const transient = () => new Error("temporary failure");

/** A clock whose timers fire at once, and which remembers how long they would have waited. */
class SkippingClock extends ManualClock {
  readonly delays: number[] = [];
  override setTimer(callback: () => void, delayMs: number): () => void {
    this.delays.push(delayMs);
    const cancel = super.setTimer(callback, delayMs);
    queueMicrotask(() => void this.advance(delayMs));
    return cancel;
  }
}

/** Runs tries that end as given: an error is thrown, anything else returned. Tells delays, tries and how it ended. */
async function play(endings: readonly unknown[], config: RetryConfig = {}) {
  const clock = new SkippingClock();
  let tries = 0;
  const running = retryWithBackoff(() => {
    const ending = endings[Math.min(tries++, endings.length - 1)];
    if (ending instanceof Error) throw ending;
    return ending;
  }, { jitter: false, clock, ...config });
  const end = await running.then((value) => ({ value }), (error: unknown) => ({ error }));
  return { ...end, tries, delays: clock.delays };
}

Deno.test("retryWithBackoff() returns the result of the first success, with no timer when nothing fails", async () => {
  assertEquals(await play(["ok"]), { value: "ok", tries: 1, delays: [] });
  assertEquals(await play([transient(), transient(), "ok"]), { value: "ok", tries: 3, delays: [1000, 2000] });
});

Deno.test("retryWithBackoff() tries 1 + maxRetries times, and throws the last error", async () => {
  const errors = [1, 2, 3, 4].map((n) => new Error(`temporary ${n}`));
  const { tries, delays, ...end } = await play(errors);
  assertEquals([tries, delays], [4, [1000, 2000, 4000]]);
  assert("error" in end);
  assertStrictEquals(end.error, errors[3]);
  assertEquals((await play([transient()], { maxRetries: 0 })).tries, 1);
});

Deno.test("retryWithBackoff() does not try again after a permanent error", async () => {
  assertEquals((await play([new Error("no such user")])).tries, 1);
});

Deno.test("retryWithBackoff() asks shouldRetry with the error and the number of the try", async () => {
  const asked: unknown[] = [];
  const error = new Error("no such user");
  const shouldRetry = (error: unknown, attempt: number) => asked.push([error, attempt]) < 3;
  assertEquals((await play([error], { shouldRetry })).tries, 3);
  assertEquals(asked, [[error, 1], [error, 2], [error, 3]]);
});

Deno.test("retryWithBackoff() waits for a shouldRetry that is a promise", async () => {
  const { tries } = await play([transient()], { shouldRetry: (_, attempt) => Promise.resolve(attempt < 2) });
  assertEquals(tries, 2);
});

Deno.test("retryWithBackoff() ends with what shouldRetry throws, and asks no fallback", async () => {
  const fault = new Error("a fault of the judge");
  const shouldRetry = () => {
    throw fault;
  };
  const end = await play([transient()], { shouldRetry, fallback: () => Promise.reject(new Error("asked")) });
  assertEquals(end, { error: fault, tries: 1, delays: [] });
});

Deno.test("retryWithBackoff() tells onRetry of each retry, and goes on when that throws", async () => {
  const told: unknown[] = [];
  const error = transient();
  const onRetry = (...args: unknown[]) => {
    told.push(args);
    throw new Error("a fault of the watcher");
  };
  assertEquals((await play([error, error, "ok"], { onRetry })).tries, 3);
  assertEquals(told, [[error, 1, 1000], [error, 2, 2000]]);
});

Deno.test("retryWithBackoff() caps delays at maxDelayMs, also at retry 1,100 where the power overflows", async () => {
  const { delays } = await play([transient()], { maxRetries: 1100, maxDelayMs: 3000 });
  assertEquals([delays.length, delays.slice(0, 4), delays.at(-1)], [1100, [1000, 2000, 3000, 3000], 3000]);
});

Deno.test("retryWithBackoff() waits as long as baseDelayMs asks, beyond the usual cap too, unless it is told to cut", async () => {
  assertEquals((await play([transient()], { baseDelayMs: 90_000 })).delays, [90_000, 90_000, 90_000]);
  assertEquals((await play([transient()], { baseDelayMs: 90_000, maxDelayMs: 70_000 })).delays[0], 70_000);
});

Deno.test("retryWithBackoff() uses the jitter that is asked for", async () => {
  const first = async (jitter: RetryConfig["jitter"]) => {
    const { delays } = await play([transient(), "ok"], { ...(jitter !== undefined && { jitter }), random: () => 0.25 });
    return delays[0];
  };
  assertEquals(await first(false), 1000);
  assertEquals(await first("full"), 250);
  assertEquals(await first(true), 250);
  assertEquals(await first("equal"), 625);
  assert((await first("decorrelated") ?? 0) > 0);
});

Deno.test("retryWithBackoff() waits at least as long as Retry-After asks, at most maxRetryAfterMs", async () => {
  const asking = (seconds: number) => Object.assign(new Error("x"), { status: 429, retryAfter: seconds });
  const end = [asking(5), asking(0), asking(3600), "ok"];
  assertEquals((await play(end)).delays, [5000, 2000, 60_000]);
  assertEquals((await play(end, { maxRetryAfterMs: 10_000 })).delays, [5000, 2000, 10_000]);
});

Deno.test("retryWithBackoff() gives the fallback's result when all has failed, for a permanent error too", async () => {
  const fallback = (error: unknown) => `instead of ${error instanceof Error ? error.message : "?"}`;
  const permanent = () => Promise.reject(new Error("no such user"));
  assertEquals(await retryWithBackoff(permanent, { fallback }), "instead of no such user");
});

Deno.test("retryWithBackoff() ends a try at its time limit, aborts its signal, and tries again", async () => {
  const clock = new ManualClock();
  const reasons: unknown[] = [];
  const running = retryWithBackoff(({ attempt, signal }) => {
    if (attempt === 2) return "ok";
    signal?.addEventListener("abort", () => reasons.push(signal.reason));
    return new Promise<string>(() => {});
  }, { tryTimeoutMs: 100, jitter: false, clock });
  await clock.advance(99);
  assertEquals(reasons.length, 0);
  await clock.advance(1);
  assert(reasons[0] instanceof DOMException && reasons[0].name === "TimeoutError");
  await clock.advance(1000);
  assertEquals(await running, "ok");
  assertEquals(clock.timers, 0);
});

Deno.test("retryWithBackoff() cuts the last try at the deadline", async () => {
  const clock = new ManualClock();
  const running = retryWithBackoff(() => new Promise(() => {}), { deadlineMs: 500, clock });
  const rejected = assertRejects(() => running, DOMException, "longer than 500 ms");
  await clock.advance(500);
  await rejected;
  assertEquals(clock.timers, 0);
});

Deno.test("retryWithBackoff() names the deadline that has cut a try, and the failure before it", async () => {
  const clock = new ManualClock();
  const down = transient();
  const running = retryWithBackoff(({ attempt }) => {
    if (attempt === 1) throw down;
    return new Promise(() => {});
  }, { deadlineMs: 1500, tryTimeoutMs: 600, jitter: false, clock });
  const rejected = assertRejects(() => running, DOMException, "Cannot finish all tries: it took longer than 1500 ms");
  await clock.advance(1500);
  assertStrictEquals((await rejected).cause, down);
});

Deno.test("retryWithBackoff() does not begin a delay that would pass the deadline", async () => {
  assertEquals((await play([transient()], { deadlineMs: 3001 })).tries, 3);
  assertEquals((await play([transient()], { deadlineMs: 3000 })).tries, 2);
});

Deno.test("retryWithBackoff() ends a delay at once and calls nothing more when the signal is aborted", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  let tries = 0;
  const fallback = () => "never";
  const running = retryWithBackoff(() => {
    tries++;
    throw transient();
  }, { clock, signal: controller.signal, fallback });
  const rejected = assertRejects(() => running, Error, "enough");
  await clock.advance(0);
  assertEquals([tries, clock.timers], [1, 1]);
  controller.abort(new Error("enough"));
  await rejected;
  await clock.advance(100_000);
  assertEquals([tries, clock.timers], [1, 0]);
});

Deno.test("retryWithBackoff() ends a try at once when the signal is aborted, though the try does not heed it", async () => {
  const controller = new AbortController();
  const running = retryWithBackoff(() => new Promise(() => {}), { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => running, Error, "enough");
});

Deno.test("retryWithBackoff() ends when it is aborted or out of time, though its budget does not answer", async () => {
  const clock = new ManualClock();
  const budget = { spend: () => new Promise<number>(() => {}), succeed: () => {} };
  const fail = () => Promise.reject(transient());
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = assertRejects(() => retryWithBackoff(fail, { clock, budget, signal }), Error, "enough");
  const late = assertRejects(
    () => retryWithBackoff(fail, { clock, budget, deadlineMs: 5000 }),
    Error,
    "temporary failure",
  );
  await clock.advance(10);
  controller.abort(new Error("enough"));
  await aborted;
  await clock.advance(5000);
  await late;
  assertEquals(clock.timers, 0);
});

Deno.test("retryWithBackoff() calls nothing when the signal was aborted before", async () => {
  let tries = 0;
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => retryWithBackoff(() => ++tries, { signal }), Error, "enough");
  assertEquals(tries, 0);
});

Deno.test("retryWithBackoff() refuses options that break a rule, naming them, before any call", async () => {
  const fields = ["maxRetries", "baseDelayMs", "maxDelayMs", "exponentialBase", "tryTimeoutMs", "deadlineMs"];
  for (const field of [...fields, "maxRetryAfterMs"]) {
    const call = () => retryWithBackoff(() => assert(false, "called"), { [field]: -1 });
    await assertRejects(call, RangeError, field);
  }
  assertThrows(() => withRetry(() => 1, { maxRetries: 0.5 }), RangeError, "maxRetries");
});

Deno.test("withRetry() passes arguments and keeps calls apart", async () => {
  const clock = new SkippingClock();
  const failed = new Set<number>();
  const double = withRetry((n: number) => {
    if (!failed.has(n)) {
      failed.add(n);
      throw transient();
    }
    return n * 2;
  }, { clock, jitter: false });
  assertEquals(await Promise.all([double(1), double(2)]), [2, 4]);
});

Deno.test("withRetry() makes a method that keeps its object", async () => {
  const clock = new SkippingClock();
  const counter = {
    calls: 0,
    add: withRetry(function (this: { calls: number }, n: number) {
      if (++this.calls < 3) throw transient();
      return this.calls + n;
    }, { clock }),
  };
  assertEquals(await counter.add(4), 7);
});

// The situations of the AWS SDKs' standard retry mode, with the figures of version 2.1: base 50 ms, jitter 1, 500 tokens,
// 14 a retry, 5 a throttle. A response: its status, the delay and the quota after it.
const AWS_VECTORS: readonly AwsVector[] = [
  {
    name: "a retry that succeeds gives back its own cost",
    steps: [[500, 50, 486], [500, 100, 472], [200, null, 486]],
  },
  { name: "tries end at the maximum", steps: [[502, 50, 486], [502, 100, 472], [502, null, 472]] },
  { name: "tries end when the quota is used up", tokens: 14, steps: [[500, 50, 0], [502, null, 0]] },
  { name: "nothing is tried again without quota", tokens: 13, steps: [[500, null, 13]] },
  { name: "a throttle costs 5", tries: 3, steps: [[429, 50, 495], [200, null, 500]] },
  {
    name: "delays double",
    tries: 5,
    steps: [[500, 50, 486], [500, 100, 472], [503, 200, 458], [502, 400, 444], [500, null, 444]],
  },
  {
    name: "delays stay under the cap",
    tries: 5,
    capMs: 200,
    steps: [[500, 50, 486], [500, 100, 472], [503, 200, 458], [502, 200, 444], [500, null, 444]],
  },
  { name: "a success without retries gives one token", tokens: 100, steps: [[200, null, 101]] },
];

interface AwsVector {
  readonly name: string;
  readonly tokens?: number;
  readonly tries?: number;
  readonly capMs?: number;
  readonly steps: readonly (readonly [status: number, delayMs: number | null, quota: number])[];
}

/** A budget that is not full at first. */
function budgetOf(tokens: number): RetryBudget {
  const budget = new RetryBudget();
  while (budget.tokens - 14 >= tokens) budget.spend("transient");
  if (budget.tokens > tokens) {
    const spare = budget.tokens - tokens;
    budget.spend("transient");
    budget.succeed(14 - spare);
  }
  return budget;
}

for (const { name, tokens = 500, tries = 3, capMs = 20_000, steps } of AWS_VECTORS) {
  Deno.test(`retryWithBackoff() agrees with the AWS vectors: ${name}`, async () => {
    const budget = budgetOf(tokens);
    assertEquals(budget.tokens, tokens);
    const clock = new SkippingClock();
    const seen: [number, number | null, number][] = [];
    let calls = 0;
    await retryWithBackoff(() => {
      const status = steps[calls++]?.[0] ?? NaN;
      if (status === 200) return;
      throw Object.assign(new Error("x"), { status });
    }, {
      maxRetries: tries - 1,
      baseDelayMs: 50,
      maxDelayMs: capMs,
      jitter: "none",
      budget,
      clock,
      onRetry: (_, attempt, delayMs) => seen.push([steps[attempt - 1]?.[0] ?? NaN, delayMs, budget.tokens]),
      fallback: () => {},
    });
    seen.push([steps[calls - 1]?.[0] ?? NaN, null, budget.tokens]);
    assertEquals(seen, steps.map((step) => [...step]));
  });
}

for (const hours of [1, -1]) {
  Deno.test(`retryWithBackoff() keeps its deadline when the clock is set by ${hours} h`, async () => {
    const clock = new ManualClock();
    let tries = 0;
    const running = retryWithBackoff(() => {
      tries++;
      throw transient();
    }, { clock, jitter: false, maxRetries: 100, maxDelayMs: 1000, deadlineMs: 10_500 }).catch(() => {});
    await clock.advance(1500);
    clock.jump(hours * 3_600_000);
    await clock.advance(30_000);
    await running;
    assertEquals(tries, 11);
  });
}

Deno.test("retryWithBackoff() refuses a jitter that there is not", async () => {
  const jitter = "some" as unknown as boolean;
  const message = "Cannot use jitter: it must be a boolean or one of none, full, equal, decorrelated";
  await assertRejects(() => retryWithBackoff(() => 1, { jitter }), TypeError, message);
});

Deno.test("retryWithBackoff() ends at its deadline when the timer of a delay fires late, with the last error as the cause", async () => {
  class LateClock extends SkippingClock {
    override setTimer(callback: () => void, delayMs: number): () => void {
      return super.setTimer(callback, delayMs + 5000);
    }
  }
  const error = transient();
  const running = retryWithBackoff(() => Promise.reject(error), {
    jitter: false,
    clock: new LateClock(),
    deadlineMs: 3000,
  });
  const late = await assertRejects(() => running, DOMException, "Cannot finish all tries: it took longer than 3000 ms");
  assertStrictEquals(late.cause, error);
});
