/** Batches that travel in one transaction, of which some are refused, and what queues are remembered by. @module */

import { assertEquals } from "@std/assert";
import { PGlite } from "@electric-sql/pglite";
import { PostgresBackend } from "../../backends/postgres.ts";
import { QueueFloors } from "../../backends/postgres/floors.ts";
import { QueueNumbers } from "../../backends/postgres/queues.ts";
import { statementsFor } from "../../backends/postgres/statements.ts";
import {
  claimIds,
  claimOne,
  commit,
  counts,
  lease,
  message,
  only,
  QUEUE,
  record,
  valueOf,
} from "../../src/testing/steps.ts";
import { until } from "../until.ts";

const FULL = message("one too many", { queue: ["full"], capacity: 1 });
const REFUSED = { committed: false, reason: "full", index: 1 } as const;

const cases: Record<string, (backend: PostgresBackend, client: PGlite) => Promise<void>> = {};

cases["undoes all of a refused batch, and nothing of those beside it"] = async (backend) => {
  const send = message("a", { dedupeMs: 0 });
  await commit(backend, [record(["kept"], "before"), send, message("the only one", { queue: ["full"] })]);
  const delivery = await claimOne(backend);
  const outcomes = await Promise.all([
    backend.commit({ operations: [{ type: "ack", ...lease(delivery) }, record(["acknowledged"], true)] }),
    backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "a" }] }),
    backend.commit({ operations: [send, FULL] }),
    backend.commit({ operations: [record(["kept"], "after"), FULL] }),
    backend.commit({ operations: [record(["new"], "new"), FULL] }),
  ]);
  assertEquals(outcomes.slice(2), [REFUSED, REFUSED, REFUSED]);
  assertEquals(outcomes[0]?.committed, true);
  assertEquals(outcomes[1], { committed: true, results: [{ type: "purge", found: false }] });
  assertEquals([await valueOf(backend, ["kept"]), await backend.get([["new"]])], ["before", [null]]);
  assertEquals(await counts(backend), only({}));
  const [again] = await commit(backend, [send]);
  assertEquals(again, { type: "enqueue", duplicate: false });
};

cases["delays a message that is sent together with a record"] = async (backend) => {
  await commit(backend, [record(["with it"], 1), message("later", { delayMs: 60_000 })]);
  assertEquals(await counts(backend), only({ delayed: 1 }));
};

cases["makes a queue anew that was taken away since it was known"] = async (backend, client) => {
  await commit(backend, [message("known")]);
  const { rows } = await client.query<{ schema: string }>(
    "SELECT table_schema AS schema FROM information_schema.tables WHERE table_name = 'queues'",
  );
  for (const table of ["messages", "ids", "queues"]) await client.query(`DELETE FROM ${rows[0]?.schema}.${table}`);
  await commit(backend, [record(["with it"], 1), message("anew")]);
  assertEquals([await valueOf(backend, ["with it"]), await claimIds(backend, 10)], [1, ["anew"]]);
};

cases["wakes the topics that a single send names"] = async (backend) => {
  let wakes = 0;
  const unlisten = await backend.listen(["topic"], () => wakes++);
  await backend.commit({ operations: [message("a")], notify: [["topic"]] });
  await until("the listener is woken", () => wakes > 0);
  await unlisten();
};

Deno.test({
  name: "PostgresBackend keeps apart what travels together, and finds queues again",
  sanitizeOps: false, // PGlite sets timers of its own, which it does not end
  fn: async (context) => {
    const client = await PGlite.create();
    try {
      for (const [name, run] of Object.entries(cases)) {
        await context.step({
          name,
          sanitizeOps: false,
          fn: async () => {
            await using backend = new PostgresBackend({ client, namespace: name });
            await run(backend, client);
          },
        });
      }
    } finally {
      await client.close();
    }
  },
});

Deno.test("QueueFloors begin anew when they have learned of too many queues", () => {
  const floors = new QueueFloors();
  const rows = [{ promotions: 0, due: false, now: 5 }];
  const learn = (num: number) => floors.learn(num, floors.of(num, false), rows);
  learn(1);
  const learned = floors.of(1, false);
  learn(1);
  assertEquals([learned.promotions, floors.of(1, false)], [0, learned]);
  for (let num = 2; num <= 10_001; num++) learn(num);
  assertEquals([floors.of(1, false).promotions, floors.of(10_001, false).promotions], [-1, 0]);
});

Deno.test("QueueNumbers looks queues up again when it has found too many", async () => {
  let asked = 0;
  const numbers = new QueueNumbers("ns/", statementsFor("ao"));
  const session = {
    query: () => Promise.resolve(Array.from({ length: 10_001 }, (_, num) => ({ num, name: `ns/${asked}-${num}` }))),
  };
  const find = () => numbers.find(session, [`${++asked}-0`]);
  assertEquals((await find()).get("1-0"), 0);
  assertEquals(numbers.get("1-10000"), 10_000);
  await find();
  assertEquals([numbers.get("1-0"), numbers.get("2-0")], [0, 0]);
  await find();
  assertEquals([numbers.get("1-0"), numbers.get("2-0"), numbers.get("3-0")], [undefined, undefined, 0]);
});
