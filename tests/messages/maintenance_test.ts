/** Tests of what operators do with a mailbox: how much of it is read. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import type { MessageListOptions, MessageState, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

const AGENT = { type: "worker" };

/** Counts the messages that are listed. */
class CountedStore extends WatchedBackend {
  listed = 0;

  override async *messages(queue: Key, state: MessageState, options?: MessageListOptions) {
    const all: StoredMessage[] = [];
    for await (const message of super.messages(queue, state, options)) all.push(message);
    this.listed += all.length; // an engine reads a page, however little of it is looked at
    yield* all;
  }
}

Deno.test("redrive() reads no more dead letters than it is to put back", async () => {
  await using store = new CountedStore(new MemoryBackend());
  const coordinator = new MessageCoordinator(store, { retryAttempts: 0, backoffBaseMs: 0 });
  for (let n = 0; n < 20; n++) {
    await coordinator.sendMessage(AGENT, AGENT, { messageId: `message-${n}` });
    await (await coordinator.receive(AGENT))?.nack();
  }
  assertEquals(await coordinator.redrive(AGENT, { limit: 3 }), 3);
  assertEquals(store.listed, 3);
  assertEquals((await coordinator.receive(AGENT))?.message.messageId, "message-0");
  assertEquals(
    await coordinator.redrive(AGENT, { limit: 1, where: ({ message }) => message.messageId === "message-9" }),
    1,
  );
  assertEquals(await coordinator.redrive(AGENT, { limit: 1, ids: ["message-15"] }), 1);
  assertEquals((await coordinator.stats(AGENT)).dead, 15);
});

Deno.test("purge() and redrive() of messages that are named look at no others", async () => {
  await using store = new CountedStore(new MemoryBackend());
  const coordinator = new MessageCoordinator(store, { retryAttempts: 0 });
  for (let n = 0; n < 10; n++) {
    await coordinator.sendMessage(AGENT, AGENT, { messageId: `message-${n}` });
    if (n < 5) await (await coordinator.receive(AGENT))?.nack();
  }
  const ids = ["message-1", "message-9", "message-1", "no such message"];
  assertEquals(await coordinator.redrive(AGENT, { ids }), 1);
  assertEquals(await coordinator.purge(AGENT, { ids }), 2);
  assertEquals(store.listed, 0);
  const { ready, dead } = await coordinator.stats(AGENT);
  assertEquals([ready, dead], [4, 4]);
});
