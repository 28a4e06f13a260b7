import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { CircuitBreakerOpenError } from "../../src/resilience/breaker_error.ts";
import type { CircuitBreakerOptions } from "../../src/resilience/breaker_options.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import { fail, hold, succeed } from "../../src/testing/breaker_fleet.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

/** A breaker of this process alone, with a clock that stands still. */
function local(options: CircuitBreakerOptions = {}): { readonly breaker: CircuitBreaker; readonly clock: ManualClock } {
  const clock = new ManualClock();
  return { breaker: new CircuitBreaker({ clock, ...options }), clock };
}

async function times(count: number, call: () => Promise<unknown>): Promise<void> {
  for (let each = 0; each < count; each++) await call();
}

Deno.test("CircuitBreaker has the defaults of the original", async () => {
  const { breaker, clock } = local();
  await times(4, () => fail(breaker));
  assertEquals(breaker.getState(), "closed");
  await fail(breaker);
  assertEquals([breaker.getState(), breaker.isCallPermitted()], ["open", false]);
  await clock.advance(59_999);
  assertEquals(breaker.isCallPermitted(), false);
  await clock.advance(1);
  assertEquals(breaker.isCallPermitted(), true);
  const probes = Array.from({ length: 4 }, () => hold(breaker));
  assertEquals(await Promise.all(probes.map((probe) => probe.begun)), [true, true, true, false]);
  assertEquals([breaker.getState(), breaker.isCallPermitted()], ["half_open", false]);
  probes[0]?.succeed();
  await probes[0]?.ended;
  assertEquals(breaker.getState(), "half_open");
  probes[1]?.succeed();
  await probes[1]?.ended;
  assertEquals(breaker.getState(), "closed");
  probes[2]?.fail();
  await probes[2]?.ended;
  assertEquals([breaker.getState(), breaker.getMetrics().failures, clock.timers], ["closed", 0, 0]);
});

Deno.test("CircuitBreaker.call() gives what the function gives, sync or not", async () => {
  const { breaker } = local();
  assertEquals(await breaker.call(() => 1), 1);
  assertEquals(await breaker.call(() => Promise.resolve(2)), 2);
  assertEquals(await breaker.execute((a: number, b: string) => `${a}${b}`, 3, "x"), "3x");
});

Deno.test("CircuitBreaker.call() throws what the function throws, and counts a throw like a rejection", async () => {
  const { breaker } = local({ failureThreshold: 2 });
  const error = new Error("down");
  const thrown = await breaker.call(() => {
    throw error;
  }).catch((error: unknown) => error);
  assertStrictEquals(thrown, error);
  await breaker.execute(() => Promise.reject(error)).catch(() => {});
  assertEquals(breaker.getState(), "open");
});

Deno.test("CircuitBreaker.call() throws CircuitBreakerOpenError with the time to wait", async () => {
  const { breaker, clock } = local({ name: "mail", failureThreshold: 1 });
  await fail(breaker);
  await clock.advance(10_000);
  const error = await assertRejects(() => breaker.call(() => 1), CircuitBreakerOpenError, "mail");
  assert(error instanceof CircuitBreakerOpenError);
  assertEquals([error.name, error.code, error.breaker, error.state, error.retryAfterMs], [
    "CircuitBreakerOpenError",
    "CIRCUIT_OPEN",
    "mail",
    "open",
    50_000,
  ]);
});

Deno.test("CircuitBreaker.call() begins before its caller goes on, closed and half open, where there is no store", async () => {
  const { breaker, clock } = local({
    failureThreshold: 1,
    halfOpenMaxCalls: 1,
    successThreshold: 1,
    probeLeaseMs: 500,
  });
  let begun = 0;
  const begin = () => breaker.tryCall(() => void begun++);
  const calls = [begin()];
  assertEquals(begun, 1);
  await fail(breaker);
  await clock.advance(60_000);
  const held = hold(breaker);
  assertEquals([breaker.getState(), (await begin()).status], ["half_open", "rejected"]);
  held.succeed();
  await held.ended;
  assertEquals([breaker.getState(), begun], ["closed", 1]);
  await fail(breaker);
  await clock.advance(60_000);
  calls.push(begin());
  assertEquals(begun, 2);
  assertEquals((await Promise.all(calls)).map(({ status }) => status), ["success", "success"]);
});

Deno.test("CircuitBreaker without a store opens again when a probe is overdue, though no timer has fired", async () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, setTimer: () => () => {} };
  const breaker = new CircuitBreaker({ clock, failureThreshold: 1, openMs: 100, probeLeaseMs: 500, strict: true });
  assertEquals((await succeed(breaker)).status, "success");
  await fail(breaker);
  nowMs += 100;
  const overdue = hold(breaker);
  nowMs += 500;
  const outcome = await succeed(breaker);
  assert(outcome.status === "rejected");
  assertEquals([outcome.state, outcome.retryAfterMs], ["open", 100]);
  overdue.succeed();
  assertEquals([(await overdue.ended).status, breaker.getState()], ["success", "open"]);
});

Deno.test("CircuitBreaker.tryCall() tells every end as a value", async () => {
  const { breaker } = local({ failureThreshold: 1 });
  assertEquals(await breaker.tryCall(() => 1), { status: "success", value: 1 });
  const reason = new Error("enough");
  assertEquals(await breaker.tryCall(() => 1, { signal: AbortSignal.abort(reason) }), { status: "aborted", reason });
  const error = new Error("down");
  assertEquals(await breaker.tryCall(() => Promise.reject(error)), { status: "failure", error });
  assertEquals(await breaker.tryCall(() => 1), { status: "rejected", state: "open", retryAfterMs: 60_000 });
});

Deno.test("CircuitBreaker opens by the share of failures when it is told to", async () => {
  const { breaker, clock } = local({ failureRate: { threshold: 0.5, windowMs: 10_000, minimumCalls: 6 } });
  for (let round = 0; round < 2; round++) {
    await fail(breaker);
    await succeed(breaker);
  }
  await fail(breaker);
  assertEquals([breaker.getState(), breaker.getMetrics().failures], ["closed", 3]);
  await clock.advance(5000);
  await fail(breaker);
  assertEquals(breaker.getState(), "open");
});

Deno.test("CircuitBreaker takes an error that isFailure denies for an answer, and one it cannot judge for a failure", async () => {
  const isFailure = (error: unknown) => {
    if (!(error instanceof Error)) throw new TypeError("no error");
    return error.message !== "not found";
  };
  const { breaker } = local({ failureThreshold: 2, isFailure });
  const throwing = (error: unknown) => breaker.tryCall(() => Promise.reject(error));
  await throwing(new Error("down"));
  assertEquals((await throwing(new Error("not found"))).status, "failure");
  await throwing(new Error("down"));
  assertEquals([breaker.getState(), breaker.getMetrics().successfulCalls], ["closed", 1]);
  await throwing("junk");
  assertEquals(breaker.getState(), "open");
});

Deno.test("CircuitBreaker waits for an isFailure that is a promise, and takes one that rejects for a failure", async () => {
  const { breaker, clock } = local({
    failureThreshold: 1,
    halfOpenMaxCalls: 1,
    successThreshold: 1,
    isFailure: (error) => {
      const { message } = error instanceof Error ? error : new Error();
      return message === "hopeless" ? Promise.reject(new Error("no judge")) : Promise.resolve(message === "down");
    },
  });
  const throwing = (message: string) => () => Promise.reject(new Error(message));
  await assertRejects(() => breaker.call(throwing("no such user")), Error, "no such user");
  assertEquals([breaker.getState(), breaker.getMetrics().successfulCalls], ["closed", 1]);
  await assertRejects(() => breaker.call(throwing("down")), Error, "down");
  assertEquals([breaker.getState(), breaker.getMetrics().failedCalls], ["open", 1]);
  await clock.advance(60_000);
  assertEquals((await breaker.tryCall(throwing("no such user"))).status, "failure");
  assertEquals(breaker.getState(), "closed", "a probe was answered");
  assertEquals((await breaker.tryCall(throwing("hopeless"))).status, "failure");
  assertEquals(breaker.getState(), "open");
});

Deno.test("CircuitBreaker.call() ends at once when its caller aborts, and counts nothing", async () => {
  const { breaker } = local({ failureThreshold: 1 });
  const controller = new AbortController();
  const seen: unknown[] = [];
  const running = breaker.call(({ signal }) => {
    signal?.addEventListener("abort", () => seen.push(signal.reason));
    return new Promise(() => {});
  }, { signal: controller.signal });
  const reason = new Error("enough");
  const rejected = assertRejects(() => running, Error, "enough");
  controller.abort(reason);
  await rejected;
  assertEquals(seen, [reason]);
  const { abortedCalls, failedCalls, state } = breaker.getMetrics();
  assertEquals([abortedCalls, failedCalls, state], [1, 0, "closed"]);
});

Deno.test("CircuitBreaker.call() ends a call at its time limit, and leaves no timer after one that was in time", async () => {
  const { breaker, clock } = local({ failureThreshold: 2, callTimeoutMs: 100 });
  assertEquals(await breaker.call(() => 1), 1);
  assertEquals(clock.timers, 0);
  const running = breaker.call(() => new Promise(() => {}));
  const rejected = assertRejects(() => running, DOMException, "100 ms");
  await clock.advance(100);
  await rejected;
  assertEquals([breaker.getMetrics().failures, clock.timers], [1, 0]);
});

Deno.test("CircuitBreaker sets no timer for a call without a time limit", async () => {
  const { breaker, clock } = local();
  const call = hold(breaker);
  assert(await call.begun);
  assertEquals(clock.timers, 0);
  call.succeed();
  await call.ended;
});

Deno.test("CircuitBreaker.reset() forgets the failures of a closed breaker too", async () => {
  const { breaker } = local({ failureThreshold: 2 });
  await fail(breaker);
  await breaker.reset();
  await fail(breaker);
  assertEquals(breaker.getState(), "closed");
});

Deno.test("CircuitBreaker adds jitter to open times, upwards alone", async () => {
  for (const [random, openMs] of [[0, 1000], [0.5, 1250]] as const) {
    const { breaker } = local({ failureThreshold: 1, openMs: 1000, openJitter: 0.5, random: () => random });
    await fail(breaker);
    const outcome = await succeed(breaker);
    assert(outcome.status === "rejected");
    assertEquals(outcome.retryAfterMs, openMs);
  }
});

Deno.test("CircuitBreaker.on() tells what happens until the listening ends, and bears listeners that throw", async () => {
  const { breaker, clock } = local({ failureThreshold: 1, successThreshold: 1 });
  const told: unknown[] = [];
  const offs = (["transition", "success", "failure", "rejected"] as const).map((type) =>
    breaker.on(type, (event) => {
      told.push([type, event]);
      throw new Error("a fault of the listener");
    })
  );
  const error = new Error("down");
  await breaker.tryCall(() => Promise.reject(error));
  await succeed(breaker);
  await clock.advance(60_000);
  await succeed(breaker);
  assertEquals(told, [
    ["failure", { probe: false, error }],
    ["transition", { from: "closed", to: "open", generation: 1, origin: "here" }],
    ["rejected", { state: "open", retryAfterMs: 60_000 }],
    ["transition", { from: "open", to: "half_open", generation: 2, origin: "here" }],
    ["success", { probe: true }],
    ["transition", { from: "half_open", to: "closed", generation: 3, origin: "here" }],
  ]);
  for (const off of offs) off();
  await succeed(breaker);
  assertEquals(told.length, 6);
});

Deno.test("CircuitBreaker.getMetrics() counts every call once", async () => {
  const { breaker, clock } = local({ failureThreshold: 2 });
  await succeed(breaker);
  await fail(breaker);
  await breaker.tryCall(() => 1, { signal: AbortSignal.abort() });
  await clock.advance(5);
  await fail(breaker);
  await succeed(breaker);
  const nowMs = clock.now();
  assertEquals(breaker.getMetrics(), {
    name: "default",
    state: "open",
    generation: 1,
    failures: 0,
    totalCalls: 5,
    successfulCalls: 1,
    failedCalls: 2,
    rejectedCalls: 1,
    abortedCalls: 1,
    stateChanges: 1,
    stateChangedAtMs: nowMs,
    lastFailureAtMs: nowMs,
  });
});

Deno.test("CircuitBreaker.getMetrics() counts a call before its event is told, also towards opening", async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 2 });
  const counted: number[][] = [];
  const look = () => {
    const { failures, failedCalls, successfulCalls } = breaker.getMetrics();
    counted.push([failures, failedCalls, successfulCalls]);
  };
  breaker.on("failure", look);
  breaker.on("success", look);
  const fail = () => breaker.tryCall(() => Promise.reject(new Error("no")));
  await fail();
  await breaker.tryCall(() => 1);
  await fail();
  await fail();
  assertEquals(counted, [[1, 1, 0], [0, 1, 1], [1, 2, 1], [2, 3, 1]]);
  assertEquals(breaker.getState(), "open");
});

Deno.test("CircuitBreaker does not open for a failure whose listener has isolated it", async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  breaker.on("failure", () => void breaker.isolate("by hand"));
  await breaker.tryCall(() => Promise.reject(new Error("no")));
  assertEquals([breaker.getState(), breaker.getMetrics().stateChanges], ["isolated", 1]);
});

Deno.test("CircuitBreaker() refuses options that break a rule, naming them", () => {
  const broken = {
    name: "",
    failureThreshold: 0,
    callTimeoutMs: 0,
    openMs: NaN,
    openFactor: 0.5,
    maxOpenMs: 1,
    openJitter: -1,
    halfOpenMaxCalls: 1.5,
    successThreshold: 0,
    probeLeaseMs: 0,
    storeTimeoutMs: 0,
    pollIntervalMs: -1,
    recordTtlMs: Infinity,
  };
  for (const [option, value] of Object.entries(broken)) {
    assertThrows(() => new CircuitBreaker({ [option]: value }), RangeError, option);
  }
  assertThrows(() => new CircuitBreaker({ callTimeoutMs: 500, probeLeaseMs: 400 }), RangeError, "probeLeaseMs");
  assertThrows(() => new CircuitBreaker({ namespace: ["x".repeat(1100)] }), RangeError, "key");
  assertThrows(() => new CircuitBreaker({ failureRate: { threshold: 2, windowMs: 1 } }), RangeError, "threshold");
});

Deno.test("CircuitBreaker gives back the place of a probe whose caller aborted while the store was asked", async () => {
  const clock = new ManualClock();
  await using store = new WatchedBackend(new MemoryBackend({ clock }));
  await using breaker = new CircuitBreaker({ backend: store, clock, failureThreshold: 1, halfOpenMaxCalls: 1 });
  await fail(breaker);
  await clock.advance(60_000);
  const controller = new AbortController();
  const call = hold(breaker, controller.signal);
  controller.abort();
  assertEquals((await call.ended).status, "aborted");
  await clock.advance(0);
  assertEquals((await succeed(breaker)).status, "success");
});

Deno.test("CircuitBreaker tells of an outage of the store once, and of its end", async () => {
  const clock = new ManualClock();
  await using store = new WatchedBackend(new MemoryBackend({ clock }));
  await using breaker = new CircuitBreaker({ backend: store, clock });
  const told: string[] = [];
  breaker.on("store_failed", ({ error }) => told.push(`failed: ${error instanceof Error}`));
  breaker.on("store_recovered", () => told.push("recovered"));
  await succeed(breaker);
  store.fault = "unreachable";
  for (let round = 0; round < 3; round++) {
    await clock.advance(1000);
    await succeed(breaker);
  }
  store.fault = "none";
  await clock.advance(1000);
  await succeed(breaker);
  await clock.advance(0);
  assertEquals(told, ["failed: true", "recovered"]);
});

Deno.test("CircuitBreaker.close() shares what is under way, is idempotent, and leaves a breaker of this process", async () => {
  await using backend = new MemoryBackend();
  const breaker = new CircuitBreaker({ backend, failureThreshold: 1 });
  await fail(breaker);
  await breaker.close();
  await breaker.close();
  const [entry] = await backend.get([["ao", "breaker", "default"]]);
  assert(entry);
  await breaker.reset();
  assertEquals((await succeed(breaker)).status, "success");
  assertEquals(await backend.get([entry.key]), [entry]);
});

Deno.test("CircuitBreaker goes on when its backend is closed before it", async () => {
  const backend = new MemoryBackend();
  const breaker = new CircuitBreaker({ backend, failureThreshold: 1 });
  await succeed(breaker);
  await backend.close();
  await fail(breaker);
  assertEquals((await succeed(breaker)).status, "rejected");
  await breaker.close();
});

Deno.test("CircuitBreaker makes no storage call for 1,000,000 closed calls but the floor poll", async () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, setTimer: () => () => {} };
  await using store = new WatchedBackend(new MemoryBackend());
  await using breaker = new CircuitBreaker({ backend: store, clock });
  await breaker.call(() => 1);
  store.calls = 0;
  for (let second = 0; second < 10; second++) {
    for (let call = 0; call < 100_000; call++) await breaker.call(() => 1);
    nowMs += 1000;
  }
  assertEquals(store.calls, 9);
});

for (const hours of [1, -1]) {
  Deno.test(`CircuitBreaker stays open as long as it should when the clock is set by ${hours} h`, async () => {
    const { breaker, clock } = local({ failureThreshold: 1, openMs: 60_000 });
    await fail(breaker);
    clock.jump(hours * 3_600_000);
    await clock.advance(59_999);
    assertEquals(breaker.isCallPermitted(), false);
    await clock.advance(1);
    assertEquals(breaker.isCallPermitted(), true);
  });
}
