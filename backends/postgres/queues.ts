/** The numbers of queues: looked up once, and remembered as long as they hold. @module */

import type { Session } from "./driver.ts";
import type { Statements } from "./statements.ts";
import { arrayLiteral } from "./text.ts";

/** So many names are remembered; then it begins anew. */
const MAX_NAMES = 20_000;

const NONE: ReadonlySet<string> = new Set();

/** The numbers of the queues of one namespace. */
export class QueueNumbers {
  readonly #namespace: string;
  readonly #statements: Statements;
  readonly #numbers = new Map<string, number>();

  /** `namespace` is put before every name. */
  constructor(namespace: string, statements: Statements) {
    this.#namespace = namespace;
    this.#statements = statements;
  }

  /** The number of a queue that was looked up. */
  get(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /**
   * Looks up the queues that are not remembered, and makes, `outside`, those of `needed` that there are not. It waits
   * for what others hold for `lockMs` at most; `null` leaves that to the transaction.
   */
  async find(
    session: Session,
    names: Iterable<string>,
    needed: ReadonlySet<string> = NONE,
    lockMs: number | null = null,
    outside: Session = session,
  ): Promise<ReadonlyMap<string, number>> {
    if (this.#numbers.size > MAX_NAMES) this.#numbers.clear();
    // What is found is kept apart, too: others may forget it meanwhile.
    const found = new Map<string, number>();
    const unknown: string[] = [];
    for (const name of names) {
      const num = this.#numbers.get(name);
      if (num === undefined) unknown.push(name);
      else found.set(name, num);
    }
    if (unknown.length > 0) await this.#look(session, unknown, found);
    const missing = unknown.filter((name) => needed.has(name) && !found.has(name));
    if (missing.length > 0) {
      const sorted = missing.map((name) => this.#namespace + name).sort();
      await outside.query(this.#statements.makeQueues, [arrayLiteral(sorted), lockMs === null ? null : String(lockMs)]);
      await this.#look(session, missing, found);
    }
    return found;
  }

  /** Forgets the number of a queue that is gone. */
  forget(name: string): void {
    this.#numbers.delete(name);
  }

  async #look(session: Session, names: readonly string[], found: Map<string, number>): Promise<void> {
    const full = names.map((name) => this.#namespace + name);
    for (const { num, name } of await session.query(this.#statements.findQueues, [arrayLiteral(full)])) {
      const bare = String(name).slice(this.#namespace.length);
      this.#numbers.set(bare, Number(num));
      found.set(bare, Number(num));
    }
  }
}
