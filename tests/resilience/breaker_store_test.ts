/** A breaker whose store fails in part, is always a step ahead, or answers when nobody waits any more. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { BreakerEventMap } from "../../src/resilience/breaker_events.ts";
import type { CircuitBreakerOptions } from "../../src/resilience/breaker_options.ts";
import { encodeBreaker } from "../../src/resilience/breaker_record.ts";
import { afterRead, afterWrite, INITIAL_REPLICA } from "../../src/resilience/breaker_replica.ts";
import { type BreakerState, INITIAL_STATE, type OpenState } from "../../src/resilience/breaker_state.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import { fail, succeed } from "../../src/testing/breaker_fleet.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn, turn } from "../storage/stand_in.ts";

/** A breaker on a backend whose methods the test may replace, and the health of its store. */
function shared(options: CircuitBreakerOptions = {}) {
  const clock = new ManualClock();
  const memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const breaker = new CircuitBreaker({ clock, backend: standIn(memory, methods), name: "b", ...options });
  const health: unknown[] = [];
  breaker.on("store_failed", ({ error }) => health.push(error));
  breaker.on("store_recovered", () => health.push("recovered"));
  return { clock, memory, methods, breaker, health };
}

const KEY = ["ao", "breaker", "b"];
const OPEN: OpenState = { kind: "open", generation: 1, revision: 0, by: "x", openForMs: 100, sinceMs: 0, openings: 1 };

Deno.test("CircuitBreaker.on() refuses an event that there is not", () => {
  const none = "opened" as keyof BreakerEventMap;
  assertThrows(() => new CircuitBreaker().on(none, () => {}), TypeError, "Cannot use type: it must be one of");
});

Deno.test("CircuitBreaker.initialize() has the shared state read before any call, or waits no longer than it may", async () => {
  const { clock, memory, methods, breaker } = shared();
  await memory.commit({ operations: [{ type: "set", key: KEY, value: encodeBreaker({ ...OPEN, openForMs: 5000 }) }] });
  const other = new CircuitBreaker({ clock, backend: memory, name: "b" });
  assertEquals(other.getState(), "closed");
  await other.initialize();
  assertEquals([other.getState(), other.isCallPermitted()], ["open", false]);
  methods.get = () => new Promise(() => {});
  const late = new CircuitBreaker({ clock, backend: standIn(memory, methods), name: "b", storeTimeoutMs: 50 });
  const begun = late.initialize();
  await clock.advance(50);
  await begun;
  assertEquals(late.getState(), "closed");
  const own = new CircuitBreaker({ clock });
  await own.initialize();
  assertEquals([own.getState(), (await own.tryCall(() => 1)).status], ["closed", "success"]);
  delete methods.get;
  for (const each of [breaker, other, late, own]) await each.close();
  await memory.close();
});

Deno.test("CircuitBreaker tells of a store that cannot be listened to, and goes by its record all the same", async () => {
  const { clock, memory, methods, breaker, health } = shared();
  methods.listen = () => Promise.reject(new BackendUnavailableError("no listeners"));
  const value = encodeBreaker({ ...OPEN, openForMs: 5000 });
  await memory.commit({ operations: [{ type: "set", key: KEY, value }] });
  assertEquals((await breaker.tryCall(() => 1)).status, "rejected");
  assertEquals(breaker.getState(), "open");
  assert(health[0] instanceof BackendUnavailableError);
  delete methods.listen;
  await clock.advance(1000);
  breaker.isCallPermitted();
  await turn();
  assertEquals(health.slice(1), ["recovered"]);
  await breaker.close();
  await memory.close();
});

Deno.test("CircuitBreaker tells of what a store throws that is no error", async () => {
  const { memory, methods, breaker, health } = shared();
  methods.get = () => Promise.reject("a string");
  await succeed(breaker);
  assert(health[0] instanceof BackendUnavailableError && health[0].cause === "a string");
  await breaker.close();
  await memory.close();
});

Deno.test("CircuitBreaker.call() that opens the breaker ends when the store knows it, or after storeTimeoutMs", async () => {
  const { clock, memory, methods, breaker } = shared({ failureThreshold: 1 });
  const other = new CircuitBreaker({ clock, backend: memory, name: "b" });
  await succeed(breaker);
  const commit = (batch: Batch) => memory.commit(batch);
  methods.commit = async (batch) => {
    for (let times = 0; times < 10; times++) await turn(); // as over a network
    return await commit(batch);
  };
  await assertRejects(() => breaker.call(() => Promise.reject(new Error("down"))), Error, "down");
  assertEquals((await other.tryCall(() => 1)).status, "rejected");
  await breaker.reset();
  methods.commit = () => new Promise(() => {});
  let hasEnded = false;
  const call = breaker.tryCall(() => Promise.reject(new Error("down"))).finally(() => hasEnded = true);
  await clock.advance(999);
  assertEquals([breaker.getState(), hasEnded], ["open", false]);
  await clock.advance(1);
  assertEquals((await call).status, "failure");
  delete methods.commit;
  await clock.advance(1000); // what is under way runs into its limit
  for (const each of [breaker, other]) await each.close();
  await memory.close();
});

Deno.test("CircuitBreaker gives up writing where another process is always a step ahead", async () => {
  const { memory, methods, breaker, health } = shared({ failureThreshold: 1, strict: true });
  await succeed(breaker);
  methods.commit = () => Promise.resolve({ committed: false, reason: "conflict", index: 0 });
  await assertRejects(() => breaker.isolate("by hand"), BackendUnavailableError, "16 tries met another process's");
  assertEquals(breaker.getState(), "closed");
  await fail(breaker);
  await turn();
  assert(health.some((error) => error instanceof BackendUnavailableError && error.message.includes("16 tries")));
  delete methods.commit;
  await breaker.close();
  await memory.close();
});

Deno.test("CircuitBreaker.close() takes back a listener that it got only then, and looks no more", async () => {
  const { memory, methods, breaker } = shared();
  let listened = (_unlisten: () => Promise<void>) => {};
  methods.listen = () => new Promise((resolve) => listened = resolve);
  const call = succeed(breaker);
  await turn();
  const closing = breaker.close();
  let taken = 0;
  listened(() => Promise.resolve(void taken++));
  await closing;
  await call;
  assertEquals(taken, 1);
  await memory.close();
});

Deno.test("CircuitBreaker looks no more once it is closed, whoever wakes it", async () => {
  const { memory, methods, breaker } = shared();
  let wake = () => {};
  methods.listen = (_topic, callback) => {
    wake = callback;
    return Promise.resolve(() => Promise.resolve());
  };
  await succeed(breaker);
  await breaker.close();
  let reads = 0;
  methods.get = () => Promise.reject(reads++);
  wake();
  await turn();
  assertEquals(reads, 0);
  await memory.close();
});

Deno.test("CircuitBreaker closes a probe's breaker with an error that is no failure", async () => {
  const { clock, memory, breaker } = shared({
    failureThreshold: 1,
    successThreshold: 1,
    openMs: 100,
    isFailure: (error) => !(error instanceof RangeError),
  });
  await fail(breaker);
  await turn();
  await clock.advance(100);
  await assertRejects(() => breaker.call(() => Promise.reject(new RangeError("an answer"))), RangeError);
  assertEquals(breaker.getState(), "closed");
  await breaker.close();
  await memory.close();
});

Deno.test("CircuitBreaker rejects, without a time to wait for, who asks while the last place is being asked for", async () => {
  const { clock, memory, breaker } = shared({
    failureThreshold: 1,
    successThreshold: 2,
    halfOpenMaxCalls: 1,
    openMs: 100,
  });
  await fail(breaker);
  await turn();
  await clock.advance(100);
  await succeed(breaker);
  assertEquals(breaker.getState(), "half_open");
  const [first, second] = [breaker.tryCall(() => 1), breaker.tryCall(() => 2)];
  const outcome = await second;
  assert(outcome.status === "rejected");
  assertEquals([outcome.state, outcome.retryAfterMs], ["half_open", 0]);
  assertEquals((await first).status, "success");
  assertEquals(breaker.getState(), "closed");
  await breaker.close();
  await memory.close();
});

Deno.test("afterWrite() keeps what was read in a later version than was written", () => {
  const written: BreakerState = { ...OPEN, generation: 1 };
  const later: BreakerState = { ...INITIAL_STATE, generation: 2, by: "y" };
  const replica = afterRead(INITIAL_REPLICA, later, "v2");
  assertEquals(afterWrite(replica, written, "v1"), replica);
  assertEquals(afterWrite(INITIAL_REPLICA, written, "v1"), { view: written, stored: written, version: "v1" });
});

Deno.test("afterRead() takes a state that was written again, and counts probes from when they were first seen", () => {
  const opened = afterRead(INITIAL_REPLICA, OPEN, "v1");
  const again = { ...OPEN, revision: 1, sinceMs: 50 };
  assertEquals(afterRead(opened, again, "v2").view, again);
  const probe = (id: string, sinceMs: number) => ({ id, leaseMs: 10, sinceMs });
  const half = { kind: "half_open", generation: 2, revision: 0, by: "h", successes: 0, openings: 1 } as const;
  const first = afterRead(opened, { ...half, probes: [probe("p", 100)] }, "v3");
  const second = afterRead(first, { ...half, revision: 1, probes: [probe("p", 200), probe("q", 200)] }, "v4");
  assertEquals(second.view, { ...half, revision: 1, probes: [probe("p", 100), probe("q", 200)] });
});
