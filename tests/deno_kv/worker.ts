/** A process of `processes_test.ts`: sends its share of messages, and handles whatever there is until all are done. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import type { Delivery } from "../../src/storage/backend.ts";
import { message, QUEUE } from "../../src/testing/steps.ts";

const [path = "", name = "", share = "0", total = "0"] = Deno.args;
const LIMIT_MS = 60_000;

await using backend = new DenoKvBackend({ path, pollMs: 20 });
let woken = () => {};
const unlisten = await backend.listen(QUEUE, () => woken());
const startedAt = performance.now();
const handled: string[] = [];
const faults: string[] = [];
await Promise.all([sendAll(), handle(), handle()]);
await unlisten();
// deno-lint-ignore no-console -- its output is what its parent reads
console.log(JSON.stringify({ handled: handled.length, faults }));

async function sendAll(): Promise<void> {
  for (let index = 0; index < Number(share); index++) {
    const id = `${name}-${index}`;
    const result = await backend.commit({ operations: [message(id, { value: { from: name } })] });
    if (!result.committed) faults.push(`the send of ${id} was refused as ${result.reason}`);
  }
}

async function handle(): Promise<void> {
  while (await backend.count(["done"]) < Number(total)) {
    if (performance.now() - startedAt > LIMIT_MS) throw new Error("Cannot go on: it takes too long");
    const deliveries = await backend.claim(QUEUE, { leaseMs: LIMIT_MS, limit: 7 });
    await Promise.all(deliveries.map(settle));
    if (deliveries.length === 0) await wakeOrWait(50);
  }
}

/** Its record is made in the same step, and must not be there yet: no message may be handled twice. */
async function settle({ queue, id, token }: Delivery): Promise<void> {
  const result = await backend.commit({
    checks: [{ key: ["done", id], version: null }],
    operations: [{ type: "ack", queue, id, token }, { type: "set", key: ["done", id], value: name }],
  });
  if (result.committed) handled.push(id);
  else faults.push(`the settling of ${id} was refused as ${result.reason}`);
}

function wakeOrWait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    woken = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
