/** How the Deno KV backend notices what others commit. @module */

import { assert, assertEquals } from "@std/assert";
import { DenoKvBackend, type DenoKvBackendOptions } from "../../backends/deno_kv.ts";
import { commit, message, QUEUE, send } from "../../src/testing/steps.ts";
import { FaultyKv } from "./faulty_kv.ts";
import { withPath } from "./support.ts";

const NEVER_MS = 600_000;

/** Runs a test on two handles that share a client, so that its changes are pushed. */
async function withHandles(
  options: DenoKvBackendOptions,
  test: (one: DenoKvBackend, two: DenoKvBackend, kv: FaultyKv) => Promise<void>,
): Promise<void> {
  await withPath(async (path) => {
    const kv = await FaultyKv.open(path);
    {
      await using one = new DenoKvBackend({ kv, ...options });
      await using two = new DenoKvBackend({ kv, ...options });
      await test(one, two, kv);
    }
    kv.close();
  });
}

async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!condition()) {
    assert(performance.now() < deadlineMs, `not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("listen() is woken through watch(), with no poll", async () => {
  await withHandles({ pollMs: NEVER_MS }, async (one, two) => {
    let wakes = 0;
    const unlisten = await one.listen(QUEUE, () => wakes++);
    for (let round = 1; round <= 3; round++) {
      const before = wakes;
      await send(two, message(`m${round}`));
      await eventually("the listener is woken", () => wakes > before);
    }
    await unlisten();
  });
});

Deno.test("listen() is woken by the poll where nothing is pushed, for its own topics alone", async () => {
  await withHandles({ pollMs: 5, watch: false }, async (one, two) => {
    let wakes = 0;
    let others = 0;
    const unlisten = [await one.listen(QUEUE, () => wakes++), await one.listen(["other"], () => others++)];
    for (let round = 1; round <= 3; round++) {
      const before = wakes;
      await send(two, message(`m${round}`));
      await eventually("the listener is woken", () => wakes > before);
    }
    assertEquals(others, 0);
    for (const each of unlisten) await each();
  });
});

Deno.test("listen() wakes everybody when more topics were woken than a bulletin holds", async () => {
  await withHandles({ pollMs: 5, watch: false }, async (one, two) => {
    let wakes = 0;
    const unlisten = await one.listen(["topic", "0"], () => wakes++);
    await two.commit({ operations: [], notify: Array.from({ length: 50 }, (_, index) => ["topic", String(index)]) });
    await eventually("the listener is woken", () => wakes > 0);
    await unlisten();
  });
});

Deno.test("listen() is woken after polls that failed, as it may have missed something", async () => {
  await withHandles({ pollMs: 5, watch: false }, async (one, two, kv) => {
    let wakes = 0;
    const unlisten = await one.listen(["topic"], () => wakes++);
    kv.reads = "broken";
    await one.ping().then(({ healthy }) => assertEquals(healthy, false));
    await eventually("a poll fails", () => kv.failedLists > 0);
    assertEquals(wakes, 0);
    kv.reads = "none";
    await eventually("the listener is woken", () => wakes > 0);
    await unlisten();
    await commit(two, [message("a")]);
  });
});

Deno.test("nothing is polled or watched while nobody listens", async () => {
  await withHandles({ pollMs: 1 }, async (one) => {
    const unlisten = await one.listen(QUEUE, () => {});
    const again = await one.listen(QUEUE, () => {});
    await unlisten();
    await again();
    await again(); // idempotent
    // The sanitizers see what would be left here, as the backend stays open until after this.
    const third = await one.listen(["other"], () => {});
    await third();
  });
});

Deno.test("listen() wakes everybody when there are more bulletins than a look reads", async () => {
  await withHandles({ pollMs: 5, watch: false }, async (one, two, kv) => {
    await one.ping();
    // Of processes that have ended since, all of them before those of the handles.
    for (let start = 0; start < 1000; start += 500) {
      const atomic = kv.atomic();
      for (let index = start; index < start + 500; index++) atomic.set(["ao", "w", `!${index}`], [1, 1, []]);
      await atomic.commit();
    }
    let wakes = 0;
    const unlisten = await one.listen(QUEUE, () => wakes++);
    const before = wakes;
    await send(two, message("a"));
    await eventually("the listener is woken", () => wakes > before);
    await unlisten();
  });
});

Deno.test("close() wakes those who listen, so that they learn of it", async () => {
  await withHandles({ pollMs: NEVER_MS }, async (one) => {
    let wakes = 0;
    await one.listen(QUEUE, () => wakes++);
    await one.close();
    assertEquals(wakes, 1);
  });
});
