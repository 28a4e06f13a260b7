import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { RetryBudget } from "../../src/resilience/retry_budget.ts";
import { SharedRetryBudget } from "../../src/resilience/shared_retry_budget.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn } from "../storage/stand_in.ts";

const KEY = ["ao", "retry_budget", "mail"];

async function tokensIn(backend: MemoryBackend): Promise<unknown> {
  const [entry] = await backend.get([KEY]);
  return entry?.value ?? null;
}

Deno.test("RetryBudget.spend() refuses what it cannot pay, and takes nothing then", () => {
  const budget = new RetryBudget({ capacity: 20 });
  assertEquals(budget.spend("network"), 14);
  assertEquals(budget.spend("network"), null);
  assertEquals(budget.spend("rate_limit"), 5);
  assertEquals(budget.tokens, 1);
});

Deno.test("RetryBudget.succeed() never fills over the capacity", () => {
  const budget = new RetryBudget({ capacity: 10 });
  budget.succeed(5);
  assertEquals(budget.tokens, 10);
});

Deno.test("RetryBudget() refuses options that break a rule", () => {
  assertThrows(() => new RetryBudget({ capacity: 0 }), RangeError, "capacity");
  assertThrows(() => new RetryBudget({ retryCost: -1 }), RangeError, "retryCost");
});

Deno.test("SharedRetryBudget() refuses options that break a rule", () => {
  const backend = new MemoryBackend();
  assertThrows(() => new SharedRetryBudget({ backend, name: "" }), RangeError, "name");
  assertThrows(() => new SharedRetryBudget({ backend, name: "x", namespace: ["x".repeat(1100)] }), RangeError, "key");
  assertThrows(
    () => new SharedRetryBudget({ backend, name: "x", creditIntervalMs: -1 }),
    RangeError,
    "creditIntervalMs",
  );
});

Deno.test("SharedRetryBudget.spend() draws on what all processes have left", async () => {
  await using backend = new MemoryBackend();
  const budgets = [1, 2, 3].map(() => new SharedRetryBudget({ backend, name: "mail", capacity: 40 }));
  const spent = await Promise.all(budgets.map((budget) => budget.spend("network")));
  assertEquals(spent.filter((cost) => cost !== null).length, 2);
  assertEquals(await tokensIn(backend), { v: 1, tokens: 12 });
});

Deno.test("SharedRetryBudget.succeed() credits what it gathered, at most once an interval", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const budget = new SharedRetryBudget({ backend, name: "mail", capacity: 100, clock });
  await budget.spend("network");
  for (let n = 0; n < 5; n++) budget.succeed(0);
  assertEquals(await tokensIn(backend), { v: 1, tokens: 86 });
  await clock.advance(1000);
  budget.succeed(0);
  await budget.flush();
  assertEquals(await tokensIn(backend), { v: 1, tokens: 92 });
});

Deno.test("SharedRetryBudget.flush() writes nothing when the bucket is full", async () => {
  await using backend = new MemoryBackend();
  const budget = new SharedRetryBudget({ backend, name: "mail" });
  budget.succeed(0);
  await budget.flush();
  assertEquals(await tokensIn(backend), null);
});

Deno.test("SharedRetryBudget.spend() goes by its own count when the store is away", async () => {
  const backend = new MemoryBackend();
  const budget = new SharedRetryBudget({ backend, name: "mail", capacity: 20 });
  await backend.close();
  assertEquals(await budget.spend("network"), 14);
  assertEquals(await budget.spend("network"), null);
  budget.succeed(14);
  await budget.flush();
  assertEquals(await budget.spend("network"), 14);
});

Deno.test("SharedRetryBudget.spend() takes a damaged record for a full bucket", async () => {
  await using backend = new MemoryBackend();
  for (const value of ["junk", { v: 1, tokens: -5 }, { v: 2, tokens: 1e12, more: true }]) {
    await backend.commit({ operations: [{ type: "set", key: KEY, value }] });
    const budget = new SharedRetryBudget({ backend, name: "mail", capacity: 100 });
    assert(await budget.spend("network") !== null);
    assertEquals(await tokensIn(backend), { v: 1, tokens: 86 });
  }
});

Deno.test("SharedRetryBudget.spend() goes by its own count where another process is always a step ahead", async () => {
  await using memory = new MemoryBackend();
  const backend = standIn(memory, {
    commit: () => Promise.resolve({ committed: false, reason: "conflict", index: 0 }),
  });
  const budget = new SharedRetryBudget({ name: "mail", backend, capacity: 20 });
  assertEquals([await budget.spend("network"), await budget.spend("network")], [14, null]);
});
