/** Purging from large queues, and many batches at once: no script does more than a bounded part of it. @module */

import { assert, assertEquals } from "@std/assert";
import type { CommitResult, Lease, Operation, OperationResult } from "../../src/storage/backend.ts";
import { claim, commit, commitMany, idsOf, lease, message, QUEUE } from "../../src/testing/steps.ts";
import { watchedTest } from "./watched.ts";

const MESSAGES = 2500;
const HOUR_MS = 3_600_000;
const LOST: CommitResult = { committed: false, reason: "lease_lost", index: 0 };

function purge(id: string): Operation {
  return { type: "purge", queue: QUEUE, id };
}

function wereFound(results: readonly OperationResult[]): boolean[] {
  return results.filter((each) => each.type === "purge").map(({ found }) => found);
}

watchedTest(
  "G8 bounded: a batch purges what it names, wherever it stands, by scripts that look at a thousand places at most",
  async ({ backend, mostRead }) => {
    const messages = Array.from({ length: 2 * MESSAGES }, (_, index) => message(`m${index}`));
    await commitMany(backend, messages);
    const leases: Lease[] = [];
    while (leases.length < MESSAGES) leases.push(...(await claim(backend, 500, HOUR_MS)).map(lease));
    await commit(backend, [message("late", { delayMs: HOUR_MS }), message("due", { delayMs: 1 })]);
    const [dead, retried] = leases.splice(-2);
    assert(dead && retried);
    await commit(backend, [{ type: "bury", ...dead }, { type: "retry", ...retried }]);

    const every = [message("sent"), ...["due", "late", dead.id, retried.id, "none"].map(purge)];
    assertEquals(wereFound(await commit(backend, every)), [true, true, true, true, false]);
    const named = [1, 700, 1400, 2100, 2400].flatMap((at) => [`m${at}`, `m${MESSAGES + at}`]);
    for (const ids of [named.slice(0, 2), named.slice(2)]) {
      assertEquals(wereFound(await commit(backend, ids.map(purge))), ids.map(() => true));
    }

    const [held, kept] = [leases[1], leases[2]];
    assert(held && kept);
    assertEquals(await backend.commit({ operations: [{ type: "ack", ...held }] }), LOST);
    assertEquals(await backend.commit({ operations: [{ type: "ack", ...held }, purge(kept.id)] }), LOST);
    await commit(backend, [{ type: "ack", ...kept }]);

    const ready = idsOf(messages.slice(MESSAGES)).filter((id) => !named.includes(id));
    assertEquals(await Array.fromAsync(backend.messages(QUEUE, "ready"), ({ id }) => id), [...ready, "sent"]);
    const { delayed, leased, dead: buried } = await backend.stats(QUEUE);
    assertEquals([delayed, leased, buried], [0, MESSAGES - 2 - named.length / 2 - 1, 0]);
    assert(mostRead() <= 1000, `one script has read ${mostRead()} places`);
  },
);

watchedTest(
  "purge finds a message that is acknowledged, sent again or leased anew while its lease is looked for",
  async ({ backend }) => {
    await commitMany(
      backend,
      Array.from({ length: MESSAGES }, (_, index) => message(`m${index}`, { maxAttempts: 1000 })),
    );
    const leases: Lease[] = [];
    while (leases.length < MESSAGES) leases.push(...(await claim(backend, 500, HOUR_MS)).map(lease));
    const some = leases.slice(-90);
    const purged = some.map(({ id }) => commit(backend, [purge(id)]));
    const changed = some.map(async (each, index) => {
      await backend.commit({ operations: [{ type: index % 3 === 0 ? "ack" : "retry", ...each }] });
      if (index % 3 === 2) await claim(backend, 1, HOUR_MS);
    });
    const found = (await Promise.all(purged)).flatMap(wereFound);
    await Promise.all(changed);
    assert(found.every((each, index) => each || index % 3 === 0), `${found}`);
    const { ready, leased } = await backend.stats(QUEUE);
    assertEquals([ready, leased], [0, MESSAGES - some.length]);
  },
);

watchedTest(
  "G8 bounded: no script does all of many batches that are made at the same time",
  async ({ backend, server }) => {
    await commitMany(backend, Array.from({ length: 1000 }, (_, index) => message(`m${index}`)));
    const leases = (await claim(backend, 1000, HOUR_MS)).map(lease);
    await server.command("CONFIG", "RESETSTAT");
    const operations: Operation[] = leases.map((each) => ({ type: "bury", ...each }));
    for (let index = 0; index < 3000; index++) operations.push({ type: "set", key: [`${index}`], value: 1 });
    for (let index = 0; index < 3000; index++) operations.push(message(`d${index}`, { delayMs: HOUR_MS }));
    const purges = leases.map(({ id }) => purge(id));
    for (const each of [operations, purges]) {
      const batches = Array.from(
        { length: each.length / 100 },
        (_, index) => each.slice(100 * index, 100 * index + 100),
      );
      await Promise.all(batches.map((some) => commit(backend, some)));
    }
    const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(await server.command("INFO", "commandstats")) ?? [];
    assert(Number(calls) >= 16, `${calls} scripts have done 7,000 operations and purged 1,000 messages`);
  },
);
