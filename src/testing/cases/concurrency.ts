/** Cases: many at once, and nothing lost, doubled or overwritten. @module */

import assert from "node:assert/strict";
import { sleep, systemClock } from "../../clock.ts";
import type { Delivery, Operation, StorageBackend } from "../../storage/backend.ts";
import type { ConformanceCase } from "../case.ts";
import {
  claim,
  commit,
  counts,
  entryOf,
  idsOf,
  lease,
  message,
  only,
  QUEUE,
  record,
  refuse,
  send,
  valueOf,
} from "../steps.ts";

const CONSUMERS = 16;

/** Cases about concurrent callers. */
export const concurrencyCases: readonly ConformanceCase[] = [
  {
    name: "G2 one live lease: claim() gives a message to one of 16 consumers",
    run: async ({ backend }) => {
      for (let round = 0; round < 20; round++) {
        await send(backend, message(`m${round}`));
        const claims = await Promise.all(consumers(() => claim(backend, 3)));
        assert.deepEqual(idsOf(claims.flat()), [`m${round}`]);
      }
    },
  },
  {
    name: "G1 nothing accepted is lost: 2,000 messages, 16 consumers, each handled once and never live twice",
    run: async ({ backend }) => await work([backend], 2000),
  },
  {
    name: "G1 nothing accepted is lost: 2,000 messages, 16 consumers on 4 handles",
    needs: ["shared"],
    run: async ({ backend, peer }) => await work([backend, await peer(), await peer(), await peer()], 2000),
  },
  {
    name: "G1 nothing accepted is lost: what consumers leave behind is handled by the others",
    run: async ({ backend, shortMs, elapse }) => {
      const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
      await Promise.all(ids.map((id) => commit(backend, [message(id)])));
      const left = (await Promise.all(consumers(() => claim(backend, 5, shortMs)))).flat();
      assert.equal(new Set(idsOf(left)).size, 5 * CONSUMERS);
      await elapse(shortMs);
      const handled: string[] = [];
      await Promise.all(consumers(async () => {
        for (let some = await claim(backend, 7); some.length > 0; some = await claim(backend, 7)) {
          await commit(backend, some.map((held) => ({ type: "ack", ...lease(held) })));
          handled.push(...idsOf(some));
        }
      }));
      assert.deepEqual(handled.toSorted(), ids.toSorted());
      assert.deepEqual(await counts(backend), only({}));
      for (const held of left.slice(0, 3)) {
        await refuse(backend, { operations: [{ type: "ack", ...lease(held) }] }, "lease_lost", 0);
      }
    },
  },
  {
    name: "G2 one live lease: of 16 settlements of one delivery at once, one succeeds",
    run: async ({ backend }) => {
      await send(backend, message("a"), message("b"));
      const [held] = await claim(backend, 1);
      assert.ok(held);
      const types = ["ack", "retry", "bury"] as const;
      const outcomes = await Promise.all(
        consumers((index) => backend.commit({ operations: [{ type: types[index % 3] ?? "ack", ...lease(held) }] })),
      );
      assert.equal(outcomes.filter(({ committed }) => committed).length, 1);
      for (const outcome of outcomes) {
        if (!outcome.committed) assert.deepEqual(outcome, { committed: false, reason: "lease_lost", index: 0 });
      }
    },
  },
  {
    name: "G7 atomic batches: a counter that 16 writers raise by check and set loses no step",
    run: async ({ backend }) => await raise([backend]),
  },
  {
    name: "G7 atomic batches: a counter that 16 writers on 4 handles raise by check and set loses no step",
    needs: ["shared"],
    run: async ({ backend, peer }) => await raise([backend, await peer(), await peer(), await peer()]),
  },
  {
    name: "G7 atomic batches: of 16 writers that find no record, one creates it",
    run: async ({ backend }) => {
      const outcomes = await Promise.all(
        consumers((index) =>
          backend.commit({ checks: [{ key: ["key"], version: null }], operations: [record(["key"], index)] })
        ),
      );
      const winners = outcomes.flatMap(({ committed }, index) => committed ? [index] : []);
      assert.deepEqual(winners, [await valueOf(backend, ["key"])]);
    },
  },
  {
    name: "each of many calls at once keeps its own success or failure",
    run: async ({ backend }) => {
      const outcomes = await Promise.allSettled(Array.from({ length: 120 }, (_, index) => {
        const operations: Operation[] = [record(["n", String(index)], index)];
        if (index % 4 === 1) operations.push({ type: "ack", queue: QUEUE, id: "none", token: "none" });
        if (index % 4 === 2) operations.push(record(["bad"], Number.NaN));
        return backend.commit({ operations });
      }));
      for (const [index, outcome] of outcomes.entries()) {
        if (index % 4 === 1) {
          assert.deepEqual(outcome, {
            status: "fulfilled",
            value: { committed: false, reason: "lease_lost", index: 1 },
          });
        } else if (index % 4 === 2) assert.ok(outcome.status === "rejected" && outcome.reason instanceof TypeError);
        else assert.ok(outcome.status === "fulfilled" && outcome.value.committed);
      }
      assert.equal(await backend.count([]), 60);
    },
  },
  {
    name: "G7 atomic batches: nobody sees half of one",
    run: async ({ backend }) => {
      const pair = (round: number) => [record(["a"], round), record(["b"], round)];
      await commit(backend, pair(0));
      await Promise.all([
        ...consumers(async () => {
          for (let look = 0; look < 20; look++) {
            const [a, b] = await backend.get([["a"], ["b"]]);
            assert.equal(a?.value, b?.value);
          }
        }),
        (async () => {
          for (let round = 1; round <= 40; round++) await commit(backend, pair(round));
        })(),
      ]);
    },
  },
];

function consumers<Result>(run: (index: number) => Promise<Result>): Promise<Result>[] {
  return Array.from({ length: CONSUMERS }, (_, index) => run(index));
}

/** Sends messages and works them off, some of them at the second attempt, by consumers spread over the handles. */
async function work(backends: readonly StorageBackend[], total: number): Promise<void> {
  const handle = (index: number): StorageBackend => {
    const backend = backends[index % backends.length];
    assert.ok(backend);
    return backend;
  };
  const ids = Array.from({ length: total }, (_, index) => `m${index}`);
  const live = new Set<string>();
  const handled: string[] = [];

  const consume = async (index: number): Promise<void> => {
    while (handled.length < total) {
      const deliveries = await claim(handle(index), index % 8 + 1);
      for (const { id } of deliveries) {
        assert.ok(!live.has(id), `${id} has one live lease`);
        live.add(id);
      }
      for (const held of deliveries) await settle(handle(index), held);
      // Bounded by the limit of the case; a turn of the event loop lets the others go on.
      if (deliveries.length === 0) await sleep(systemClock, 1);
    }
  };
  const settle = async (backend: StorageBackend, held: Delivery): Promise<void> => {
    const again = held.attempt === 1 && Number(held.id.slice(1)) % 10 === 0;
    live.delete(held.id); // from here on somebody else may get it
    await commit(backend, [{ type: again ? "retry" : "ack", ...lease(held) }]);
    if (!again) handled.push(held.id);
  };
  const produce = async (): Promise<void> => {
    for (let start = 0; start < total; start += 50) {
      await Promise.all(ids.slice(start, start + 50).map((id, index) => commit(handle(index), [message(id)])));
    }
  };
  await Promise.all([produce(), ...consumers(consume)]);
  assert.equal(handled.length, total);
  assert.equal(new Set(handled).size, total);
  assert.deepEqual(await counts(handle(0)), only({}));
}

/** Raises a counter from many sides, each on the version that it read. */
async function raise(backends: readonly StorageBackend[]): Promise<void> {
  const steps = 5;
  await Promise.all(consumers(async (index) => {
    const backend = backends[index % backends.length];
    assert.ok(backend);
    let raised = 0;
    for (let attempt = 0; raised < steps; attempt++) {
      assert.ok(attempt < 2000, "somebody gets on in every round");
      const [entry] = await backend.get([["counter"]]);
      const before = typeof entry?.value === "number" ? entry.value : 0;
      const checks = [{ key: ["counter"], version: entry?.version ?? null }];
      const result = await backend.commit({ checks, operations: [record(["counter"], before + 1)] });
      if (result.committed) raised++;
    }
  }));
  for (const backend of backends) assert.equal((await entryOf(backend, ["counter"])).value, steps * CONSUMERS);
}
