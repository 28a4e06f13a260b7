/** What happens when handlers fail: retries with backoff, dead letters, and putting them back. @module */

// deno-lint-ignore-file no-console -- an example shows what it does

import { CountingMetrics, MessageCoordinator, PermanentFailureError, serveAgent } from "@tta/agent-coordination";
import { openBackend } from "@tta/agent-coordination/open";

await using backend = await openBackend(Deno.env.get("TTA_BACKEND_URL") ?? "memory:");
const metrics = new CountingMetrics();
const coordinator = new MessageCoordinator(backend, { metrics, backoffBaseMs: 10, retryAttempts: 3 });
const worker = { type: "worker" };
let modelIsUp = false;

const done = new Set<unknown>();
const server = serveAgent(coordinator, {
  agentId: worker,
  process: ({ payload }, { attempt }) => {
    if (payload.task === "impossible" && !modelIsUp) throw new PermanentFailureError("no model can do that");
    if (payload.task === "flaky" && attempt < 3) throw new Error(`try ${attempt} failed`);
    done.add(payload.task);
  },
}, { onError: (error) => console.log(`  ${error instanceof Error ? error.message : error}`) });

for (const task of ["easy", "flaky", "impossible"]) {
  await coordinator.sendMessage({ type: "editor" }, worker, { payload: { task } });
}
await until(async () => done.size === 2 && (await coordinator.stats(worker)).dead === 1);
for await (const { message, lastError } of coordinator.deadLetters(worker)) {
  console.log(`dead letter: ${message.payload.task}, because ${lastError}`);
}

modelIsUp = true;
await coordinator.redrive(worker);
await until(() => done.size === 3);
await server.stop();
console.log(`done: ${[...done].join(", ")}; retries: ${metrics.snapshot().retry.totalRetriesScheduled}`);

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 1000) throw new Error("Cannot wait any longer: the work was not done in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
