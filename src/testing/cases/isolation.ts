/** Cases: namespaces never see each other, and handles on one store see the same. @module */

import assert from "node:assert/strict";
import { collect } from "../../storage/es2024.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimIds,
  claimOne,
  commit,
  counts,
  dump,
  entryOf,
  lease,
  message,
  only,
  QUEUE,
  record,
  refuse,
  refuseToken,
  send,
  valueOf,
} from "../steps.ts";

/** Cases about namespaces and second handles. */
export const isolationCases: readonly ConformanceCase[] = [
  {
    name: "G11 tenants do not meet: a namespace sees only its own records and queues",
    needs: ["namespaces"],
    run: async ({ backend, neighbour, shortMs, elapse }) => {
      const other = await neighbour();
      await commit(backend, [record(["key"], "ours")]);
      await send(backend, message("a"), message("b", { maxAttempts: 1 }));
      const held = await claimOne(backend, LONG_MS);
      await claim(backend, 1, shortMs);
      await elapse(shortMs);

      assert.deepEqual(await dump(other), { records: [], queues: [] });
      assert.deepEqual(await other.get([["key"]]), [null]);
      assert.equal(await other.count([]), 0);
      assert.equal(await other.clear([]), 0);
      assert.equal(await other.recover(), 0);
      assert.deepEqual(await claimIds(other, 10), []);
      await refuseToken(other, held);
      assert.deepEqual(await commit(other, [{ type: "purge", queue: QUEUE, id: "a" }]), [{
        type: "purge",
        found: false,
      }]);

      await commit(other, [record(["key"], "theirs")], [{ key: ["key"], version: null }]);
      await commit(other, [message("a", { capacity: 1 })]);
      assert.equal(await valueOf(backend, ["key"]), "ours");
      assert.deepEqual(await counts(backend), only({ leased: 1, dead: 1 }));
      assert.equal(await other.clear([]), 1);
      await commit(backend, [{ type: "ack", ...lease(held) }]);
      assert.deepEqual(await claimIds(other, 10), ["a"]);
      assert.equal(await backend.count([]), 1);
    },
  },
  {
    name: "G11 tenants do not meet: a topic wakes only its own namespace's listeners",
    needs: ["namespaces"],
    run: async ({ backend, neighbour, until }) => {
      const other = await neighbour();
      let wakes = 0;
      const unlisten = await backend.listen(QUEUE, () => wakes++);
      await send(other, message("a"));
      // A wake may come for nothing; that ours comes, and finds only ours, is what counts.
      assert.deepEqual(await claimIds(backend, 10), []);
      await send(backend, message("b"));
      await until("the listener is woken", () => wakes > 0);
      assert.deepEqual(await claimIds(backend, 10), ["b"]);
      await unlisten();
    },
  },
  {
    name: "G9 same everywhere: what one handle commits, the other sees at once",
    needs: ["shared"],
    run: async ({ backend, peer }) => {
      const other = await peer();
      for (let round = 0; round < 20; round++) {
        const [writer, reader] = round % 2 === 0 ? [backend, other] : [other, backend];
        await commit(writer, [record(["key"], round), message(`m${round}`)]);
        const { value, version } = await entryOf(reader, ["key"]);
        assert.equal(value, round);
        const delivery = await claimOne(reader);
        assert.equal(delivery.id, `m${round}`);
        // Versions and tokens count on every handle.
        await commit(writer, [{ type: "ack", ...lease(delivery) }], [{ key: ["key"], version }]);
        assert.deepEqual(await commit(reader, [message(`m${round}`)]), [{ type: "enqueue", duplicate: true }]);
      }
      assert.deepEqual(await dump(backend), await dump(other));
    },
  },
  {
    name: "G9 same everywhere: a batch of one handle is refused because of what the other did",
    needs: ["shared"],
    run: async ({ backend, peer }) => {
      const other = await peer();
      const [result] = await commit(backend, [record(["key"], 1)]);
      assert.ok(result?.type === "set");
      await commit(other, [record(["key"], 2)]);
      const checks = [{ key: ["key"], version: result.version }];
      await refuse(backend, { checks, operations: [record(["key"], 3)] }, "conflict", 0);
      await send(other, message("a"));
      await refuse(backend, { operations: [message("b", { capacity: 1 })] }, "full", 0);
      const held = await claimOne(backend);
      await commit(other, [{ type: "purge", queue: QUEUE, id: "a" }]);
      await refuseToken(backend, held);
      assert.deepEqual(await collect(other.queues()), []);
    },
  },
];
