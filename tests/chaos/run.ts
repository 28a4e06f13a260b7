/** A chaos run: four workers, one of which is killed again and again while messages pass. @module */

import { openBackend } from "../../backends/open.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { CHAOS_AGENT, type ChaosEvent, RETRY_ATTEMPTS } from "./chaos.ts";

/** How large a run is. */
export interface ChaosPlan {
  readonly url: string;
  readonly messages: number;
  readonly kills: number;
  /** Where the workers write their logs. */
  readonly directory: string;
  /** Decides who is killed. */
  readonly random: () => number;
}

const WORKERS = 4;
const KILL_EVERY_MS = 400;
// A worker lives for 1.6 s on average: of 100 slow messages, some 16 meet one that lives long enough to be too late.
const SLOW_EVERY = 199;
const DRAIN_MS = 60_000;

/** Runs it to the end and returns every event: what was sent, and what the workers logged. */
export async function runChaos(plan: ChaosPlan): Promise<ChaosEvent[]> {
  const { url, messages, kills, directory, random } = plan;
  await using backend = await openBackend(url);
  const coordinator = new MessageCoordinator(backend, { queueSize: messages + 1, retryAttempts: RETRY_ATTEMPTS });
  let logs = 0;
  const start = () => startWorker(url, `${directory}/${logs++}.log`);
  const workers = Array.from({ length: WORKERS }, start);
  const sent: ChaosEvent[] = [];
  try {
    const perKill = Math.ceil(messages / kills);
    for (let kill = 0; kill < kills; kill++) {
      const ended = new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS));
      const count = Math.min(perKill, messages - sent.length);
      sent.push(...await Promise.all(Array.from({ length: count }, (_, n) => send(coordinator, sent.length + n))));
      await ended;
      const index = Math.floor(random() * WORKERS);
      await kill9(workers[index]);
      workers[index] = start();
    }
    await untilEmpty(coordinator);
  } finally {
    await Promise.all(workers.map(kill9));
  }
  return [...sent, ...readLogs(directory)];
}

async function send(coordinator: MessageCoordinator, n: number): Promise<ChaosEvent> {
  const id = `message-${n}`;
  const payload = { n, slow: n % SLOW_EVERY === 0 };
  const { delivered } = await coordinator.sendMessage({ type: "sender" }, CHAOS_AGENT, { messageId: id, payload });
  if (!delivered) throw new Error(`Cannot go on: ${id} was refused`);
  return { type: "sent", id, atMs: Date.now() };
}

function startWorker(url: string, log: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", new URL("worker.ts", import.meta.url).pathname, url, log],
    cwd: new URL("../..", import.meta.url),
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
}

async function kill9(worker: Deno.ChildProcess | undefined): Promise<void> {
  try {
    worker?.kill("SIGKILL");
  } catch {
    // It has ended by itself, which its log will tell.
  }
  await worker?.status;
}

/** Waits until nothing is ready, delayed, leased or dead. */
async function untilEmpty(coordinator: MessageCoordinator): Promise<void> {
  const deadline = Date.now() + DRAIN_MS;
  while ((await coordinator.stats()).length > 0) {
    if (Date.now() > deadline) throw new Error(`Cannot drain: ${JSON.stringify(await coordinator.stats())}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Everything that was logged; the last line of a worker that was killed may be cut. */
function readLogs(directory: string): ChaosEvent[] {
  return [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".log")).flatMap(({ name }) =>
    Deno.readTextFileSync(`${directory}/${name}`).split("\n").slice(0, -1).map((line): ChaosEvent => JSON.parse(line))
  );
}
