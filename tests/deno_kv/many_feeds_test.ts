/** More parents of tracked records than one sweep of the Deno KV backend looks at. @module */

import { assertEquals } from "@std/assert";
import { commitMany, message, record, send } from "../../src/testing/steps.ts";
import { until } from "../until.ts";
import { stored, withFaulty } from "./support.ts";

Deno.test("G8 bounded: of many parents whose tracked records are gone, those behind the first hundreds go as well", async () => {
  await withFaulty({}, async (backend, _kv, path) => {
    const tracked = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...record(["parent", `${from + index}`.padStart(4, "0"), "note"], 1),
        tracked: true,
      }));
    await commitMany(backend, tracked(0, 450));
    using engine = await Deno.openKv(path);
    for (const kind of ["g", "k"]) {
      for await (const { key } of engine.list({ prefix: ["ao", kind] })) await engine.delete(key);
    }
    // Each hundred new queues bring another sweep.
    for (let round = 0; round < 3; round++) {
      await send(
        backend,
        ...Array.from({ length: 2 }, (_, index) => message("m", { queue: ["other", `${round} ${index}`] })),
      );
      await commitMany(
        backend,
        Array.from({ length: 100 }, (_, index) => message("m", { queue: [`${round}`, `${index}`] })),
      );
    }
    await until("all are gone", async () => (await stored(path)).f === undefined);
    assertEquals((await backend.changes(["parent", "0000"])).entries, []);
  });
});
