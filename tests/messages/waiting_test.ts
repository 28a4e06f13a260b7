/** Waiting for messages and replies through outages, lost wake-ups and failing listeners. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError, RequestFailedError, RequestTimeoutError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { LeaseKeeper } from "../../src/messages/lease_keeper.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { standIn, turn } from "../storage/stand_in.ts";

const AGENT = { type: "worker" };
const SENDER = { type: "sender" };
const away = () => Promise.reject(new BackendUnavailableError("away"));

Deno.test("receive() waits an outage out, and tells of it when the time is over before it", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = { claim: away };
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock });
  const failed = assertRejects(() => coordinator.receive(AGENT, { waitMs: 1000 }), BackendUnavailableError, "away");
  await clock.advance(1001);
  await failed;
  const waiting = coordinator.receive(AGENT, { waitMs: 1000 });
  await clock.advance(500);
  delete methods.claim;
  await coordinator.sendMessage(SENDER, AGENT, { payload: { n: 1 } });
  await clock.advance(300);
  assertEquals((await waiting)?.message.payload, { n: 1 });
  assertEquals(clock.timers, 0);
});

Deno.test("receive() gives nothing when nothing came in time, and looks once when it is not to wait", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const coordinator = new MessageCoordinator(backend, { clock });
  const waiting = coordinator.receive(AGENT, { waitMs: 1500, limit: 2 });
  await clock.advance(2000);
  assertEquals(await waiting, []);
  const inbox = coordinator.openInbox(AGENT);
  assertEquals(await inbox.take({ leaseMs: 1000, limit: 1, waitMs: 0 }), []);
  await inbox.close();
});

Deno.test("receive() passes on what is no outage", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const claim = () => Promise.reject(new Error("a fault"));
  const coordinator = new MessageCoordinator(standIn(memory, { claim }), { clock });
  await assertRejects(() => coordinator.receive(AGENT, { waitMs: 1000 }), Error, "a fault");
});

Deno.test("receive() does not mind a listener that cannot be taken back", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const backend = standIn(memory, { listen: () => Promise.resolve(away) });
  const coordinator = new MessageCoordinator(backend, { clock });
  const waiting = coordinator.receive(AGENT, { waitMs: 100 });
  await clock.advance(200);
  assertEquals(await waiting, null);
});

Deno.test("request() takes away many replies in batches that the backend takes, and goes on waiting for others", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const backend = standIn(memory, {
    traits: { ...memory.traits, maxBatchSize: 10 },
    listen: () => Promise.resolve(() => Promise.resolve()),
    commit: (batch) => {
      if (batch.operations.length > 10) return Promise.reject(new RangeError("at most 10 operations"));
      return memory.commit(batch);
    },
  });
  const asking = new MessageCoordinator(backend, { clock });
  const answering = new MessageCoordinator(memory, { clock });
  const asked = Array.from({ length: 12 }, (_, n) => asking.request(AGENT, { n }));
  const last = asked.pop();
  await clock.advance(0);
  for (const received of await answering.receive(AGENT, { limit: 11 })) {
    await received.ack({ also: answering.prepareReply(received.message, { n: received.message.payload.n ?? null }) });
  }
  await clock.advance(2000); // until it looks by itself
  assertEquals((await Promise.all(asked)).map(({ payload }) => payload.n), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assertEquals(await memory.count(["ao", "reply"]), 0);
  const [received] = await answering.receive(AGENT, { limit: 1 });
  await received?.ack({ also: answering.prepareReply(received.message, { n: 11 }) });
  await clock.advance(2000);
  assertEquals((await last)?.payload, { n: 11 });
});

Deno.test("receive() and request() end in their time, though the backend takes its own to end a listening", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const never = () => new Promise<never>(() => {});
  const coordinator = new MessageCoordinator(standIn(memory, { listen: () => Promise.resolve(never) }), { clock });
  const received = coordinator.receive(SENDER, { waitMs: 100 });
  const replied = assertRejects(() => coordinator.request(AGENT, {}, { timeoutMs: 100 }), RequestTimeoutError);
  await clock.advance(200);
  assertEquals(await received, null);
  await replied;
});

Deno.test("request() that is aborted or out of time ends, though the backend takes its own to begin a listening", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const listen = () => new Promise<never>(() => {});
  const coordinator = new MessageCoordinator(standIn(memory, { listen }), { clock });
  const controller = new AbortController();
  const aborted = assertRejects(() => coordinator.request(AGENT, {}, { signal: controller.signal }), Error, "enough");
  const late = assertRejects(() => coordinator.request(AGENT, {}, { timeoutMs: 100 }), RequestTimeoutError);
  controller.abort(new Error("enough"));
  await aborted;
  await clock.advance(200);
  await late;
});

Deno.test("receive() ends when it is aborted in an outage, however often it is woken", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  let wake = () => {};
  const listen = (_topic: unknown, listener: () => void) => {
    wake = listener;
    return Promise.resolve(() => Promise.resolve());
  };
  const methods: Partial<StorageBackend> = { listen };
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock });
  const controller = new AbortController();
  const waiting = assertRejects(
    () => coordinator.receive(AGENT, { waitMs: 60_000, signal: controller.signal }),
    Error,
    "enough",
  );
  await turn();
  let looks = 0;
  methods.claim = () => {
    if (++looks === 3) controller.abort(new Error("enough"));
    if (looks === 100) return Promise.reject(new Error("it was not ended"));
    wake();
    return away();
  };
  wake();
  await waiting;
  assertEquals(looks, 3);
});

Deno.test("receive() makes no further call of an outage when its time is over", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  let calls = 0;
  const methods: Partial<StorageBackend> = {
    claim: async () => {
      await clock.advance(2000);
      return [];
    },
    listen: () => (calls++, away()),
    stats: () => (calls++, away()),
  };
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock });
  assertEquals(await coordinator.receive(AGENT, { waitMs: 1000 }), null);
  assertEquals(calls, 0);
});

Deno.test("request() fails when nobody can be listened to, and listens anew the next time", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = { listen: away };
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock });
  await assertRejects(() => coordinator.request(AGENT, {}), BackendUnavailableError, "away");
  assertEquals(clock.timers, 0);
  delete methods.listen;
  const reply = coordinator.request(AGENT, {});
  await turn();
  await (await coordinator.receive(AGENT))?.reply({ done: true });
  assertEquals((await reply).payload, { done: true });
});

Deno.test("request() finds a reply whose wake-up was lost, and one that came during an outage", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = { listen: () => Promise.resolve(away) };
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock });
  const reply = coordinator.request(AGENT, {});
  await turn();
  methods.get = away;
  await (await coordinator.receive(AGENT))?.reply({ late: true });
  await clock.advance(1500);
  delete methods.get;
  await clock.advance(1000);
  assertEquals((await reply).payload, { late: true });
  assertEquals(clock.timers, 0);
});

Deno.test("request() fails with what is no outage, for all who wait", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  const backend = standIn(memory, { get: () => Promise.reject(new Error("a fault")) });
  const coordinator = new MessageCoordinator(backend, { clock });
  const replies = [coordinator.request(AGENT, {}), coordinator.request(AGENT, {})];
  const failed = replies.map((reply) => assertRejects(() => reply, Error, "a fault"));
  await clock.advance(1000);
  await Promise.all(failed);
});

Deno.test("request() fails when the reply has an unknown format, and when the recipient gives up", async () => {
  await using memory = new MemoryBackend();
  const coordinator = new MessageCoordinator(memory);
  for (const value of [{ v: 99 }, { v: 1, error: 5 }, null]) {
    const reply = coordinator.request(AGENT, {}).catch((error) => error);
    const received = await coordinator.receive(AGENT, { waitMs: 1000 });
    assert(received);
    const batch = coordinator.prepareReply(received.message, {});
    const [set] = batch.operations;
    assert(set?.type === "set");
    await received.ack({ also: { ...batch, operations: [{ ...set, value }] } });
    const error = await reply;
    assert(error instanceof RequestFailedError && error.message.includes("the reply has an unknown format"));
  }
  const reply = coordinator.request(AGENT, {}).catch((error) => error);
  await (await coordinator.receive(AGENT, { waitMs: 1000 }))?.nack({ failure: "permanent" });
  const error = await reply;
  assert(error instanceof RequestFailedError && error.message.includes("permanent"));
});

Deno.test("request() that has timed out leaves its reply to nobody, and sends nothing when it was over before", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  let listened = (_unlisten: () => Promise<void>) => {};
  const backend = standIn(memory, { listen: () => new Promise((resolve) => listened = resolve) });
  const coordinator = new MessageCoordinator(backend, { clock });
  const failed = assertRejects(() => coordinator.request(AGENT, {}, { timeoutMs: 500 }), RequestTimeoutError);
  await clock.advance(600);
  listened(() => Promise.resolve());
  await failed;
  assertEquals(await Array.fromAsync(memory.queues()), []);
});

Deno.test("LeaseKeeper.keep() tries again after an outage, and gives the lease up when none of it came through", async () => {
  const clock = new ManualClock();
  const keeper = new LeaseKeeper(clock, 6000);
  let [tries, lost, isAway] = [0, 0, true];
  const extend = () => (tries++, isAway ? away() : Promise.resolve(true));
  const release = keeper.keep(extend, () => lost++);
  await clock.advance(3000);
  assertEquals([tries, lost], [2, 0]);
  isAway = false;
  await clock.advance(6000); // one that came through at 4000 moves the end to 10,000
  assertEquals(lost, 0);
  isAway = true;
  await clock.advance(10_000);
  assertEquals(lost, 1);
  release();
  keeper.stop();
  assertEquals(clock.timers, 0);
});

Deno.test("LeaseKeeper.keep() gives a lease up whose extension does not return, and does not ask twice", async () => {
  const clock = new ManualClock();
  const keeper = new LeaseKeeper(clock, 6000);
  let [tries, lost] = [0, 0];
  keeper.keep(() => (tries++, new Promise<boolean>(() => {})), () => lost++);
  await clock.advance(5999);
  assertEquals([tries, lost], [1, 0]);
  await clock.advance(1);
  assertEquals(lost, 1);
  keeper.stop();
});

Deno.test("LeaseKeeper.keep() loses a lease once, when the extension says so after it was released", async () => {
  const clock = new ManualClock();
  const keeper = new LeaseKeeper(clock, 6000);
  let lost = 0;
  let answer = (_isKept: boolean) => {};
  const release = keeper.keep(() => new Promise((resolve) => answer = resolve), () => lost++);
  await clock.advance(2000);
  release();
  answer(false);
  await clock.advance(1000);
  assertEquals([lost, clock.timers], [0, 0]);
});

Deno.test("request() looks once more when it is woken in the middle of a look", async () => {
  const clock = new ManualClock();
  await using memory = new MemoryBackend({ clock });
  let wake = () => {};
  let looks = 0;
  const answers: (() => void)[] = [];
  const backend = standIn(memory, {
    listen: (_topic, callback) => {
      wake = callback;
      return Promise.resolve(() => Promise.resolve());
    },
    get: async (keys) => {
      looks++;
      const entries = await memory.get(keys);
      await new Promise<void>((resolve) => answers.push(resolve));
      return entries;
    },
  });
  const coordinator = new MessageCoordinator(backend, { clock });
  const reply = coordinator.request(AGENT, {});
  await turn();
  wake();
  await turn(); // it has looked, and there was nothing
  await (await coordinator.receive(AGENT))?.reply({ done: true });
  wake();
  wake();
  assertEquals(looks, 1);
  answers[0]?.();
  await turn();
  assertEquals(looks, 2);
  answers[1]?.();
  assertEquals((await reply).payload, { done: true });
});
