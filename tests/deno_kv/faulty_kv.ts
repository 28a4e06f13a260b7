/** A Deno KV client whose engine a test can take away. @module */

import type { DenoKv, DenoKvAtomic, DenoKvEntry, DenoKvEntryMaybe, DenoKvKey } from "../../backends/deno_kv.ts";

/** What becomes of an operation. */
export type Fault =
  /** It is carried out and answered. */
  | "none"
  /** It is neither carried out nor answered. */
  | "silent"
  /** It fails, as with a broken connection. */
  | "broken"
  /** It fails without having happened, as when another process writes to the file. */
  | "locked"
  /** It is carried out, and the answer is lost. */
  | "unanswered";

/** A client that behaves as told. */
export class FaultyKv implements DenoKv {
  /** What becomes of reads. */
  reads: Fault = "none";
  /** What becomes of commits, by their number since this was set. */
  commits: (number: number) => Fault = () => "none";
  /** What is awaited before a commit, so that a test can do something just then. */
  beforeCommit: () => Promise<void> = () => Promise.resolve();
  /** Told of each entry that is written. */
  onSet: (key: DenoKvKey, expireIn: number | undefined) => void = () => {};
  /** The checks and mutations of the commits so far. */
  readonly committed: { checks: number; mutations: number }[] = [];
  /** A commit with more checks is refused, as by `npm:@deno/kv`. */
  maxChecks = Infinity;
  /** How many listings have failed. */
  failedLists = 0;
  /** How many of the commits were refused by a check. */
  conflicts = 0;
  readonly #kv: DenoKv;

  constructor(kv: DenoKv) {
    this.#kv = kv;
  }

  static async open(path: string): Promise<FaultyKv> {
    return new FaultyKv(await Deno.openKv(path));
  }

  getMany(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntryMaybe[]> {
    return suffer(this.reads, () => this.#kv.getMany(keys));
  }

  async *list(...parameters: Parameters<DenoKv["list"]>): AsyncGenerator<DenoKvEntry> {
    if (this.reads !== "none") this.failedLists++;
    await suffer(this.reads, () => Promise.resolve());
    yield* this.#kv.list(...parameters);
  }

  atomic(): DenoKvAtomic {
    const atomic = this.#kv.atomic();
    const counts = { checks: 0, mutations: 0 };
    return {
      check: (...checks) => {
        counts.checks += checks.length;
        atomic.check(...checks);
      },
      set: (key, value, options) => {
        counts.mutations++;
        this.onSet(key, options?.expireIn);
        atomic.set(key, value, options);
      },
      delete: (key) => {
        counts.mutations++;
        atomic.delete(key);
      },
      sum: (key, n) => {
        counts.mutations++;
        atomic.sum(key, n);
      },
      commit: async () => {
        const fault = this.commits(this.committed.push(counts));
        await this.beforeCommit();
        if (counts.checks > this.maxChecks) throw new Error("TooManyChecks");
        const result = await suffer(fault, () => atomic.commit());
        if (!result.ok) this.conflicts++;
        return result;
      },
    };
  }

  watch(keys: DenoKvKey[]): ReadableStream<unknown> {
    return this.#kv.watch(keys);
  }

  close(): void {
    this.#kv.close();
  }
}

async function suffer<Result>(fault: Fault, operation: () => Promise<Result>): Promise<Result> {
  if (fault === "locked") throw new Error("database is locked");
  if (fault === "broken") throw new Error("error sending request for url: connection reset");
  if (fault === "silent") return await new Promise(() => {});
  const result = await operation();
  if (fault === "unanswered") throw new Error("error sending request for url: connection reset");
  return result;
}
