/**
 * Whether the speed depends on how much is waiting: `deno run -A bench/backlog.ts [BACKEND...]`.
 *
 * Sends, receives and acknowledges with 100 round trips under way, into a mailbox where from 100 to 100,000 messages
 * wait all the time: a column for each backlog, in messages a second, and the last beside the first.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { MessageCoordinator } from "../src/messages/coordinator.ts";
import type { StorageBackend } from "../src/storage/backend.ts";
import { backends, type BenchBackend } from "./backends.ts";
import { PAYLOAD } from "./peers/payload.mjs";
import { QUEUE_SIZE, RECIPIENT, roundTrip, SENDER } from "./scenarios.ts";

const BACKLOGS: readonly number[] = [100, 1000, 10_000, 100_000];
const AT_ONCE = 100;
const ROUND_MS = 1000;
/** The backlogs take turns, so that what else the machine does befalls all of them; the median counts. */
const ROUNDS = 5;

if (import.meta.main) {
  const chosen = backends.filter(({ name }) => Deno.args.length === 0 || Deno.args.includes(name));
  printRow("", ...BACKLOGS.map((backlog) => backlog.toLocaleString("en")), "last/first");
  for (const backend of chosen) {
    const figures = await measure(backend);
    const [first = NaN, last = NaN] = [figures[0], figures.at(-1)];
    printRow(
      backend.name,
      ...figures.map((figure) => Math.round(figure).toLocaleString("en")),
      (last / first).toFixed(2),
    );
  }
  Deno.exit();
}

/** Messages a second with each backlog. */
async function measure({ open }: BenchBackend): Promise<number[]> {
  const stores = [];
  for (const backlog of BACKLOGS) {
    const opened = await open();
    await fill(opened.backend, backlog);
    stores.push({ ...opened, figures: new Array<number>() });
  }
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { backend, figures } of stores) {
      const { count, elapsedMs } = await roundTrip(backend, AT_ONCE, ROUND_MS);
      if (round > 0) figures.push(count / (elapsedMs / 1000)); // the first round warms up
    }
  }
  for (const { backend, remove } of stores) {
    await backend.close();
    remove();
  }
  return stores.map(({ figures }) => figures.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? NaN);
}

async function fill(backend: StorageBackend, count: number): Promise<void> {
  const coordinator = new MessageCoordinator(backend, { queueSize: QUEUE_SIZE });
  const send = () => coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
  for (let sent = 0; sent < count; sent += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, send));
}

function printRow(name: string, ...cells: readonly string[]): void {
  console.log(name.padEnd(10) + cells.map((cell) => cell.padStart(12)).join(""));
}
