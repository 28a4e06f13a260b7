/** However much has become due, expired or is over, no script does more than a bounded part of it, in the order of the line. @module */

import { assert, assertEquals } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import { randomId } from "../../src/ids.ts";
import type { MessageState } from "../../src/storage/backend.ts";
import { claim, claimOne, commit, commitMany, idsOf, lease, message, QUEUE, send } from "../../src/testing/steps.ts";
import { redisTest } from "../servers/redis.ts";
import { until } from "../until.ts";
import { watchedTest } from "./watched.ts";

const MESSAGES = 2500;
const HOUR_MS = 3_600_000;
const SOON_MS = 300;
/** What one script settles, and a batch beside it. */
const MOST = 600;

/** Waits until all is due or has ended that was sent or claimed before, with the same delay or lease. */
async function wait(backend: RedisBackend): Promise<void> {
  await commit(backend, [message(randomId(), { queue: ["last"], delayMs: SOON_MS })]);
  await until("the last message is due", async () => (await claim(backend, 1, HOUR_MS, ["last"])).length > 0);
}

watchedTest(
  "G8 bounded: claim() puts much that is due into the line by bounded scripts, in the order of the line",
  async ({ backend, mostSettled }) => {
    await send(backend, message("retried"), message("dead"));
    const [retried, dead] = (await claim(backend, 2)).map(lease);
    assert(retried && dead);
    await commit(backend, [{ type: "bury", ...dead }]);
    const messages = Array.from(
      { length: MESSAGES },
      (_, index) => message(`m${index}`, { delayMs: SOON_MS, priority: index % 10 }),
    );
    await commitMany(backend, messages);
    await wait(backend);
    await mostSettled();
    // What joins the line now stands behind all that was due before, whoever puts that there.
    await commit(backend, [message("sent"), { type: "retry", ...retried }, {
      type: "redrive",
      queue: QUEUE,
      id: "dead",
    }]);
    await commit(backend, [message("sent alone")]);
    const claims = await Promise.all([1, 2, 3].map((limit) => claim(backend, limit)));
    const settled = await mostSettled();
    assert(settled <= MOST, `one script has settled ${settled} messages`);
    while ((claims.at(-1) ?? []).length > 0) claims.push(await claim(backend, 1000));
    const later = ["sent", "retried", "dead", "sent alone"].map((id) => message(id));
    assertEquals(claims.flatMap(idsOf), idsOf([...messages, ...later].toSorted((a, b) => b.priority - a.priority)));
  },
);

watchedTest(
  "G8 bounded: claim(), stats(), messages() and recover() end many leases by bounded scripts, in the order of their ends",
  async ({ backend, mostSettled }) => {
    const queues = Array.from({ length: 7 }, (_, index) => [`${index}`]);
    for (const settle of ["claim", "stats", "messages", "recover"] as const) {
      const messages = Array.from(
        { length: MESSAGES },
        (_, index) => message(`${settle} ${index}`, { queue: [`${index % 7}`] }),
      );
      await commitMany(backend, messages);
      for (const queue of queues) await claim(backend, 1000, SOON_MS, queue);
      await wait(backend);
      await mostSettled();
      if (settle === "recover") assertEquals(await backend.recover(), MESSAGES);
      const leased = await Promise.all(queues.map(async (queue) => {
        if (settle === "messages") return (await Array.fromAsync(backend.messages(queue, "leased"))).length;
        return settle === "stats" ? (await backend.stats(queue)).leased : 0;
      }));
      assertEquals(leased, queues.map(() => 0));
      const claims = await Promise.all(queues.map((queue) => claim(backend, 1000, HOUR_MS, queue)));
      assertEquals(
        claims.map(idsOf),
        queues.map((queue) => idsOf(messages.filter((each) => each.queue[0] === queue[0]))),
      );
      const settled = await mostSettled();
      assert(settled <= MOST, `one script has settled ${settled} messages`);
      await commitMany(backend, claims.flat().map((each) => ({ type: "ack", ...lease(each) })));
    }
  },
);

watchedTest(
  "claim() leases all there is to those who ask at once, though one script leases a thousand",
  async ({ backend }) => {
    const messages = Array.from({ length: MESSAGES }, (_, index) => message(`m${index}`));
    await commitMany(backend, messages);
    const claims = await Promise.all([1000, 600, 1000].map((limit) => claim(backend, limit)));
    assertEquals(claims.map((each) => each.length), [1000, 600, 900]);
    assertEquals(claims.flatMap(idsOf), idsOf(messages));
  },
);

watchedTest(
  "G8 bounded: messages() reads many by bounded scripts, and each once, whatever leaves its place meanwhile",
  async ({ backend, mostRead }) => {
    const messages = Array.from({ length: MESSAGES }, (_, index) => message(`m${index}`, { priority: 5 - index % 2 }));
    const ids = idsOf(messages.toSorted((a, b) => b.priority - a.priority));
    await commitMany(backend, messages);

    /** Lists a state, and does something when the first messages have been told. */
    async function listed(state: MessageState, meanwhile: () => Promise<unknown>): Promise<string[]> {
      const found: string[] = [];
      for await (const { id } of backend.messages(QUEUE, state)) if (found.push(id) === 10) await meanwhile();
      return found;
    }

    // The last one of the first page is claimed, and sent to the end of its line.
    const ready = await listed("ready", async () => {
      const taken = (await claim(backend, 1000)).map(lease);
      await commitMany(backend, taken.map((each) => ({ type: "retry", ...each })));
    });
    assertEquals(ready, ids);

    // The last one of the first page ends later than it did, and others before it are gone.
    const claims = [await claim(backend, 1000), await claim(backend, 1000)].flat().map(lease);
    const last = claims[999];
    assert(last);
    const leased = await listed("leased", async () => {
      await commit(backend, [{ type: "extend", leaseMs: HOUR_MS * 24, ...last }]);
      await commitMany(backend, claims.slice(950, 999).map((each) => ({ type: "ack", ...each })));
    });
    assertEquals(new Set(leased).size, leased.length);
    assertEquals(idsOf(claims).filter((id) => !leased.includes(id)), idsOf(claims.slice(950, 999)));
    assert(mostRead() <= 1000, `one script has read ${mostRead()} places`);
  },
);

redisTest(
  "G8 bounded: the ids of a part of a window that is over are freed beside the server's other work",
  async (server) => {
    await using backend = new RedisBackend({ url: server.url });
    // A message that leaves in a new part of the window takes the oldest away; one that is sent after all of it, the rest.
    for (const pauseMs of [0, 250]) {
      await server.command("CONFIG", "RESETSTAT");
      await until("ids are taken away", async () => {
        await sleep(systemClock, pauseMs);
        await send(backend, message(randomId(), { dedupeMs: 100 }));
        await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
        return (await server.command("INFO", "commandstats")).includes("cmdstat_unlink");
      });
    }
  },
);
