/** Decides what becomes of the messages of one mailbox: each of them once, in the order of the line. @module */

import { type AgentId, instanceOf } from "../../src/messages/model.ts";
import { agentOfName, anotherId, type ImportedMessage, readMessage } from "./message.ts";
import type { SourceMessage } from "./source.ts";

/** A message that is to be sent, and how. */
export interface PlannedMessage {
  /** Its id here; another than its own where that is taken by a message with other content. */
  readonly id: string;
  readonly message: ImportedMessage;
  /** When it is due, in milliseconds since 1970; what is past is due at once. */
  readonly dueAtMs: number;
}

/** What a mailbox holds, by what it was in the original. */
export interface MailboxCounts {
  /** In line. */
  ready: number;
  /** Due later. */
  delayed: number;
  /** Being worked on: ready again. */
  reserved: number;
  /** Given up. */
  dead: number;
  /** In the audit list alone: a claim was cut off between its steps, and only this copy was left. Ready again. */
  orphaned: number;
  /** Not to be read: dead letters that carry the text. */
  unreadable: number;
  /** The same message once more; only one of them is moved. Copies in the audit list are no such. */
  duplicates: number;
  /** Other content under an id that was taken: moved under another id. */
  renamed: number;
  /** Moved by an earlier run. */
  already: number;
}

/** What is to be done with a mailbox. */
export interface MailboxPlan {
  readonly agent: AgentId;
  /** In the order in which they died. */
  readonly dead: readonly PlannedMessage[];
  /** In the order in which they are to stand in line. */
  readonly live: readonly PlannedMessage[];
  readonly counts: MailboxCounts;
}

/**
 * Who comes first where one message lies in several places, as it does when the original was cut off between two steps.
 */
const PLACES = { reserved: 0, scheduled: 1, dead: 2, audit: 3 };

/** Reads the messages of the mailbox with this name, and whose it is. */
export function readMailbox(
  name: string,
  found: readonly SourceMessage[],
): { readonly agent: AgentId; readonly messages: readonly [SourceMessage, ImportedMessage][] } {
  const messages = found
    .map((source): [SourceMessage, ImportedMessage] => [source, readMessage(source.text, source.level)])
    .sort(([a], [b]) => PLACES[a.place] - PLACES[b.place] || a.dueAtMs - b.dueAtMs);
  const agent = agentOfName(name, messages.map(([, { recipient }]) => recipient));
  return { agent: { type: agent.type, instance: instanceOf(agent) }, messages };
}

/** Plans a mailbox. `moved` has the identities, by id, of what earlier runs have moved. */
export function planMailbox(
  agent: AgentId,
  messages: readonly [SourceMessage, ImportedMessage][],
  moved: ReadonlyMap<string, string>,
  nowMs: number,
): MailboxPlan {
  const counts: MailboxCounts = {
    ready: 0,
    delayed: 0,
    reserved: 0,
    dead: 0,
    orphaned: 0,
    unreadable: 0,
    duplicates: 0,
    renamed: 0,
    already: 0,
  };
  const dead: PlannedMessage[] = [];
  const live: PlannedMessage[] = [];
  const taken = new Map<string, string>();
  for (const [{ place, dueAtMs }, message] of messages) {
    const isFree = (id: string) =>
      [taken.get(id), moved.get(id)].every((by) => by === undefined || by === message.identity);
    const id = isFree(message.id) ? message.id : anotherId(message);
    if (taken.has(id)) {
      if (place !== "audit") counts.duplicates++;
      continue;
    }
    taken.set(id, message.identity);
    if (moved.has(id)) {
      counts.already++;
      continue;
    }
    if (id !== message.id) counts.renamed++;
    if (message.unreadable !== undefined) counts.unreadable++;
    else if (place === "dead") counts.dead++;
    else if (place === "audit") counts.orphaned++;
    else if (place === "reserved") counts.reserved++;
    else if (dueAtMs > nowMs) counts.delayed++;
    else counts.ready++;
    const isDead = place === "dead" || message.unreadable !== undefined;
    (isDead ? dead : live).push({ id, message, dueAtMs: place === "scheduled" ? dueAtMs : 0 });
  }
  return { agent, dead, live, counts };
}
