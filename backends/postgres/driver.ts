/** What this backend needs of a PostgreSQL client, and how `postgres` and PGlite give it. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import { driverMissing } from "../../src/errors.ts";
import { faultOf, LateError } from "./faults.ts";
import { DEFAULT_PORT, type ServerUrl } from "./url.ts";

/** What a statement is given. */
export type Parameter = string | number | null;

/** A row of a result. */
export type Row = { readonly [column: string]: unknown };

/** Where statements run. Those that are started together run in their order. */
export interface Session {
  /** Runs one statement. */
  query(text: string, parameters?: readonly Parameter[]): Promise<readonly Row[]>;
}

/** Ends a listening. */
export type Unlisten = () => Promise<void>;

/** A client, whichever it is. */
export interface Driver extends Session {
  /**
   * Whether it is a transaction of the caller's, in which nothing is set, repeated or waited for by a limit of ours.
   */
  readonly isForeign: boolean;
  /** Does all of `work`, or nothing. */
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result>;
  /** Calls `onPayload` for each notification, and `onListening` whenever the server has been told. */
  listen(channel: string, onPayload: (payload: string) => void, onListening: () => void): Promise<Unlisten>;
  /** Lets go of connections that do not answer, and of what listens on them. */
  reset(): void;
  /** How often that has happened. */
  readonly resets: number;
  /** Lets go of everything that is not the caller's. */
  close(): Promise<void>;
}

/** A transaction of a `postgres` client: what `sql.begin` hands in. */
export interface PostgresTransaction {
  /** Runs one statement with parameters. */
  unsafe(text: string, parameters?: Parameter[], options?: { prepare?: boolean }): PromiseLike<unknown>;
  /** Runs `work` so that it can fail without the transaction. */
  savepoint<Result>(work: (sql: PostgresTransaction) => Promise<Result>): Promise<unknown>;
}

/** The part of a `postgres` client that is used. */
export interface PostgresClient {
  /** Runs one statement with parameters. */
  unsafe(text: string, parameters?: Parameter[], options?: { prepare?: boolean }): PromiseLike<unknown>;
  /** Runs `work` in a transaction. */
  begin<Result>(work: (sql: PostgresTransaction) => Promise<Result>): Promise<unknown>;
  /** Calls `onPayload` for each notification on a channel. */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onListening?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  /** Closes all connections. */
  end(options?: { timeout?: number }): Promise<void>;
}

/** A transaction of PGlite. */
export interface PGliteTransaction {
  /** Runs one statement with parameters. */
  query(text: string, parameters?: Parameter[]): Promise<{ readonly rows: unknown[] }>;
}

/** The part of PGlite that is used. */
export interface PGliteClient extends PGliteTransaction {
  /** Runs `work` in a transaction. */
  transaction<Result>(work: (transaction: PGliteTransaction) => Promise<Result>): Promise<Result>;
  /** Calls `onPayload` for each notification on a channel. */
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>;
}

/** How connections of our own are made. */
export interface ConnectOptions {
  readonly server: ServerUrl;
  readonly maxConnections: number;
  readonly prepare: boolean;
  readonly connectTimeoutMs: number;
}

// The client waits so long, at most, before it tries to connect again; by itself it would wait up to 20 s.
const LONGEST_BACKOFF_S = 0.2;

/** Where the client is to connect to: one of several hosts, or a socket in the file system. */
interface Address {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false | undefined;
}

/** How long connections have to say goodbye, in seconds. */
const CLOSE_S = 0.5;

/** Whether a client is PGlite. */
export function isPGlite(client: PostgresClient | PGliteClient): client is PGliteClient {
  return "transaction" in client;
}

/**
 * Lets a connection that ends with an error end as one does that is closed: of those, postgres.js fails all queries. When
 * it is told of an error, it fails those that it has, forgets what it gets until the connection has closed, and their
 * callers would wait as long as they may.
 */
function endAsClosed(socket: EventSource): void {
  const { emit } = socket;
  socket.emit = (event, ...values) => emit.apply(socket, event === "close" ? [event, false] : [event, ...values]);
}

/** What tells of events. */
interface EventSource {
  emit(event: string | symbol, ...values: unknown[]): boolean;
}

/** A driver with connections of its own. The package is loaded now, and not before. */
export async function connect({ server, maxConnections, prepare, connectTimeoutMs }: ConnectOptions): Promise<Driver> {
  let postgres: typeof import("postgres");
  try {
    ({ default: postgres } = await import("postgres"));
    // deno-coverage-ignore-start -- the driver is installed here: tests/npm/ runs it without
  } catch (cause) {
    throw driverMissing("Cannot use PostgreSQL", "postgres", cause);
  }
  // deno-coverage-ignore-stop
  const net = await import("node:net");
  const make = () => {
    const sockets = new Set<{ destroy(): unknown }>();
    const state = { isEnded: false, lostAtMs: -Infinity };
    // Apart from the call, since its types do not know `socket`.
    const options = {
      ...server.place,
      max: maxConnections,
      prepare,
      connect_timeout: Math.max(1, Math.ceil(connectTimeoutMs / 1000)),
      backoff: (retries: number) => Math.min(0.01 * 2 ** retries, LONGEST_BACKOFF_S) * (0.5 + Math.random() / 2),
      fetch_types: false,
      max_lifetime: null,
      onnotice: () => {},
      connection: { application_name: "agent-coordination" },
      // Ours, so that they can be destroyed: by itself the client waits for the farewell of a server that does not
      // answer.
      socket: ({ host, port, path }: Address) => {
        // Nothing cancels an attempt that the client has put off for a while.
        if (state.isEnded) throw new Error("Cannot connect: the client has ended");
        const at = attempts++ % port.length;
        const place = { host: host[at] ?? "localhost", port: port[at] ?? DEFAULT_PORT };
        const socket = path ? net.connect(path) : net.connect(place);
        sockets.add(socket);
        socket.once("close", () => {
          sockets.delete(socket);
          state.lostAtMs = monotonicMs(systemClock);
        });
        socket.once("connect", () => endAsClosed(socket));
        return Object.assign(socket, place); // which is what the client does, to check certificates
      },
    };
    return { client: postgres(server.settings, options), sockets, state };
  };
  let attempts = 0;
  let { client, sockets, state } = make();
  let resets = 0;
  const ending = new Set<Promise<void>>();
  const end = (timeoutS: number) => {
    const [old, left, its] = [client, sockets, state];
    const { lostAtMs } = its;
    const ended = old.end({ timeout: timeoutS }).catch(() => {}).finally(async () => {
      its.isEnded = true;
      for (const socket of left) socket.destroy();
      // What has lost a connection of late may wait to connect again.
      const waitMs = lostAtMs + LONGEST_BACKOFF_S * 1000 - monotonicMs(systemClock);
      if (waitMs > 0) await sleep(systemClock, waitMs);
      ending.delete(ended);
    });
    ending.add(ended);
  };
  return {
    isForeign: false,
    query: (text, parameters) => runOn(client, text, parameters, prepare),
    transaction: (work) => begin(client, work, prepare),
    listen: (channel, onPayload, onListening) => listenOn(client, channel, onPayload, onListening),
    get resets() {
      return resets;
    },
    reset: () => {
      resets++;
      end(0);
      ({ client, sockets, state } = make());
    },
    close: async () => {
      end(CLOSE_S);
      await Promise.all(ending);
    },
  };
}

/** A driver over the caller's own client, which stays open. */
export function adapt(client: PostgresClient | PGliteClient, prepare: boolean): Driver {
  if (isPGlite(client)) return adaptPGlite(client);
  return {
    isForeign: false,
    query: (text, parameters) => runOn(client, text, parameters, prepare),
    transaction: (work) => begin(client, work, prepare),
    listen: (channel, onPayload, onListening) => listenOn(client, channel, onPayload, onListening),
    resets: 0,
    reset: () => {},
    close: () => Promise.resolve(),
  };
}

/** A driver over an open transaction of the caller's. */
export function adaptTransaction(transaction: PostgresTransaction | PGliteTransaction, prepare: boolean): Driver {
  const cannotListen = () => {
    throw new TypeError("Cannot listen in a transaction: use the backend itself");
  };
  const over = { isForeign: true, listen: cannotListen, resets: 0, reset: () => {}, close: () => Promise.resolve() };
  if (!("unsafe" in transaction)) {
    const session = sessionOfPGlite(transaction);
    let savepoints: Promise<unknown> = Promise.resolve();
    return {
      ...over,
      query: session.query,
      // PGlite has no savepoints of its own; one after the other, for they are a stack.
      transaction: (work) => {
        const result = savepoints.then(async () => {
          await session.query("SAVEPOINT agent_coordination");
          try {
            const done = await work(session);
            await session.query("RELEASE SAVEPOINT agent_coordination");
            return done;
          } catch (error) {
            await session.query("ROLLBACK TO SAVEPOINT agent_coordination");
            throw error;
          }
        });
        savepoints = result.catch(() => {});
        return result;
      },
    };
  }
  return {
    ...over,
    query: (text, parameters) => runOn(transaction, text, parameters, prepare),
    transaction: (work) =>
      capture((resolve) =>
        transaction.savepoint(async (inner) => {
          resolve(await work({ query: (text, parameters) => runOn(inner, text, parameters, prepare) }));
        })
      ),
  };
}

function adaptPGlite(client: PGliteClient): Driver {
  return {
    isForeign: false,
    query: sessionOfPGlite(client).query,
    transaction: (work) => client.transaction((transaction) => work(sessionOfPGlite(transaction))),
    listen: async (channel, onPayload, onListening) => {
      const unlisten = await client.listen(channel, onPayload);
      onListening();
      return () => unlisten();
    },
    resets: 0,
    reset: () => {},
    close: () => Promise.resolve(),
  };
}

function sessionOfPGlite(client: PGliteTransaction): Session {
  return { query: async (text, parameters = []) => rowsOf((await client.query(text, [...parameters])).rows) };
}

async function runOn(
  client: Pick<PostgresTransaction, "unsafe">,
  text: string,
  parameters: readonly Parameter[] = [],
  prepare = true,
): Promise<readonly Row[]> {
  return rowsOf(await client.unsafe(text, [...parameters], { prepare }));
}

/**
 * A transaction. Where its connection is lost, what runs in it never ends: else the client (postgres 3.4.9) would send
 * a rollback to that connection, which throws where nobody can catch it. It rejects as soon as the connection has
 * closed.
 */
function begin<Result>(
  client: PostgresClient,
  work: (session: Session) => Promise<Result>,
  prepare: boolean,
): Promise<Result> {
  return capture((resolve) =>
    client.begin(async (sql) => {
      try {
        resolve(await work({ query: (text, parameters) => runOn(sql, text, parameters, prepare) }));
      } catch (error) {
        if (!(error instanceof LateError) && faultOf(error) === "lost") await new Promise<never>(() => {});
        throw error;
      }
    })
  );
}

async function listenOn(
  client: PostgresClient,
  channel: string,
  onPayload: (payload: string) => void,
  onListening: () => void,
): Promise<Unlisten> {
  const { unlisten } = await client.listen(channel, onPayload, onListening);
  return () => unlisten();
}

/** The result of what runs inside of a transaction: clients differ in what they hand back of it. */
async function capture<Result>(run: (resolve: (result: Result) => void) => Promise<unknown>): Promise<Result> {
  const captured: Result[] = [];
  await run((result) => captured.push(result));
  const [result] = captured;
  if (captured.length === 0) throw new Error("Cannot tell what became of the transaction: it was not run");
  return result as Result;
}

function rowsOf(result: unknown): readonly Row[] {
  if (!Array.isArray(result)) throw new TypeError("Cannot use the client: it gave no rows");
  // Where a query had given rows before it failed or its connection was lost, the client (postgres 3.4.9) leaves as
  // many places empty in what the next one gives.
  return result.length > 0 && !(0 in result) ? result.filter(() => true) : result;
}
