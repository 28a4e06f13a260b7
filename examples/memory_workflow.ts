/**
 * A conversation that is remembered: turns, a task, search, time to live, what fits a prompt, and the step up to Redis.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- an example shows what it does

import { createMemoryKey, MemoryPrimitive } from "@tta/agent-coordination";

// With TTA_REDIS_URL set, all processes share the memory; while that server is away, it is kept here and moved later.
const redisUrl = Deno.env.get("TTA_REDIS_URL");
await using memory = new MemoryPrimitive({ namespace: ["memory-workflow"], ...(redisUrl && { redisUrl }) });

// A conversation over several turns: what the key says before its last ":" is the session.
const talk = createMemoryKey("ada", "trip");
const turns = [
  ["ada", "We want to see herons on the coast in May."],
  ["agent", "How many of you are coming?"],
  ["ada", "Four, and my mother cannot walk far."],
  ["agent", "Then the hide by the lighthouse is best, it has a lift."],
  ["ada", "Book it, but no seafood for dinner, please: I am allergic."],
] as const;
for (const [n, [who, text]] of turns.entries()) await memory.add(`${talk}:${n}`, { who, text });

// What a task needs to know, under the key that the Python original would give it, and only for an hour.
const task = createMemoryKey("ada", "trip", { task: "book", step: 1 });
await memory.add(task, { text: "Compare hides near the lighthouse", offers: 0 }, { ttlMs: 3_600_000, session: null });
await memory.update(task, (value) => ({ ...Object(value), offers: 3 }));
console.log("task:", task, JSON.stringify(await memory.get(task)));

// A search knows the forms of words, and what stands beside a turn counts.
for (const { key, matched } of await memory.search("who is allergic to what", { limit: 2 })) {
  console.log("found:", key, matched.join(", "));
}
const [session] = await memory.searchSessions("herons by the coast");
console.log("session:", session?.session);

// What fits a prompt, in the order in which it was said.
const { hits, tokens } = await memory.recall("walking to the lighthouse", { maxTokens: 40 });
console.log(`recalled ${hits.length} entries, ${tokens} tokens`);

// Old turns become one summary, in one atomic step.
const { replaced } = await memory.compact({
  olderThanMs: 0,
  session: talk,
  summarize: (entries) => ({ text: `Ada's trip: ${entries.length} turns; herons in May, four people, no seafood` }),
});
console.log(`summarised ${replaced} turns; left: ${await memory.size()} entries`);

const { backend, reason } = memory.getBackendInfo();
console.log("kept in:", backend, reason === null ? "" : `(${reason})`);
await memory.clear();
