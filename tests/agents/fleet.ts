/** A fleet of real processes that share an agent registry, one of which is killed. @module */

import { assertEquals } from "@std/assert";
import { openBackend } from "../../backends/open.ts";
import type { AgentEvent } from "../../src/agents/model.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { until as untilInTime } from "../until.ts";

const PROCESSES = 10;
const AGENTS = 20;
const TTL_MS = 3000;
const SUSPICION_MS = 1500;
const PLAN: ProcessPlan = { agents: AGENTS, ttlMs: TTL_MS, suspicionMs: SUSPICION_MS };

// A look at the store, and the events' way to the one who watches, on a machine that is busy with ten processes.
const NOTICE_MS = 1000;

/** A process that has registered agents. */
export interface Process {
  readonly child: Deno.ChildProcess;
  readonly output: ReadableStreamDefaultReader<Uint8Array>;
}

/** 200 agents in 10 processes: one is killed, its agents leave in time with one event each, and come back with their states. */
export async function testFleet(url: string): Promise<void> {
  const processes: Process[] = [];
  await using backend = await openBackend(url);
  await using registry = new AgentRegistry(backend, { heartbeatTtlMs: TTL_MS, suspicionMs: SUSPICION_MS });
  const over = new AbortController();
  const events: AgentEvent[] = [];
  const watching = (async () => {
    for await (const event of registry.watch({ signal: over.signal })) events.push(event);
  })();
  try {
    for (let index = 0; index < PROCESSES; index++) processes.push(start(url, `p${index}`, PLAN));
    const restored = await Promise.all(processes.map(untilReady));
    assertEquals(restored, processes.map(() => 0));
    await until("all agents are alive", async () => (await alive(registry)) === PROCESSES * AGENTS);
    await until("all joins are told", () => count(events, "join") === PROCESSES * AGENTS);

    const victim = processes[3];
    victim?.child.kill("SIGKILL");
    const killedAtMs = Date.now();
    await until("the deaths are told", () => count(events, "death") >= AGENTS);
    const tookMs = Date.now() - killedAtMs;
    assertEquals(tookMs < TTL_MS + SUSPICION_MS + NOTICE_MS, true, `it took ${tookMs} ms`);
    assertEquals(await alive(registry), (PROCESSES - 1) * AGENTS);

    const successor = start(url, "p3", PLAN);
    processes.push(successor);
    assertEquals(await untilReady(successor), AGENTS, "every state is restored");
    await until("all agents are alive again", async () => (await alive(registry)) === PROCESSES * AGENTS);
    // Whatever was to be told twice has been told by now: the others have looked several times.
    const dead = events.flatMap((event) => event.type === "death" ? [event.agentId.instance] : []).sort();
    assertEquals(dead, Array.from({ length: AGENTS }, (_, index) => `p3-${index}`).sort());
    await until("the joins are told", () => count(events, "join") === (PROCESSES + 1) * AGENTS);
  } finally {
    for (const process of processes) await end(process);
    over.abort();
    await watching;
  }
}

/** How many agents a process registers, and the times that they go by. */
export interface ProcessPlan {
  readonly agents: number;
  readonly ttlMs: number;
  readonly suspicionMs: number;
}

/** Starts a process that registers agents, and lives until it is killed or ended. */
export function start(url: string, name: string, { agents, ttlMs, suspicionMs }: ProcessPlan): Process {
  const script = new URL("fleet_process.ts", import.meta.url).pathname;
  const flags = ["run", "--allow-all", "--no-check", "--unstable-kv"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...flags, script, url, name, String(agents), String(ttlMs), String(suspicionMs)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return { child, output: child.stdout.getReader() };
}

/** Waits until a process has registered its agents, and tells how many of them got a state back. */
export async function untilReady({ output }: Process): Promise<number> {
  const { value } = await output.read();
  return Number(/^ready (\d+)$/m.exec(new TextDecoder().decode(value))?.[1]);
}

/** Ends a process, which takes its agents away, or what is left of one that was killed. */
export async function end({ child, output }: Process): Promise<void> {
  try {
    await child.stdin.close();
  } catch {
    // It was killed: nobody reads its input.
  }
  await child.status;
  await output.cancel();
}

/** How many agents are alive. */
export async function alive(registry: AgentRegistry): Promise<number> {
  return (await registry.discover("worker")).filter(({ liveness }) => liveness === "alive").length;
}

/** How many events of a type were told. */
export function count(events: readonly AgentEvent[], type: AgentEvent["type"]): number {
  return events.filter((event) => event.type === type).length;
}

/** Waits until something holds, and fails when it does not in a minute and a half. */
export function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  return untilInTime(what, condition, 90_000);
}
