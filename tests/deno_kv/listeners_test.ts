/** Listeners of the Deno KV backend that come, go and fail at odd moments. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { DenoKvBackend, type DenoKvKey } from "../../backends/deno_kv.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { message, QUEUE, send } from "../../src/testing/steps.ts";
import { until } from "../until.ts";
import { FaultyKv } from "./faulty_kv.ts";
import { withFaulty, withPath } from "./support.ts";

Deno.test("listen() that cannot look fails, and can be tried again", async () => {
  await withFaulty({ pollMs: 5, watch: false }, async (backend, kv, path) => {
    await using other = new DenoKvBackend({ path });
    await backend.ping();
    kv.reads = "broken";
    await assertRejects(() => backend.listen(QUEUE, () => {}), BackendUnavailableError);
    kv.reads = "none";
    let wakes = 0;
    const unlisten = await backend.listen(QUEUE, () => wakes++);
    await send(other, message("a"));
    await until("the listener is woken", () => wakes > 0);
    await unlisten();
  });
});

Deno.test("listen() during the end of the last listening is woken", async () => {
  await withFaulty({ pollMs: 5, watch: false }, async (backend, _kv, path) => {
    await using other = new DenoKvBackend({ path });
    for (let steps = 0; steps < 12; steps++) {
      let wakes = 0;
      const first = await backend.listen(QUEUE, () => {});
      const ending = first();
      for (let step = 0; step < steps; step++) await Promise.resolve();
      const second = await backend.listen(QUEUE, () => wakes++);
      await ending;
      await send(other, message(`m${steps}`));
      await until("the second listener is woken", () => wakes > 0);
      await second();
    }
  });
});

Deno.test("a watch that breaks is opened again by the poll", async () => {
  /** Breaks its first streams. */
  class Breaking extends FaultyKv {
    watched = 0;

    override watch(keys: DenoKvKey[]): ReadableStream<unknown> {
      if (++this.watched > 2) return super.watch(keys);
      return new ReadableStream({ start: (controller) => controller.error(new Error("the connection broke")) });
    }
  }
  await withPath(async (path) => {
    const kv = new Breaking(await Deno.openKv(path));
    {
      await using backend = new DenoKvBackend({ kv, pollMs: 5, watch: true });
      let wakes = 0;
      const unlisten = await backend.listen(QUEUE, () => wakes++);
      await until("it is opened again", () => kv.watched > 2);
      await send(backend, message("a"));
      await until("the listener is woken", () => wakes > 0);
      await unlisten();
      assertEquals(kv.watched, 3, "one that is open is left alone");
    }
    kv.close();
  });
});
