/** Cases: a message has one live lease, and a stale token changes nothing. @module */

import assert from "node:assert/strict";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimIds,
  claimOne,
  commit,
  counts,
  lease,
  message,
  only,
  QUEUE,
  refuse,
  refuseToken,
  send,
  settlements,
  stored,
} from "../steps.ts";

/** Cases about leases. */
export const leaseCases: readonly ConformanceCase[] = [
  {
    name: "claim() gives the whole message, and takes as many as there are up to the limit",
    run: async ({ backend }) => {
      await send(backend, message("a", { value: { n: 1 }, priority: 7, maxAttempts: 2 }), message("b"), message("c"));
      const delivery = await claimOne(backend);
      const { token, enqueuedAtMs, leaseExpiresAtMs, ...rest } = delivery;
      assert.deepEqual(rest, { queue: QUEUE, id: "a", value: { n: 1 }, priority: 7, attempt: 1, maxAttempts: 2 });
      assert.ok(token.length > 0);
      assert.ok(
        leaseExpiresAtMs - enqueuedAtMs >= LONG_MS,
        "the lease lasts from the claim, which came after the send",
      );
      assert.deepEqual(await claimIds(backend, 1000), ["b", "c"]);
      assert.deepEqual(await claimIds(backend, 1000), []);
      assert.deepEqual(await claimIds(backend, 1, ["no such queue"]), []);
    },
  },
  {
    name: "G2 one live lease: a leased message is claimed by nobody else until its lease ends",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("long"), message("brief"));
      assert.deepEqual(await claimIds(backend, 1), ["long"]);
      await claim(backend, 1, shortMs);
      assert.deepEqual(await claimIds(backend, 10), []);
      assert.deepEqual(await counts(backend), only({ leased: 2 }));
      await elapse(shortMs);
      assert.deepEqual(await claimIds(backend, 10), ["brief"]);
      assert.deepEqual(await claimIds(backend, 10), []);
    },
  },
  {
    name: "G2 one live lease: no two deliveries share a token",
    run: async ({ backend }) => {
      await send(backend, ...Array.from({ length: 20 }, (_, index) => message(`m${index}`, { maxAttempts: 10 })));
      const tokens = new Set<string>();
      for (let round = 0; round < 3; round++) {
        for (const delivery of await claim(backend, 20)) {
          tokens.add(delivery.token);
          await commit(backend, [{ type: "retry", ...lease(delivery) }]);
        }
      }
      assert.equal(tokens.size, 60);
    },
  },
  {
    name: "G2 one live lease: a settled token is stale for every operation",
    run: async ({ backend }) => {
      for (const [index, settle] of ["ack", "retry", "bury"].entries()) {
        await send(backend, message(`m${index}`));
        const delivery = await claimOne(backend);
        const operation = settlements(delivery).find(({ type }) => type === settle);
        assert.ok(operation);
        await commit(backend, [operation]);
        await refuseToken(backend, delivery);
        await commit(backend, [{ type: "purge", queue: QUEUE, id: delivery.id }]);
      }
    },
  },
  {
    name: "G2 one live lease: the token of an expired lease is stale, before and after the next delivery",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a"));
      const first = await claimOne(backend, shortMs);
      await elapse(shortMs);
      for (const operation of settlements(first)) {
        assert.deepEqual(await backend.commit({ operations: [operation] }), {
          committed: false,
          reason: "lease_lost",
          index: 0,
        });
      }
      const second = await claimOne(backend);
      assert.equal(second.attempt, 2);
      await refuseToken(backend, first);
      await commit(backend, [{ type: "ack", ...lease(second) }]);
    },
  },
  {
    name: "G2 one live lease: a token counts only for its own message in its own queue",
    run: async ({ backend }) => {
      const other = ["other"];
      await send(backend, message("a"), message("b"), message("a", { queue: other }));
      const [a, b] = await claim(backend, 2);
      const c = await claimOne(backend, LONG_MS, other);
      assert.ok(a && b);
      await refuseToken(backend, { ...a, token: b.token });
      await refuseToken(backend, { ...a, token: c.token });
      await refuseToken(backend, { ...a, queue: other });
      await refuseToken(backend, { ...a, token: `${a.token}x` });
      await refuseToken(backend, { ...a, id: "none" });
      await refuseToken(backend, { ...a, queue: ["none"] });
      await commit(backend, [a, b, c].map((held) => ({ type: "ack", ...lease(held) })));
    },
  },
  {
    name: "G2 one live lease: purging a leased message makes its token stale",
    run: async ({ backend }) => {
      await send(backend, message("a"));
      const delivery = await claimOne(backend);
      assert.deepEqual(await commit(backend, [{ type: "purge", queue: QUEUE, id: "a" }]), [{
        type: "purge",
        found: true,
      }]);
      await refuseToken(backend, delivery);
      assert.deepEqual(await counts(backend), only({}));
    },
  },
  {
    name: "ack removes the message for good",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a"));
      const delivery = await claimOne(backend, shortMs);
      assert.deepEqual(await commit(backend, [{ type: "ack", ...lease(delivery) }]), [{ type: "ack" }]);
      assert.deepEqual(await counts(backend), only({}));
      await elapse(shortMs);
      assert.equal(await backend.recover(), 0);
      assert.deepEqual(await claimIds(backend, 10), []);
    },
  },
  {
    name: "extend moves the end of the lease, counted from now, further or nearer",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("longer"), message("shorter"));
      const longer = await claimOne(backend, shortMs);
      const [result] = await commit(backend, [{ type: "extend", ...lease(longer), leaseMs: LONG_MS }]);
      assert.ok(result?.type === "extend");
      const shorter = await claimOne(backend);
      await commit(backend, [{ type: "extend", ...lease(shorter), leaseMs: shortMs }]);
      assert.equal((await stored(backend, "leased")).at(-1)?.dueAtMs, result.leaseExpiresAtMs);
      await elapse(shortMs);
      assert.deepEqual(await claimIds(backend, 10), ["shorter"]);
      await refuse(backend, { operations: [{ type: "ack", ...lease(shorter) }] }, "lease_lost", 0);
      await commit(backend, [{ type: "ack", ...lease(longer) }]);
    },
  },
  {
    name: "a lease holds until the very moment at which it ends",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await send(backend, message("a"));
      const first = await claimOne(backend, 1000);
      await elapse(999);
      assert.deepEqual(await claimIds(backend, 1), []);
      const [result] = await commit(backend, [{ type: "extend", ...lease(first), leaseMs: 1000 }]);
      assert.deepEqual(result, { type: "extend", leaseExpiresAtMs: first.leaseExpiresAtMs + 999 });
      await elapse(1000);
      assert.deepEqual(await backend.commit({ operations: [{ type: "ack", ...lease(first) }] }), {
        committed: false,
        reason: "lease_lost",
        index: 0,
      });
      assert.equal((await claimOne(backend)).attempt, 2);
    },
  },
];
