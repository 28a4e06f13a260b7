/**
 * A store that stands still for twice the TTL evicts nobody, among real processes. With `TTA_LONG_TESTS` in the
 * environment it stands still for a minute, with the registry's default times.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { openBackend } from "../../backends/open.ts";
import type { AgentEvent } from "../../src/agents/model.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { alive, count, end, type Process, start, until, untilReady } from "./fleet.ts";

const isLong = Deno.env.has("TTA_LONG_TESTS");
const [TTL_MS, SUSPICION_MS, PAUSE_MS] = isLong ? [30_000, 15_000, 60_000] : [3000, 1500, 6000];

// So few that no rule about many deaths at once spares them.
const PROCESSES = 4;
const LATE = { type: "worker", instance: "p1-0" };

Deno.test({
  name: `registry: a store that pauses for ${PAUSE_MS} ms evicts none of the agents of 4 processes`,
  ignore: redisProgram === null, // there is nothing to pause
  fn: async () => {
    await using server = await RedisServer.start();
    await using backend = await openBackend(server.url);
    await using registry = new AgentRegistry(backend, { heartbeatTtlMs: TTL_MS, suspicionMs: SUSPICION_MS });
    const over = new AbortController();
    const events: AgentEvent[] = [];
    const watching = (async () => {
      for await (const event of registry.watch({ signal: over.signal })) events.push(event);
    })();
    const processes: Process[] = [];
    const plan = { agents: 1, ttlMs: TTL_MS, suspicionMs: SUSPICION_MS };
    try {
      for (let index = 0; index < PROCESSES; index++) processes.push(start(server.url, `p${index}`, plan));
      for (const process of processes) assertEquals(await untilReady(process), 0);
      await until("all joins are told", () => count(events, "join") === PROCESSES);
      // Each process has now looked at the store for so long that it may declare deaths.
      await until("a TTL has passed", passed(TTL_MS));

      server.pause();
      await until("the pause is over", passed(PAUSE_MS));
      // Most processes find back to the store later than those who could declare them dead.
      const late = processes.slice(1).map(({ child }) => child);
      for (const child of late) child.kill("SIGSTOP");
      try {
        server.resume();
        await until("the store is found again", async () => await registry.get(LATE).catch(() => null) !== null);
        await until("who is early has looked", passed(TTL_MS / 5));
      } finally {
        for (const child of late) child.kill("SIGCONT");
      }

      await until("all are heard of", async () => await alive(registry).catch(() => 0) === PROCESSES);
      await until("every death would be told", passed(TTL_MS + SUSPICION_MS));
      const lost = events.filter(({ type }) => type !== "join" && type !== "suspect" && type !== "back");
      assertEquals([lost, count(events, "join"), await alive(registry)], [[], PROCESSES, PROCESSES]);
    } finally {
      server.resume();
      for (const process of processes) await end(process);
      over.abort();
      await watching;
    }
  },
});

function passed(ms: number): () => boolean {
  const startedAtMs = performance.now();
  return () => performance.now() - startedAtMs >= ms;
}
