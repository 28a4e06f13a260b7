/** One process of the fleet test: calls a service that is well only while the breaker probes it, and dies in some probes. @module */

import { openBackend } from "../../backends/open.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";

const [url = "", options = "{}", deaths = "0"] = Deno.args;
const MAX_OPENINGS = 20;

const encoder = new TextEncoder();
/** Written at once and whole, so that it is read also when the process dies right after. */
const say = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));

const backend = await open();
const breaker = new CircuitBreaker({ ...JSON.parse(options), backend });
breaker.on("transition", ({ to, generation, origin }) => say(`${origin} ${to} ${generation}`));

let isOver = false;
const untilOver = (async () => {
  for await (const _ of Deno.stdin.readable) { /* until it ends */ }
  isOver = true;
})();

/** Opens the backend, again and again where a machine with many processes to start is too busy for its time limit. */
async function open(): Promise<StorageBackend> {
  for (let tries = 1;; tries++) {
    try {
      return await openBackend(url);
    } catch (error) {
      if (tries === MAX_OPENINGS) throw error;
    }
  }
}

/** Fails while all is closed, so that the next cycle begins; succeeds as a probe, or dies. */
async function service(): Promise<void> {
  const { state, generation } = breaker.getMetrics();
  if (state === "closed") throw new Error("the service is down");
  say(`probe ${state} ${generation}`);
  if (Math.random() < Number(deaths)) {
    say(`death ${state} ${generation}`);
    Deno.kill(Deno.pid, "SIGKILL");
  }
  await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
}

say("ready closed 0");
while (!isOver) {
  await breaker.tryCall(service);
  await new Promise((resolve) => setTimeout(resolve, 10 + 20 * Math.random()));
}
await breaker.close();
await backend.close();
await untilOver;
