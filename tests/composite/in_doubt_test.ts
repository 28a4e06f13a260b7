/** Messages that the primary may have, or not: nobody gets them from the fallback beside it. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { OutcomeUnknownError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { claimIds, claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { standIn } from "../storage/stand_in.ts";
import { flaky, primaryServes, synchronised } from "./flaky_backend.ts";

/** A primary that can be switched off, and a fallback that outlives who uses it. */
function open() {
  const clock = new ManualClock();
  const stores = { primary: new MemoryBackend({ clock }), fallback: new MemoryBackend({ clock }) };
  const stay = { close: () => Promise.resolve() };
  const methods: Partial<StorageBackend> = { ...stay };
  const { backend: primary, control } = flaky(standIn(stores.primary, methods));
  const begin = () =>
    new FallbackBackend(primary, { fallback: standIn(stores.fallback, stay), queues: true }, clock, () => {});
  const comeBack = async (backend: FallbackBackend) => {
    Object.assign(control, { isAway: false, losesAnswers: false });
    await synchronised(backend, clock);
  };
  /** Has the primary take what the fallback holds, and its answers be lost. */
  const loseAnswers = async () => {
    Object.assign(control, { isAway: false, losesAnswers: true });
    await clock.advance(1000);
  };
  /** Goes on for a while in which the primary is away, and tells what the fallback served meanwhile. */
  const servedFor = async (backend: StorageBackend, minutes: number) => {
    Object.assign(control, { isAway: true, losesAnswers: false });
    const served: string[] = [];
    for (let second = 0; second < minutes * 60; second += 5) {
      await clock.advance(5000);
      served.push(...await handle(backend));
    }
    return served;
  };
  return { clock, stores, methods, control, begin, loseAnswers, comeBack, servedFor };
}

/** Handles what there is, and tells the ids. */
async function handle(backend: StorageBackend): Promise<string[]> {
  const deliveries = await backend.claim(QUEUE, { leaseMs: 1000, limit: 10 });
  if (deliveries.length > 0) await commit(backend, deliveries.map((delivery) => ({ type: "ack", ...lease(delivery) })));
  return deliveries.map(({ id }) => id);
}

Deno.test("G2 one live lease: what may have arrived at the primary is not served by the fallback, however long that is away", async () => {
  const { stores, control, begin, loseAnswers, comeBack, servedFor } = open();
  const backend = begin();
  control.isAway = true;
  await commit(backend, [message("a"), message("b"), message("later", { delayMs: 30_000 })]);
  await loseAnswers();
  assertEquals(backend.status.serving, "fallback");
  assertEquals(await servedFor(backend, 4), ["later"], "which was not on its way");
  assertEquals(await handle(stores.primary), ["a", "b"]);
  await comeBack(backend);
  assertEquals(await claimIds(backend, 10), []);
  await backend.close();
});

Deno.test("G2 one live lease: what is not due yet and may have arrived at the primary is not served when it is due", async () => {
  const { stores, control, begin, loseAnswers, comeBack, servedFor } = open();
  const backend = begin();
  control.isAway = true;
  await commit(backend, ["a", "b"].map((id) => message(id, { delayMs: 30_000 })));
  await loseAnswers();
  assertEquals(backend.status.serving, "fallback");
  assertEquals(await servedFor(backend, 2), []);
  assertEquals(await handle(stores.primary), ["a", "b"]);
  await comeBack(backend);
  assertEquals(await claimIds(backend, 10), []);
  await backend.close();
});

Deno.test("what may have arrived at the primary may have the longest of names", async () => {
  const { control, begin, loseAnswers, servedFor } = open();
  const backend = begin();
  control.isAway = true;
  const [queue, id] = [["q".repeat(1000)], "i".repeat(256)];
  await commit(backend, [message(id, { queue, delayMs: 30_000 })]);
  await loseAnswers();
  await servedFor(backend, 1);
  assertEquals(await claimIds(backend, 10, queue), []);
  await backend.close();
});

Deno.test("G2 one live lease: a send of unknown outcome waits in the fallback until the primary can tell", async () => {
  for (const happens of [true, false]) {
    const { stores, methods, control, begin, comeBack, servedFor } = open();
    const backend = begin();
    methods.commit = async (batch) => {
      if (happens) await stores.primary.commit(batch);
      throw new OutcomeUnknownError("the answer was lost");
    };
    const results = await commit(backend, [message("a"), message("later", { delayMs: 600_000 }), record(["k"], 1)]);
    assertEquals(results[0], { type: "enqueue", duplicate: false });
    assertEquals((await backend.get([["k"]]))[0]?.value, 1);
    delete methods.commit;
    assertEquals(control.isAway, false);
    assertEquals(await servedFor(backend, 2), []);
    assertEquals(await handle(stores.primary), happens ? ["a"] : []);
    assertEquals(await commit(backend, [message("a")]), [{ type: "enqueue", duplicate: true }]);
    await comeBack(backend);
    assertEquals(await claimIds(backend, 10), happens ? [] : ["a"]);
    const [later] = await Array.fromAsync(backend.messages(QUEUE, "delayed"));
    assertEquals([later?.id, (later?.dueAtMs ?? 0) - (later?.enqueuedAtMs ?? 0) <= 600_000], ["later", true]);
    await backend.close();
  }
});

Deno.test("G2 one live lease: a send of unknown outcome that the fallback refused waits there once it is sent again", async () => {
  const { stores, methods, control, begin, comeBack, servedFor } = open();
  const backend = begin();
  await backend.get([["any"]]);
  await commit(stores.fallback, [message("other")]);
  methods.commit = async (batch) => {
    await stores.primary.commit(batch);
    control.isAway = true;
    throw new OutcomeUnknownError("the answer was lost");
  };
  await assertRejects(() => commit(backend, [message("a", { capacity: 1 })]), OutcomeUnknownError);
  delete methods.commit;
  await commit(backend, [message("a", { capacity: 2 })]);
  assertEquals(await servedFor(backend, 2), ["other"]);
  assertEquals(await handle(stores.primary), ["a"]);
  await comeBack(backend);
  assertEquals(await claimIds(backend, 10), []);
  await backend.close();
});

Deno.test("what may have arrived at the primary is kept back by the next process too", async () => {
  const { stores, control, begin, loseAnswers, comeBack, servedFor } = open();
  const first = begin();
  control.isAway = true;
  await commit(first, [message("moved")]);
  await loseAnswers();
  control.isAway = true;
  await first.close();
  const second = begin();
  assertEquals(await servedFor(second, 2), []);
  assertEquals(await handle(stores.primary), ["moved"]);
  await comeBack(second);
  assertEquals(await claimIds(second, 10), []);
  await second.close();
});

Deno.test("what a worker has is not taken for what may have arrived at the primary, however long its lease is", async () => {
  const { clock, control, begin, comeBack } = open();
  const backend = begin();
  control.isAway = true;
  await commit(backend, [message("a")]);
  const delivery = await claimOne(backend, 365 * 24 * 3_600_000);
  control.isAway = false;
  await primaryServes(backend, clock);
  assertEquals(await claimIds(backend, 10), []);
  await commit(backend, [{ type: "ack", ...lease(delivery) }]);
  await comeBack(backend);
  assertEquals(await claimIds(backend, 10), []);
  await backend.close();
});
