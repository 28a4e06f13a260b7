/**
 * What routing costs: the same call on a memory backend, alone and behind a composite with routes. On a busy machine that
 * is less than the noise; so a thousand calls are also made of a child that does nothing.
 *
 * @module
 */

import { CompositeBackend } from "../backends/composite.ts";
import { MemoryBackend } from "../backends/memory.ts";
import type { StorageBackend } from "../src/storage/backend.ts";

const KEY = ["tenant", "acme", "record"];
const QUEUE = ["tenant", "acme", "mailbox", "worker"];
const VALUE = { text: "a value of about the size of a short note, as agents keep them", count: 17 };

const backends: readonly { readonly name: string; readonly backend: StorageBackend }[] = [
  { name: "memory", backend: new MemoryBackend() },
  {
    name: "composite",
    backend: new CompositeBackend({
      default: new MemoryBackend(),
      routes: [{ prefix: ["tenant"], backend: new MemoryBackend() }, {
        prefix: ["scratch"],
        backend: new MemoryBackend(),
      }],
    }),
  },
];

for (const { name, backend } of backends) {
  await backend.commit({ operations: [{ type: "set", key: KEY, value: VALUE }] });
  const baseline = name === "memory";
  Deno.bench({ name: `routing set, ${name}`, group: "routing set", baseline }, async () => {
    await backend.commit({ operations: [{ type: "set", key: KEY, value: VALUE }] });
  });
  Deno.bench({ name: `routing get, ${name}`, group: "routing get", baseline }, async () => {
    await backend.get([KEY]);
  });
  let sent = 0;
  Deno.bench({ name: `routing message, ${name}`, group: "routing message", baseline }, async () => {
    const id = `message-${sent++}`;
    const message = { queue: QUEUE, id, value: VALUE, priority: 5, maxAttempts: 3, dedupeMs: 0, capacity: 10 };
    await backend.commit({ operations: [{ type: "enqueue", ...message }] });
    const [delivery] = await backend.claim(QUEUE, { leaseMs: 5000 });
    if (!delivery) throw new Error("Cannot measure: a message was lost on the way");
    const { queue, token } = delivery;
    await backend.commit({ operations: [{ type: "ack", queue, id, token }] });
  });
}

const [done, none] = [Promise.resolve({ committed: true, results: [] } as const), Promise.resolve([])];
const idle = Object.assign(new MemoryBackend(), { commit: () => done, get: () => none, claim: () => none });
const routed = new CompositeBackend({
  default: new MemoryBackend(),
  routes: [{ prefix: ["tenant"], backend: idle }, { prefix: ["scratch"], backend: new MemoryBackend() }],
});
Deno.bench("routing alone, 1,000 sets", { group: "routing alone" }, () => {
  for (let n = 0; n < 1000; n++) void routed.commit({ operations: [{ type: "set", key: KEY, value: VALUE }] });
});
Deno.bench("routing alone, 1,000 gets", { group: "routing alone" }, () => {
  for (let n = 0; n < 1000; n++) void routed.get([KEY]);
});
Deno.bench("routing alone, 1,000 claims", { group: "routing alone" }, () => {
  for (let n = 0; n < 1000; n++) void routed.claim(QUEUE, { leaseMs: 5000 });
});
