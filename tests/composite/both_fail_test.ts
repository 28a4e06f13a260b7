/** A fallback whose two children fail, each in its turn or both: what is told of a write is true, and it is kept. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import type { FallbackOptions } from "../../backends/composite/options.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Operation } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { claimIds, claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { standIn } from "../storage/stand_in.ts";
import { flaky, primaryServes, synchronised } from "./flaky_backend.ts";

/** A primary and a fallback that can be switched off, each by itself. */
function open(options: Partial<FallbackOptions> = {}) {
  const clock = new ManualClock();
  const stores = { primary: new MemoryBackend({ clock }), fallback: new MemoryBackend({ clock }) };
  // They outlive those who use them.
  const [primary, fallback] = [stores.primary, stores.fallback].map((store) =>
    flaky(standIn(store, { close: () => Promise.resolve() }))
  );
  assert(primary && fallback);
  const given = { queues: true, ...options, fallback: fallback.backend };
  const begin = () => new FallbackBackend(primary.backend, given, clock, () => {});
  const first = begin();
  const comeBack = (backend = first) => synchronised(backend, clock);
  return { clock, stores, primary: primary.control, fallback: fallback.control, begin, backend: first, comeBack };
}

Deno.test("a write of which the primary's answer was lost is not told to be undone, whatever becomes of it in the fallback", async () => {
  for (const why of ["no queues", "away", "full"]) {
    const { backend, primary, fallback, stores } = open({ queues: why !== "no queues" });
    await backend.get([["any"]]);
    await commit(stores.fallback, [message("another")]);
    primary.losesAnswers = true;
    fallback.isAway = why === "away";
    await assertRejects(
      () => commit(backend, [message("a", { capacity: 1 })]),
      OutcomeUnknownError,
      "its answer was lost",
      why,
    );
    assertEquals((await stores.primary.stats(QUEUE)).ready, 1, "it has happened");
    await backend.close();
  }
});

Deno.test("a record whose mark went with an answer that was lost is not deleted at the primary", async () => {
  const { backend, primary, fallback, stores, clock, comeBack } = open();
  primary.isAway = true;
  await commit(backend, [record(["k"], "v")]);
  primary.isAway = false;
  fallback.losesAnswers = true;
  await clock.advance(1000);
  assertEquals(backend.status.serving, "fallback");
  fallback.losesAnswers = false;
  await comeBack();
  assertEquals((await stores.primary.get([["k"]]))[0]?.value, "v");
  assertEquals(await stores.fallback.count([]), 0);
  await backend.close();
});

Deno.test("G7 atomic batches: one of which the fallback's answer was lost comes to the primary in full or not at all", async () => {
  for (const happens of [true, false]) {
    const { backend, primary, fallback, stores, comeBack } = open();
    await commit(stores.primary, [record(["gone"], "old"), record(["new"], "old")]);
    primary.isAway = true;
    await backend.get([["any"]]);
    Object.assign(fallback, { losesAnswers: happens, isAway: !happens });
    const operations: Operation[] = [{ type: "delete", key: ["gone"] }, record(["new"], "new")];
    await assertRejects(() => commit(backend, operations), happens ? OutcomeUnknownError : BackendUnavailableError);
    Object.assign(fallback, { losesAnswers: false, isAway: false });
    primary.isAway = false;
    await comeBack();
    const found = (await stores.primary.get([["gone"], ["new"]])).map((entry) => entry?.value);
    assertEquals(found, happens ? [undefined, "new"] : ["old", "old"]);
    await backend.close();
  }
});

Deno.test("G7 atomic batches: a large one counts as done where only its last marks could not be written", async () => {
  const { backend, primary, fallback, stores, comeBack } = open();
  primary.isAway = true;
  const operations = Array.from({ length: 100 }, (_, n) => record(["k", `${n}`], n));
  await backend.get([["any"]]);
  fallback.commitsLeft = 2; // the marks, the batch, but not the marks once more
  assertEquals((await backend.commit({ operations })).committed, true);
  fallback.commitsLeft = Infinity;
  primary.isAway = false;
  await comeBack();
  assertEquals(await stores.primary.count(["k"]), 100);
  await backend.close();
});

Deno.test("what the primary has served since is not found in the fallback as it was, though that was away when it was to go", async () => {
  for (const isNext of [false, true]) {
    const { begin, backend: first, primary, fallback, stores, clock, comeBack } = open();
    primary.isAway = true;
    await commit(first, [record(["k"], "old"), record(["gone"], "old")]);
    primary.isAway = false;
    fallback.commitsLeft = 1; // what was brought is marked so, and stays
    await primaryServes(first, clock);
    await commit(first, [record(["k"], "new"), { type: "delete", key: ["gone"] }]);
    if (isNext) await first.close();
    fallback.commitsLeft = Infinity;
    primary.isAway = true;
    const backend = isNext ? begin() : first;
    assertEquals(await backend.get([["k"], ["gone"]]), [null, null]);
    assertEquals(await backend.count([]), 0);
    const operations = Array.from({ length: 100 }, (_, n): Operation => ({ type: "delete", key: [`${n}`] }));
    const checks = [{ key: ["x"], version: "none such" }];
    await backend.commit({ checks, operations: [...operations.slice(2), { type: "delete", key: ["gone"] }] });
    primary.isAway = false;
    await comeBack(backend);
    assertEquals((await stores.primary.get([["k"], ["gone"]])).map((entry) => entry?.value), ["new", undefined]);
    await backend.close();
  }
});

Deno.test("a primary that serves is not left for a fallback that fails with what is leased from it", async () => {
  const { backend, primary, fallback, clock } = open();
  primary.isAway = true;
  await commit(backend, [message("a")]);
  const delivery = await claimOne(backend);
  primary.isAway = false;
  await primaryServes(backend, clock);
  fallback.isAway = true;
  await clock.advance(5000);
  assertEquals(backend.status.serving, "primary");
  await commit(backend, [record(["k"], "v")]);
  fallback.isAway = false;
  await commit(backend, [{ type: "ack", ...lease(delivery) }]);
  await clock.advance(1000);
  assertEquals([backend.status.serving, backend.status.journalled], ["primary", 0]);
  await backend.close();
});

Deno.test("G1 nothing accepted is lost: what is written where its mark may be gone is marked again, for the next process too", async () => {
  const { begin, backend, primary, fallback, stores, clock, comeBack } = open();
  await commit(stores.primary, [record(["k"], "old"), record(["c", "k"], "old")]);
  primary.isAway = true;
  await commit(backend, [record(["k"], "new"), message("a")]);
  await backend.clear(["c"]);
  for (let answers = 0; answers < 4; answers++) { // of the prefix, the record, the message and the queue
    primary.isAway = false;
    fallback.losesAnswers = true;
    await clock.advance(1000);
    fallback.losesAnswers = false;
    primary.isAway = true;
  }
  await commit(stores.primary, [record(["c", "k"], "of another process")]);
  await commit(backend, [{ type: "delete", key: ["k"] }, message("b")]);
  await backend.clear(["c"]);
  await backend.close();
  primary.isAway = false;
  const next = begin();
  assertEquals(await next.get([["k"], ["c", "k"]]), [null, null]);
  await comeBack(next);
  assertEquals((await claimIds(next, 10)).includes("b"), true);
  await next.close();
});
