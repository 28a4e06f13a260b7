/** Messages, on every backend: `deno task bench`. Where several are under way, one iteration is all of them. @module */

import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { backends } from "./backends.ts";
import { PAYLOAD } from "./peers/payload.mjs";
import { oneRoundTrip } from "./scenarios.ts";

const SENDER = { type: "sender" };
const MAILBOX = { type: "mailbox" };

for (const { name, open } of backends) {
  const { backend, remove } = await open();
  addEventListener("unload", remove);
  const coordinator = new MessageCoordinator(backend, { queueSize: 100_000_000 });
  const sendOne = async () => void await coordinator.sendMessage(SENDER, MAILBOX, { payload: PAYLOAD });

  Deno.bench({ group: "send x1", name, fn: sendOne });
  Deno.bench({ group: "send x100", name, fn: () => times(100, sendOne) });
  Deno.bench({ group: "round trip x1", name, fn: () => oneRoundTrip(coordinator) });
  Deno.bench({ group: "round trip x100", name, fn: () => times(100, () => oneRoundTrip(coordinator)) });
}

async function times(count: number, action: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, action));
}
