/** Which keys the Python original has in Redis, and what each of them is for. @module */

/** The keys of one mailbox of the original. */
export interface MailboxKeys {
  /** `type:instance`, as the keys have it; where a type has colons, its messages tell where it ends. */
  readonly name: string;
  /** By priority: sorted sets of JSON, scored in microseconds. */
  readonly scheduled: ReadonlyMap<number, string>;
  /** The hash of what is being worked on, by token. */
  readonly reserved: string;
  /** The sorted set of tokens, scored by the end of their reservation in microseconds. */
  readonly deadlines: string;
  /** The list of dead letters. */
  readonly dead: string;
  /** The list that has a copy of every message which was neither acknowledged nor given up. */
  readonly audit: string;
}

/** What a prefix holds. */
export interface Layout {
  readonly mailboxes: readonly MailboxKeys[];
  /** Keys of registered agents. */
  readonly agents: readonly string[];
  /** Breakers by name. */
  readonly breakers: readonly { readonly name: string; readonly key: string }[];
  /** Keys of the original that have no counterpart here: capabilities, subscriptions, metrics. */
  readonly left: readonly string[];
  /** Keys below the prefix that are not the original's. */
  readonly foreign: number;
}

const MAILBOX_KEY = /^(?:sched:(.+):prio:(-?\d+)|(?:reserved|reserved_deadlines|dlq|queue):(.+))$/s;
const LEFT_KEY = /^(?:subs:|capabilities:|agents:index$|cb:)/;

/** Sorts keys by what they are for. Mailboxes come in the order of their names. */
export function sortKeys(prefix: string, keys: Iterable<string>): Layout {
  const levels = new Map<string, Map<number, string>>();
  const agents: string[] = [];
  const breakers: { name: string; key: string }[] = [];
  const left: string[] = [];
  let foreign = 0;
  for (const key of [...keys].sort()) {
    const rest = key.slice(prefix.length + 1);
    const [isOfMailbox, scheduled, level, other] = MAILBOX_KEY.exec(rest) ?? [];
    if (isOfMailbox !== undefined) {
      const name = scheduled ?? other ?? "";
      const known = levels.get(name) ?? new Map<number, string>();
      if (level !== undefined) known.set(Number(level), key);
      levels.set(name, known);
    } else if (rest.startsWith("cb:state:")) breakers.push({ name: rest.slice("cb:state:".length), key });
    else if (LEFT_KEY.test(rest)) left.push(key);
    else if (rest.startsWith("agents:")) agents.push(key);
    else foreign++;
  }
  const mailboxes = [...levels].map(([name, known]) => ({
    name,
    scheduled: known,
    reserved: `${prefix}:reserved:${name}`,
    deadlines: `${prefix}:reserved_deadlines:${name}`,
    dead: `${prefix}:dlq:${name}`,
    audit: `${prefix}:queue:${name}`,
  }));
  return { mailboxes, agents, breakers, left, foreign };
}
