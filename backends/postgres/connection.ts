/** Calls on the server: bounded in time, tried again as long as they certainly have changed nothing. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import { BackendUnavailableError, errorText, OutcomeUnknownError } from "../../src/errors.ts";
import type { Driver, Session } from "./driver.ts";
import { faultOf, LateError, translate } from "./faults.ts";
import { hasSchema, prepareSchema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import { deferred } from "../../src/storage/es2024.ts";

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

// A transaction whose limit the server enforces ends there a little later than here, where its caller is told.
const SERVER_GRACE_MS = 500;

/** So long what is better done on another connection waits for one: the caller's own may be all that there are. */
const OTHER_CONNECTION_MS = 250;

/** How much of the time for a call it may wait for locks. */
const LOCK_SHARE = 0.8;

/** What a connection is made of. */
export interface ConnectionParts {
  readonly name: string;
  readonly schema: string;
  readonly statements: Statements;
  readonly open: () => Promise<Driver>;
  /**
   * For a transaction of the caller's: where the schema and queues are made, so that they are there for others at once.
   */
  readonly outer?: Connection | undefined;
}

/** One server and its schema, which is made at the first call. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #closing = new AbortController();
  #driver: Promise<Driver> | null = null;
  #prepared: Promise<void> | null = null;
  #isPrepared = false;

  /** Connects to nothing before the first call. */
  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** A read, which is made again after any fault that may pass. */
  read<Result>(deadlineMs: number, look: (session: Session) => Promise<Result>): Promise<Result> {
    return this.#run(deadlineMs, (driver) => look(driver));
  }

  /**
   * A statement that writes, on its own.
   *
   * @throws {OutcomeUnknownError} When its answer was lost.
   */
  write<Result>(deadlineMs: number, work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.#run(deadlineMs, (driver, sent) => {
      sent();
      return work(driver);
    });
  }

  /**
   * A transaction; `before` is made ahead of it, each time. What it does `outside` is there for others at once, where
   * there is a connection for it: the caller's transactions may hold all. It waits for what others hold for `lockMs` at
   * most.
   *
   * @throws {OutcomeUnknownError} When the answer to its commit was lost.
   */
  transaction<Result, Prepared>(
    deadlineMs: number,
    before: (session: Session, outside: Session) => Promise<Prepared>,
    work: (session: Session, prepared: Prepared) => Promise<Result>,
    lockMs: number = lockLimitMs(deadlineMs),
  ): Promise<Result> {
    const { outer } = this.#parts;
    return this.#run(deadlineMs, async (driver, sent) => {
      const prepared = await before(driver, outer ? outsideOf(driver, outer) : driver);
      return await driver.transaction(async (session) => {
        // Sent first, and answered with the rest.
        const limits = driver.isForeign ? null : this.#limit(session, deadlineMs, lockMs);
        const [result] = await Promise.all([work(session, prepared), limits]);
        // Its caller was told that nothing has happened.
        if (monotonicMs(systemClock) >= deadlineMs) throw new LateError("the transaction took too long");
        sent();
        return result;
      });
    });
  }

  /** The driver, with the schema prepared. */
  async driver(): Promise<Driver> {
    this.#driver ??= this.#parts.open();
    const driver = await this.#driver.catch((error) => {
      this.#driver = null;
      throw error;
    });
    this.#prepared ??= this.#prepare(driver);
    await this.#prepared.catch((error) => {
      this.#prepared = null;
      throw error;
    });
    return driver;
  }

  async #prepare(driver: Driver): Promise<void> {
    const { schema, name, outer } = this.#parts;
    if (!outer) await prepareSchema(driver, schema, name);
    else if (!outer.#isPrepared && !await hasSchema(driver, schema, name)) {
      await elsewhere(async () => void await outer.driver(), () => prepareSchema(driver, schema, name));
    }
    this.#isPrepared = true;
  }

  /** Lets go of all connections; nothing is tried again any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    const driver = await this.#driver?.catch(() => null);
    await driver?.close();
  }

  #limit(session: Session, deadlineMs: number, lockMs: number): Promise<unknown> {
    const limitMs = Math.max(deadlineMs - monotonicMs(systemClock), 0) + SERVER_GRACE_MS;
    return session.query(this.#parts.statements.limits, [String(lockMs), String(Math.ceil(limitMs))]);
  }

  async #run<Result>(
    deadlineMs: number,
    attempt: (driver: Driver, sent: () => void) => Promise<Result>,
  ): Promise<Result> {
    const { name } = this.#parts;
    for (let attempts = 0;; attempts++) {
      let isSent = false;
      let isForeign = false;
      try {
        return await within(deadlineMs, async () => {
          const driver = await this.driver();
          isForeign = driver.isForeign;
          return await attempt(driver, () => isSent = true);
        });
      } catch (error) {
        const fault = faultOf(error);
        if (error instanceof LateError) await this.#reset();
        if (fault === "final" || isForeign) throw translate(name, error);
        if (fault === "lost" && isSent) {
          throw new OutcomeUnknownError(`Cannot know what became of a write to "${name}": the connection was lost`, {
            cause: new Error(errorText(error)),
          });
        }
        const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
        if (monotonicMs(systemClock) + pauseMs >= deadlineMs) throw translate(name, error);
        await sleep(systemClock, pauseMs, this.#closing.signal).catch(() => {
          throw translate(name, error);
        });
      }
    }
  }

  async #reset(): Promise<void> {
    const driver = await within(monotonicMs(systemClock) + 1, async () => await this.#driver).catch(() => null);
    driver?.reset();
  }
}

/**
 * How long a call may wait for what another transaction holds: it ends before the caller's time is over, and so the
 * server says that nothing has happened, and no connection is taken for one that does not answer.
 */
export function lockLimitMs(deadlineMs: number): number {
  return Math.max(Math.floor((deadlineMs - monotonicMs(systemClock)) * LOCK_SHARE), 1);
}

/**
 * Waits for `work` until a deadline; it is not ended by that.
 *
 * @throws {LateError} When it takes longer.
 */
export async function within<Result>(deadlineMs: number, work: () => Promise<Result>): Promise<Result> {
  const leftMs = deadlineMs - monotonicMs(systemClock);
  if (leftMs <= 0) throw new BackendUnavailableError("Cannot reach the backend: the time for the call is over");
  const late = deferred<never>();
  const cancel = systemClock.setTimer(() => late.reject(new LateError("the server did not answer in time")), leftMs);
  try {
    return await Promise.race([work(), late.promise]);
  } finally {
    cancel();
  }
}

/** Statements that run outside of the caller's transaction, or in it where there is no connection for them. */
function outsideOf(driver: Driver, outer: Connection): Session {
  return {
    query: (text, parameters) =>
      elsewhere(async () => (await outer.driver()).query(text, parameters), () => driver.query(text, parameters)),
  };
}

/**
 * Does something on another connection, or `here` where none is free in time; that it may be done twice does no harm.
 */
async function elsewhere<Result>(there: () => Promise<Result>, here: () => Promise<Result>): Promise<Result> {
  try {
    return await within(monotonicMs(systemClock) + OTHER_CONNECTION_MS, there);
  } catch (error) {
    if (error instanceof LateError) return await here();
    throw error;
  }
}
