/** Always one connection to the right server: made when it is needed, made anew when it is lost. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import { BackendClosedError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Addresses, Candidate } from "./addresses.ts";
import {
  isHalfWay,
  isRefusedForGood,
  LostError,
  movedTo,
  refusalOf,
  translate,
  unavailable,
  withoutSecrets,
} from "./faults.ts";
import { Link } from "./link.ts";

/** How long an attempt to connect may take: to the server that ought to be there, and to one that might be. */
const ATTEMPT_MS = 2000;
const OTHER_ATTEMPT_MS = 500;

/** Pauses between rounds of attempts, and before a server that refuses for now is asked again. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 320;

/** A connection to a namespace's server, whichever that is at the time. */
export class Connection {
  readonly #addresses: () => Promise<Addresses>;
  readonly #name: string;
  readonly #closing = new AbortController();
  /** Every link that has not quite ended, also those that are being tried. */
  readonly #links = new Set<Link>();
  #link: Link | null = null;
  #connecting: Promise<Link> | null = null;
  #waiting = 0;
  #lastError: unknown = null;

  /** Connects to nothing before it is asked to. */
  constructor(name: string, addresses: () => Promise<Addresses>) {
    this.#name = name;
    this.#addresses = addresses;
  }

  /**
   * An open link, made if need be. Attempts go on until one succeeds or nobody waits any more.
   *
   * @throws {BackendUnavailableError} When there is none at the deadline, or the login was refused.
   */
  async link(deadlineMs: number): Promise<Link> {
    if (this.#link?.isOpen) return this.#link;
    if (this.#closing.signal.aborted) throw new BackendClosedError(this.#name);
    this.#waiting++;
    const over = new AbortController();
    try {
      if (this.#connecting === null) {
        this.#connecting = this.#connect().finally(() => this.#connecting = null);
        this.#connecting.catch(() => {}); // nobody may be waiting any more
      }
      const limit = sleep(systemClock, deadlineMs - monotonicMs(systemClock), over.signal).then(() => null, () => null);
      const link = await Promise.race([this.#connecting, limit]);
      if (link === null) throw unavailable(this.#name, this.#lastError ?? new Error("it took too long to connect"));
      return link;
    } finally {
      over.abort();
      this.#waiting--;
    }
  }

  /**
   * Sends something and waits for the answer, trying again as long as it certainly has changed nothing.
   *
   * @throws {BackendUnavailableError} When there was no answer by the deadline, and nothing was changed.
   * @throws {OutcomeUnknownError} When a write was sent and its answer was lost.
   */
  async run<Reply>(kind: "read" | "write", deadlineMs: number, send: (link: Link) => Promise<Reply>): Promise<Reply> {
    let former: unknown = null;
    for (let attempt = 0;; attempt++) {
      if (attempt > 0) await this.#pause(attempt - 1, deadlineMs);
      // Sent now, it would come too late, and that is not what went wrong.
      if (attempt > 0 && monotonicMs(systemClock) >= deadlineMs) throw unavailable(this.#name, former);
      const link = await this.link(deadlineMs);
      try {
        return await send(link);
      } catch (error) {
        former = error;
        if (error instanceof LostError) {
          this.#forget(link);
          if (kind === "write") throw this.#unknownOutcome(error);
        } else {
          const refusal = refusalOf(error);
          if (kind === "write" && isHalfWay(error)) throw this.#unknownOutcome(withoutSecrets(error));
          if (refusal === "final") throw translate(this.#name, error);
          if (refusal === "elsewhere") await this.#moveFrom(link, error);
          this.#lastError = withoutSecrets(error);
        }
      }
    }
  }

  /** Lets go of the link; the next call makes another. */
  async disconnect(): Promise<void> {
    this.#link = null;
    await this.#dropAll();
  }

  /** Ends for good: those who wait for a link are told so. */
  async close(): Promise<void> {
    this.#closing.abort(new BackendClosedError(this.#name));
    await this.#dropAll();
    await this.#connecting?.catch(() => {});
  }

  /** Rounds of attempts with pauses between them. */
  async #connect(): Promise<Link> {
    const addresses = await this.#addresses();
    await addresses.start();
    for (let round = 0;; round++) {
      const tried = new Set<string>();
      let refused: unknown = null;
      for (let candidate = addresses.next(tried); candidate; candidate = addresses.next(tried)) {
        this.#closing.signal.throwIfAborted();
        try {
          const link = await this.#attempt(addresses, candidate, tried.size === 1 ? ATTEMPT_MS : OTHER_ATTEMPT_MS);
          if (link) return this.#link = link;
        } catch (error) {
          this.#lastError = withoutSecrets(error);
          if (isRefusedForGood(error)) refused = error;
        }
      }
      if (refused !== null) throw unavailable(this.#name, refused);
      if (this.#waiting === 0) throw unavailable(this.#name, this.#lastError);
      await this.#pause(round);
    }
  }

  /** A link to one server, `null` when that is not the one to talk to. */
  async #attempt(addresses: Addresses, candidate: Candidate, limitMs: number): Promise<Link | null> {
    const link = new Link(candidate, limitMs);
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    const { isReplica, isLoading, primary, others } = await link.greet(monotonicMs(systemClock) + limitMs);
    addresses.learn(others);
    if (isReplica && primary) addresses.prefer(primary);
    else if (candidate.address) addresses.prefer(candidate.address);
    if (isReplica || isLoading) {
      this.#lastError = new Error(isLoading ? "the server is loading its data" : "the server is a replica");
      link.drop();
      return null;
    }
    return link;
  }

  /** Another server is the one to talk to; this one still answers what it was asked. */
  async #moveFrom(link: Link, error: unknown): Promise<void> {
    const address = movedTo(error);
    if (address) (await this.#addresses()).prefer(address);
    this.#forget(link);
    link.retire();
  }

  #unknownOutcome(cause: Error): OutcomeUnknownError {
    return new OutcomeUnknownError(`Cannot know what became of a write to "${this.#name}": ${cause.message}`, {
      cause,
    });
  }

  #forget(link: Link): void {
    if (this.#link === link) this.#link = null;
  }

  async #dropAll(): Promise<void> {
    const links = [...this.#links];
    for (const link of links) link.drop();
    await Promise.all(links.map((link) => link.closed));
  }

  /** A pause that grows with the number of those before, up to a moment; ends at once when the connection is closed. */
  async #pause(before: number, untilMs = Infinity): Promise<void> {
    const longestMs = Math.min(FIRST_PAUSE_MS * 2 ** before, LONGEST_PAUSE_MS);
    const restMs = Math.max(0, untilMs - monotonicMs(systemClock));
    await sleep(systemClock, Math.min(restMs, longestMs * (0.5 + Math.random() / 2)), this.#closing.signal);
  }
}
