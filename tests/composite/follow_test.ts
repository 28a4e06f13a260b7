/** A message that the fallback still has when the primary serves again, and cannot be given to it. @module */

import { assert, assertEquals } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { claimIds, claimOne, commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { standIn } from "../storage/stand_in.ts";
import { flaky, primaryServes, synchronised } from "./flaky_backend.ts";

/** A primary that is away, and of which single methods can be replaced, with its fallback. */
function open() {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const { backend: primary, control } = flaky(standIn(store, methods));
  const fallback = new MemoryBackend({ clock });
  const backend = new FallbackBackend(primary, { fallback, queues: true }, clock, () => {});
  control.isAway = true;
  return { clock, store, methods, control, backend, [Symbol.asyncDispose]: () => backend.close() };
}

Deno.test("a call goes on where what the fallback was just given back cannot be brought over, which is done later", async () => {
  await using its = open();
  const { clock, methods, control, backend } = its;
  await commit(backend, [message("a")]);
  const delivery = await claimOne(backend);
  control.isAway = false;
  await primaryServes(backend, clock);
  let failures = 0;
  methods.commit = () => {
    failures++;
    return Promise.reject(new BackendUnavailableError("away"));
  };
  await commit(backend, [{ type: "retry", ...lease(delivery) }]);
  assertEquals(await claimIds(backend, 10), []);
  assert(failures > 0, "it was tried to bring it over");
  delete methods.commit;
  await clock.advance(1000);
  assertEquals(await claimIds(backend, 10), ["a"]);
});

Deno.test("messages that could not be brought over are served by the fallback again at once, also on their last attempt", async () => {
  await using its = open();
  const { clock, methods, control, backend } = its;
  const ids = Array.from({ length: 25 }, (_, n) => `m${n}`);
  await commit(backend, ids.map((id, n) => message(id, { maxAttempts: 1 + n % 2 })));
  let commits = 0;
  methods.commit = () => {
    control.isAway = true; // it answered, and is gone again
    commits++;
    return Promise.reject(new BackendUnavailableError("away"));
  };
  control.isAway = false;
  await clock.advance(1000);
  assertEquals([backend.status.serving, commits], ["fallback", 1]);
  const { ready, leased, dead } = await backend.stats(QUEUE);
  assertEquals([ready, leased, dead], [25, 0, 0]);
  assertEquals(await claimIds(backend, 25), [...ids.slice(10), ...ids.slice(0, 10)]);
});

Deno.test("a batch that has no room for its marks comes to the primary whole, messages and records", async () => {
  await using its = open();
  const { clock, store, control, backend } = its;
  await commit(backend, [message("a"), ...Array.from({ length: 80 }, (_, n) => record(["k", `${n}`], n))]);
  control.isAway = false;
  await primaryServes(backend, clock);
  assertEquals([await store.count(["k"]), await claimIds(store, 10)], [80, ["a"]]);
});

Deno.test("a message that becomes due while it is brought over is handled once", async () => {
  await using its = open();
  const { clock, store, methods, control, backend } = its;
  // More than go at once, so that calls do not wait for all of the synchronisation.
  await commit(backend, Array.from({ length: 60 }, (_, n) => record(["k", `${n}`], n)));
  await commit(backend, [message("later", { delayMs: 5000 })]);
  const claimed: Promise<string[]>[] = [];
  methods.commit = async (batch) => {
    const result = await store.commit(batch);
    if (batch.operations.some((operation) => operation.type === "enqueue")) {
      clock.jump(5000);
      claimed.push(claimIds(backend, 10));
    }
    return result;
  };
  control.isAway = false;
  await synchronised(backend, clock);
  assert(claimed.length > 0, "it was brought over");
  await clock.advance(5000);
  assertEquals([...(await Promise.all(claimed)).flat(), ...await claimIds(backend, 10)], ["later"]);
});

Deno.test("messages of which nobody knows whether they were brought over are not served beside the primary's", async () => {
  await using its = open();
  const { clock, control, backend } = its;
  await commit(backend, [message("a"), message("b")]);
  Object.assign(control, { isAway: false, losesAnswers: true });
  await clock.advance(1000);
  assertEquals(backend.status.serving, "fallback");
  assertEquals(await claimIds(backend, 10), []);
  control.losesAnswers = false;
  await synchronised(backend, clock);
  assertEquals(await claimIds(backend, 10), ["a", "b"]);
});
