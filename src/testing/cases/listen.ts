/** Cases: a listener is woken by what comes into its topic. @module */

import assert from "node:assert/strict";
import type { StorageBackend } from "../../storage/backend.ts";
import type { Key } from "../../storage/key.ts";
import { type CaseContext, type ConformanceCase, LONG_MS } from "../case.ts";
import { claimOne, commit, lease, message, QUEUE, record, send } from "../steps.ts";

/** Cases about wake-ups. */
export const listenCases: readonly ConformanceCase[] = [
  {
    name: "listen() wakes for a message that is sent, delayed, retried or redriven",
    run: async (context) => {
      const { backend } = context;
      const wakes = await count(backend, QUEUE);
      await wokenBy(context, wakes, "a send", () => send(backend, message("a")));
      const first = await claimOne(backend);
      await wokenBy(context, wakes, "a delayed send", () => send(backend, message("b", { delayMs: LONG_MS })));
      await wokenBy(context, wakes, "a retry", () => commit(backend, [{ type: "retry", ...lease(first), delayMs: 0 }]));
      const second = await claimOne(backend);
      await commit(backend, [{ type: "bury", ...lease(second) }]);
      await wokenBy(context, wakes, "a redrive", () => commit(backend, [{ type: "redrive", queue: QUEUE, id: "a" }]));
      const third = await claimOne(backend);
      const later = { type: "retry", ...lease(third), delayMs: LONG_MS } as const;
      await wokenBy(context, wakes, "a delayed retry", () => commit(backend, [later]));
      await wakes.unlisten();
    },
  },
  {
    name: "listen() wakes for a topic that a commit notifies, of any name",
    run: async (context) => {
      const { backend } = context;
      for (const topic of [["topic"], ["topic", ":*%\0\x01\xff\u{1F600}\ud800"], [""]]) {
        const wakes = await count(backend, topic);
        const operations = [record(["key"], topic.length)];
        await wokenBy(context, wakes, "notify", () => backend.commit({ operations, notify: [["else"], topic] }));
        await wokenBy(context, wakes, "notify alone", () => backend.commit({ operations: [], notify: [topic] }));
        await wakes.unlisten();
      }
    },
  },
  {
    name: "listen() wakes every listener, also when one of them throws, and the commit succeeds",
    run: async (context) => {
      const { backend } = context;
      const unlisten = await backend.listen(QUEUE, () => {
        throw new Error("the listener's own fault");
      });
      const wakes = [await count(backend, QUEUE), await count(backend, QUEUE), await count(backend, QUEUE)];
      await send(backend, message("a"));
      await context.until("all are woken", () => wakes.every((each) => each.count() > 0));
      await unlisten();
      for (const each of wakes) await each.unlisten();
    },
  },
  {
    name: "listen() lets its callback call the backend",
    run: async ({ backend, until }) => {
      const claimed: string[] = [];
      const working: Promise<unknown>[] = [];
      const unlisten = await backend.listen(QUEUE, () => {
        working.push(
          backend.claim(QUEUE, { leaseMs: LONG_MS }).then((some) => claimed.push(...some.map(({ id }) => id))),
        );
      });
      for (let index = 0; index < 10; index++) await send(backend, message(`m${index}`));
      await until("all are claimed by whom they woke", async () => {
        await Promise.all(working);
        if (claimed.length < 10) await backend.commit({ operations: [], notify: [QUEUE] });
        return claimed.length === 10;
      });
      await unlisten();
      await Promise.all(working);
      assert.equal(new Set(claimed).size, 10);
    },
  },
  {
    name: "unlisten() ends the wake-ups of one listener, and may be called again",
    run: async (context) => {
      const { backend } = context;
      const wake = { times: 0 };
      const same = () => wake.times++;
      const [first, second] = [await backend.listen(QUEUE, same), await backend.listen(QUEUE, same)];
      const other = await count(backend, QUEUE);
      await first();
      await first();
      await wokenBy(context, other, "a send", () => send(backend, message("a")));
      await context.until("the second is woken still", () => wake.times > 0);
      await second();
      const before = wake.times;
      await wokenBy(context, other, "a send", () => send(backend, message("b")));
      assert.equal(wake.times, before);
      await other.unlisten();
    },
  },
  {
    name: "listen() takes 300 topics at once",
    run: async ({ backend, until }) => {
      const topics = Array.from({ length: 300 }, (_, index): Key => ["topic", String(index)]);
      const listening = await Promise.all(topics.map((topic) => count(backend, topic)));
      for (let start = 0; start < 300; start += 50) {
        await backend.commit({ operations: [], notify: topics.slice(start, start + 50) });
      }
      await until("all are woken", () => listening.every((each) => each.count() > 0));
      await Promise.all(listening.map((each) => each.unlisten()));
    },
  },
  {
    name: "listen() wakes for what another handle commits",
    needs: ["shared"],
    run: async (context) => {
      const peer = await context.peer();
      const wakes = await count(context.backend, QUEUE);
      const topic = await count(context.backend, ["topic"]);
      await wokenBy(context, wakes, "the other's send", () => send(peer, message("a")));
      await wokenBy(context, topic, "the other's notify", () => peer.commit({ operations: [], notify: [["topic"]] }));
      await peer.close();
      const another = await context.peer();
      await wokenBy(context, wakes, "a third one's send", () => send(another, message("b")));
      await wakes.unlisten();
      await topic.unlisten();
    },
  },
];

interface Wakes {
  readonly count: () => number;
  readonly unlisten: () => Promise<void>;
}

async function count(backend: StorageBackend, topic: Key): Promise<Wakes> {
  let times = 0;
  const unlisten = await backend.listen(topic, () => times++);
  return { count: () => times, unlisten };
}

async function wokenBy({ until }: CaseContext, wakes: Wakes, what: string, act: () => Promise<unknown>): Promise<void> {
  const before = wakes.count();
  await act();
  await until(`${what} wakes`, () => wakes.count() > before);
}
