/** The PostgreSQL backend: records and queues in tables of a server that one already runs, or of PGlite. @module */

import { monotonicMs, systemClock } from "../src/clock.ts";
import { BackendClosedError } from "../src/errors.ts";
import type {
  BackendTraits,
  Batch,
  Changes,
  ClaimOptions,
  CommitResult,
  Delivery,
  Entry,
  Health,
  ListOptions,
  MessageListOptions,
  MessageState,
  QueueStats,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../src/storage/backend.ts";
import { MAX_BATCH_SIZE } from "../src/storage/backend.ts";
import {
  listLimit,
  messagesLimit,
  prepareBatch,
  prepareClaim,
  requireCursor,
  requireState,
} from "../src/storage/batch.ts";
import { GroupCommit } from "../src/storage/group_commit.ts";
import { deadlineOf } from "../src/storage/grouped_calls.ts";
import { measureHealth } from "../src/storage/health.ts";
import { decodeKey, encodeKey, encodeKeys, type Key } from "../src/storage/key.ts";
import { UnderWay } from "../src/storage/under_way.ts";
import { valueEncoder } from "../src/storage/value_text.ts";
import { type ClaimCall, Claims } from "./postgres/claims.ts";
import { Committer } from "./postgres/commit.ts";
import { Commits } from "./postgres/commits.ts";
import { Connection, within } from "./postgres/connection.ts";
import { Express } from "./postgres/express.ts";
import {
  adapt,
  adaptTransaction,
  connect,
  type Driver,
  isPGlite,
  type PGliteTransaction,
  type PostgresTransaction,
} from "./postgres/driver.ts";
import { translate } from "./postgres/faults.ts";
import { type PostgresBackendOptions, readOptions } from "./postgres/options.ts";
import { QueueNumbers } from "./postgres/queues.ts";
import { Reads } from "./postgres/reads.ts";
import { statementsFor } from "./postgres/statements.ts";
import { Sweep } from "./postgres/sweep.ts";
import { parseUrl } from "./postgres/url.ts";
import { POLL_MS, Wakeups } from "./postgres/wakeups.ts";

export type { PostgresBackendOptions } from "./postgres/options.ts";
export type {
  Parameter,
  PGliteClient,
  PGliteTransaction,
  PostgresClient,
  PostgresTransaction,
} from "./postgres/driver.ts";

/** PostgreSQL takes 1 GB a column; long before that, one value holds up the connection that others share. */
const MAX_VALUE_BYTES = 16 * 1024 * 1024;
const encodeValue = valueEncoder(MAX_VALUE_BYTES);

type Limited<Call> = Call & { readonly deadlineMs: number };

/**
 * Records and queues on PostgreSQL 13 or newer, or PGlite. Calls that are made at the same time travel together in one
 * transaction, and each batch in it happens as a whole or not at all. Times are the server's.
 *
 * A commit that touches a queue locks that queue until it is done, and so order and capacity are exact, whoever sends.
 * Claims take no such lock. Durable as far as the server is: see its `synchronous_commit`.
 *
 * It works behind a proxy that pools transactions; one that passes no notifications on costs its listeners up to
 * `wakeWithinMs`.
 *
 * @example
 * ```ts ignore
 * import { PostgresBackend } from "@tta/agent-coordination/postgres";
 *
 * await using backend = new PostgresBackend({ url: "postgres://localhost/app" });
 * await backend.commit({ operations: [{ type: "set", key: ["greeting"], value: "hello" }] });
 * ```
 */
export class PostgresBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #options: PostgresBackendOptions;
  readonly #limitMs: number;
  readonly #connection: Connection;
  readonly #claims: Claims;
  readonly #reads: Reads;
  readonly #sweep: Sweep;
  readonly #wakeups: Wakeups;
  readonly #commits: Commits;
  readonly #claimCalls: GroupCommit<Limited<ClaimCall>, Delivery[] | Promise<Delivery[]>>;
  readonly #calls = new UnderWay();
  #closing: Promise<void> | null = null;

  /**
   * Connects to nothing before the first call.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(options: PostgresBackendOptions) {
    const { url, client, namespace, schema, commandTimeoutMs, maxConnections, prepare } = readOptions(options);
    this.#options = options;
    this.#limitMs = commandTimeoutMs;
    this.name = url === undefined ? "postgres" : parseUrl(url).name;
    const isEmbedded = client !== undefined && isPGlite(client);
    this.traits = {
      durable: true,
      shared: true,
      pushes: true,
      wakeWithinMs: POLL_MS,
      clock: "engine",
      timePrecisionMs: 1,
      maxValueBytes: MAX_VALUE_BYTES,
      maxBatchSize: MAX_BATCH_SIZE,
    };
    const statements = statementsFor(schema);
    const prefix = encodeKey([namespace]);
    const channel = `ao_${hashOf(`${schema}.${namespace}`)}`;
    const inside = inTransactions.get(options);
    const open = async (): Promise<Driver> =>
      inside?.driver ??
        (client === undefined
          // deno-coverage-ignore -- the compiler asks for it: without a client there is a URL
          ? await connect({ server: parseUrl(url ?? ""), maxConnections, prepare, connectTimeoutMs: this.#limitMs })
          : adapt(client, prepare));
    const connection = this.#connection = new Connection({
      name: this.name,
      schema,
      statements,
      open,
      outer: inside?.outer,
    });
    const queues = new QueueNumbers(prefix, statements);
    this.#wakeups = new Wakeups({ connection, statements, namespace: prefix, channel, limitMs: this.#limitMs });
    const notify = { channel, payload: (topics: ReadonlySet<string>) => this.#wakeups.payload(topics) };
    const committing = { statements, queues, namespace: prefix, notify };
    this.#commits = new Commits({
      connection,
      committer: new Committer(committing),
      express: inside ? null : new Express({ ...committing, connection }),
      tell: ({ topics, added }) => {
        this.#wakeups.wake(topics);
        this.#sweep.pay(added);
      },
      // Others use connections, too; of a client of the caller's, nobody knows how many it has.
      maxWaiting: client === undefined ? Math.max(1, maxConnections - 2) : 1,
    });
    const deadline = () => this.#deadline();
    this.#claims = new Claims({ connection, statements, queues, namespace: prefix, deadline });
    this.#reads = new Reads({ connection, statements, namespace: prefix, deadline });
    this.#sweep = inside?.sweep ?? new Sweep(connection, statements);
    this.#claimCalls = new GroupCommit({
      flush: (calls) => this.#claims.run(calls, deadlineOf(calls)),
      maxInFlight: isEmbedded ? 1 : 2,
    });
  }

  /**
   * The same store, seen from within the caller's own open transaction: what is done with the returned backend happens
   * when that transaction commits, together with what else it does, and not at all when it does not. A batch that is
   * refused leaves the transaction as it was. Until its end, the transaction keeps the queues locked that it has sent
   * to or acknowledged in; others wait for it, so it should be short.
   *
   * It is meant for READ COMMITTED, the server's default. A transaction that is isolated more does not see a queue that
   * is made for it, and fails when others have written to its queues since it began; to do it all anew is right then.
   *
   * The returned backend cannot listen, and ends with the transaction; it need not be closed.
   *
   * @example
   * ```ts ignore
   * await sql.begin(async (transaction) => {
   *   await transaction`INSERT INTO orders (id) VALUES (${id})`;
   *   const coordinator = new MessageCoordinator(backend.inTransaction(transaction));
   *   await coordinator.sendMessage(shop, packer, { payload: { id } });
   * });
   * ```
   */
  inTransaction(transaction: PostgresTransaction | PGliteTransaction): PostgresBackend {
    this.#begin();
    const options = { ...this.#options };
    const isEmbedded = !("unsafe" in transaction);
    inTransactions.set(options, {
      driver: adaptTransaction(transaction, this.#options.prepare ?? true),
      // PGlite has one connection, and the transaction has it.
      outer: isEmbedded ? undefined : this.#connection,
      sweep: this.#sweep,
    });
    return new PostgresBackend(options);
  }

  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const encoded = encodeKeys(keys);
    return await this.#track(() => this.#reads.get(encoded));
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    const limit = listLimit(options);
    yield* this.#pages(this.#reads.list(prefix, { ...options, limit }));
  }

  async count(prefix: Key): Promise<number> {
    return await this.#track(() => this.#reads.count(prefix));
  }

  async clear(prefix: Key): Promise<number> {
    return await this.#track(() => this.#reads.clear(prefix));
  }

  async changes(parent: Key, after?: string): Promise<Changes> {
    const [encoded, cursor] = [encodeKey(parent), requireCursor(after)];
    return await this.#track(() => this.#reads.changes(encoded, cursor));
  }

  async commit(batch: Batch): Promise<CommitResult> {
    this.#begin();
    return await this.#commits.run(prepareBatch(batch, encodeValue), this.#deadline());
  }

  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    this.#begin();
    return await this.#claimCalls.run({
      key: queue,
      claim: prepareClaim(queue, options),
      deadlineMs: this.#deadline(),
    });
  }

  async recover(queue?: Key): Promise<number> {
    const name = queue === undefined ? undefined : encodeKey(queue);
    return await this.#track(() => name === undefined ? this.#claims.recoverAll() : this.#claims.recover(name));
  }

  async *messages(queue: Key, state: MessageState, options: MessageListOptions = {}): AsyncGenerator<StoredMessage> {
    const limit = messagesLimit(options);
    requireState(state);
    const name = encodeKey(queue);
    const num = await this.#track(() => this.#claims.settled(name));
    if (num === null) return;
    yield* this.#pages(this.#reads.messages(queue, num, state, limit));
  }

  async stats(queue: Key): Promise<QueueStats> {
    const name = encodeKey(queue);
    return await this.#track(() => this.#claims.stats(name));
  }

  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    for await (const name of this.#pages(this.#reads.queues(prefix))) yield decodeKey(name);
  }

  async listen(topic: Key, wake: () => void): Promise<Unlisten> {
    const encoded = encodeKey(topic);
    return await this.#track(() => this.#wakeups.listen(encoded, wake)).catch((error) => {
      throw translate(this.name, error);
    });
  }

  ping(): Promise<Health> {
    return measureHealth(() =>
      this.#track(() => this.#connection.read(this.#deadline(), (session) => session.query("SELECT 1 AS one")))
    );
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.resolve(); // whoever is woken finds it closed
    this.#wakeups.wakeAll();
    await Promise.all([this.#commits.drain(), this.#claimCalls.drain(), this.#calls.drain()]);
    await this.#claims.drain();
    // What does not end in its time is cut off with the connections, or left to the caller's client.
    const ending = Promise.all([this.#sweep.close(), this.#wakeups.close()]);
    const limited = within(monotonicMs(systemClock) + this.#limitMs, () => ending).catch(() => {});
    await Promise.all([limited, this.#connection.close()]);
  }

  /** The items of pages, each of which is a call. */
  async *#pages<Item>(pages: AsyncIterator<readonly Item[]>): AsyncGenerator<Item> {
    for (;;) {
      const page = await this.#track(() => pages.next());
      if (page.done) return;
      yield* page.value;
    }
  }

  /** A call that `close()` waits for; those that travel in groups, it waits for there. */
  async #track<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#begin();
    return await this.#calls.run(call);
  }

  #begin(): void {
    if (this.#closing) throw new BackendClosedError(this.name);
  }

  #deadline(): number {
    return monotonicMs(systemClock) + this.#limitMs;
  }
}

/** How a backend within a transaction is made: by its options, which nobody else has. */
const inTransactions = new WeakMap<
  PostgresBackendOptions,
  {
    readonly driver: Driver;
    readonly outer: Connection | undefined;
    /** Of the backend itself: the transaction need not wait for it, and is not to hold what it locks. */
    readonly sweep: Sweep;
  }
>();

/** A short name that is one for one text: 52 bits of it. */
function hashOf(text: string): string {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let index = 0; index < text.length; index++) {
    low = Math.imul(low ^ text.charCodeAt(index), 0x01000193);
    high = Math.imul(high ^ text.charCodeAt(index), 0x5bd1e995);
  }
  return (low >>> 0).toString(36) + (high >>> 0).toString(36);
}
