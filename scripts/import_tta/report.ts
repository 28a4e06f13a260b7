/** What an import found and did, as an object and as text. @module */

import type { MailboxCounts } from "./plan.ts";
import type { MovedRecords } from "./records.ts";

/** What became of one mailbox. */
export interface MailboxReport extends Readonly<MailboxCounts> {
  readonly agent: string;
  /** Messages that are in the target now, by this run. */
  readonly moved: number;
  /** Messages whose id the target's mailbox had seen by itself. */
  readonly known: number;
}

/** What an import found and did. */
export interface ImportReport {
  /** Whether nothing was written. */
  readonly dryRun: boolean;
  readonly mailboxes: readonly MailboxReport[];
  readonly agents: Omit<MovedRecords, "problems">;
  readonly breakers: Omit<MovedRecords, "problems">;
  /** Keys of the original that have no counterpart: subscriptions, capabilities, metrics. */
  readonly left: number;
  /** What could not be moved, and why. */
  readonly problems: readonly string[];
}

const COLUMNS = [
  "ready",
  "delayed",
  "reserved",
  "orphaned",
  "dead",
  "unreadable",
  "duplicates",
  "renamed",
  "already",
] as const;

/** The report for people. */
export function formatReport({ dryRun, mailboxes, agents, breakers, left, problems }: ImportReport): string {
  const width = Math.max(7, ...mailboxes.map(({ agent }) => agent.length));
  const row = (name: string, cells: readonly (string | number)[]) =>
    [name.padEnd(width), ...cells.map((cell) => String(cell).padStart(10))].join(" ");
  const total = (name: "moved" | "known") => mailboxes.reduce((sum, mailbox) => sum + mailbox[name], 0);
  const lines = [
    row("mailbox", COLUMNS),
    ...mailboxes.map((mailbox) => row(mailbox.agent, COLUMNS.map((column) => mailbox[column]))),
    "",
    dryRun
      ? "Dry run: nothing was written, and what earlier runs have moved is not known."
      : `messages  ${total("moved")} moved, ${total("known")} known to the target before`,
    `agents    ${agents.moved} ${dryRun ? "found" : "moved"} (${agents.withState} with a saved state), ` +
    `${agents.already} moved before, ${agents.known} known to the target before`,
    `breakers  ${breakers.moved} ${dryRun ? "found" : "moved"}, ${breakers.closed} closed and so not needed, ` +
    `${breakers.already} moved before, ${breakers.known} known to the target before`,
    `left      ${left} keys without a counterpart (subscriptions, capabilities, metrics)`,
    ...problems.map((problem) => `PROBLEM   ${problem}`),
  ];
  return lines.join("\n");
}
