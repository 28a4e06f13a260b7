/** An import from the Python original's Redis: reads all of it, and moves it into a backend. @module */

import type { StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { moveMailbox } from "./mailboxes.ts";
import { Marks } from "./marks.ts";
import { planMailbox, readMailbox } from "./plan.ts";
import { moveAgents, moveBreakers, type RecordsOptions } from "./records.ts";
import type { ImportReport, MailboxReport } from "./report.ts";
import { TtaSource } from "./source.ts";

/** How to import. */
export interface ImportOptions {
  /** The Redis server of the original. */
  readonly from: string;
  /** The prefix of its keys. */
  readonly prefix: string;
  /** Where everything goes; `null` looks only. */
  readonly backend: StorageBackend | null;
  /** The namespace of the coordinators, registries and breakers that will use it. */
  readonly namespace: Key;
  /** How many times a message may be tried again. @default {3} */
  readonly retryAttempts?: number;
  /** How long the original's breakers stayed open, in milliseconds. @default {60_000} */
  readonly openMs?: number;
  /** How long a dead letter is leased between its arrival and its burial, in milliseconds. @default {10_000} */
  readonly burialLeaseMs?: number;
}

/**
 * Imports, and may be called again after it was cut off anywhere: what was moved is marked in the step that moved it.
 * One mailbox at a time is in memory. Changes nothing in the source.
 *
 * @throws When the source or the target cannot be reached.
 */
export async function importTta(options: ImportOptions): Promise<ImportReport> {
  const { from, backend, namespace, retryAttempts = 3, openMs = 60_000, burialLeaseMs = 10_000 } = options;
  const prefix = options.prefix.replace(/:+$/, "");
  await using source = await TtaSource.open(from, prefix);
  const layout = await source.layout();
  // Scores are times of the hosts of the original; the server's clock is nearer to them than this one's.
  const aheadMs = await source.nowMs() - Date.now();
  const now = () => Date.now() + aheadMs;
  const marks = backend && new Marks(backend, namespace, prefix);

  const mailboxes: MailboxReport[] = [];
  const problems: string[] = [];
  for (const keys of layout.mailboxes) {
    const { agent, messages } = readMailbox(keys.name, await source.messages(keys));
    const moved = await marks?.moved(agent) ?? new Map<string, string>();
    const plan = planMailbox(agent, messages, moved, now());
    const result = backend && marks &&
      await moveMailbox(plan, { backend, namespace, marks, retryAttempts, now, burialLeaseMs });
    problems.push(...result?.problems ?? []);
    mailboxes.push({
      agent: `${agent.type}/${agent.instance}`,
      ...plan.counts,
      moved: result?.moved ?? 0,
      known: result?.known ?? 0,
    });
  }

  const recordsOptions: RecordsOptions = { backend, namespace, marks, nowMs: now(), openMs };
  const agents = await moveAgents(await source.records(layout.agents), prefix, recordsOptions);
  const names = new Map(layout.breakers.map(({ name, key }) => [key, name]));
  const states = await source.records([...names.keys()]);
  const breakers = await moveBreakers(
    states.map(({ key, text }) => ({ name: names.get(key) ?? "", text })),
    recordsOptions,
  );
  const { problems: agentProblems, ...agentCounts } = agents;
  const { problems: breakerProblems, ...breakerCounts } = breakers;
  return {
    dryRun: backend === null,
    mailboxes,
    agents: agentCounts,
    breakers: breakerCounts,
    left: layout.left.length,
    problems: [...problems, ...agentProblems, ...breakerProblems],
  };
}
