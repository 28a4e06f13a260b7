/** One connection, from the handshake to its end. It never reconnects: a lost link is replaced by another. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import { Bag, type BagItem } from "../../src/storage/bag.ts";
import type { Address, Candidate } from "./addresses.ts";
import type { RedisConnection } from "./driver.ts";
import { isForbidden, LostError, orLost, UnfitError } from "./faults.ts";
import type { Script } from "./scripts/script.ts";
import { type CallScript, scriptCaller } from "./written_command.ts";

/** How long an end may take that was not asked for by the server, before the socket is destroyed. */
const DISCONNECT_MS = 100;

/** The oldest major version of Redis that has all that the scripts need. */
const OLDEST = 7;

/** What a server says of itself when it is connected to. */
export interface Greeting {
  /** Whether it is a replica, that does no writes. */
  readonly isReplica: boolean;
  /** Whether it still reads its data from disk. */
  readonly isLoading: boolean;
  /** A replica's primary. */
  readonly primary: Address | null;
  /** The others of its cluster, or its replicas. */
  readonly others: readonly Address[];
}

interface Waiting extends BagItem {
  readonly deadlineMs: number;
  readonly fail: (error: Error) => void;
}

/**
 * A connection. Whatever waits on it fails with a {@linkcode LostError} as soon as it is lost, or when the client fails
 * it for a reason of its own: that may come before it tells that the connection has ended, and after the server has
 * done it.
 */
export class Link {
  /** Resolves once the connection is lost or dropped. */
  readonly lost: Promise<void>;
  /** Resolves once nothing of it is left. */
  readonly closed: Promise<void>;
  readonly #client: RedisConnection;
  readonly #callScript: CallScript;
  readonly #waiting = new Bag<Waiting>();
  /** When it will be seen whether somebody has waited too long. */
  #alarm: { readonly atMs: number; readonly cancel: () => void } | null = null;
  #isOpen = true;
  #isRetired = false;
  #isCluster = false;
  #clockOffsetMs = 0;
  #lastError: Error | null = null;
  #markLost = () => {};
  #markClosed = () => {};

  /** Begins to connect; `greet()` tells whether it came to something. */
  constructor({ client, address }: Candidate, connectTimeoutMs: number) {
    this.lost = new Promise((resolve) => this.#markLost = resolve);
    this.closed = new Promise((resolve) => this.#markClosed = resolve);
    this.#client = client.duplicate({
      ...address,
      lazyConnect: true,
      // A command must never be sent twice, or later than its caller waits for it.
      retryStrategy: () => null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      enableReadyCheck: false,
      enableAutoPipelining: false,
      readOnly: false,
      keyPrefix: "",
      connectTimeout: connectTimeoutMs,
      disconnectTimeout: DISCONNECT_MS,
    });
    this.#callScript = scriptCaller(this.#client);
    this.#client.on("error", (error: Error) => this.#lastError = error);
    this.#client.on("close", () => this.#end());
    this.#client.on("end", () => this.#markClosed());
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The command that wakes listeners: in a cluster, only those of one shard have to be told. */
  get wakeCommand(): string {
    return this.#isCluster ? "SPUBLISH" : "PUBLISH";
  }

  /** The engine's time at a moment of this process's monotonic clock, as well as it is known, in milliseconds. */
  engineTimeOf(monotonicMs: number): number {
    return Math.ceil(monotonicMs + this.#clockOffsetMs);
  }

  /** Learns the engine's time from an answer that has just come. */
  observe(engineNowMs: number): void {
    this.#clockOffsetMs = engineNowMs - monotonicMs(systemClock);
  }

  /** Connects, logs in, and asks who is there. */
  async greet(deadlineMs: number): Promise<Greeting> {
    try {
      await this.run((client) => client.connect(), deadlineMs);
      // A client that cannot select its database tells of it on the side, and would go on in the first one.
      if (this.#lastError !== null) throw this.#lastError;
      const [seconds = 0, micros = 0] = await this.run((client) => client.time(), deadlineMs);
      this.observe(Number(seconds) * 1000 + Math.floor(Number(micros) / 1000));
      const info = await this.run((client) => client.info(), deadlineMs).catch(withoutInfo);
      requireVersion(info);
      this.#isCluster = /^(?:redis|server)_mode:cluster/m.test(info);
      const others = this.#isCluster
        ? readSlots(await this.run((client) => client.cluster?.("SLOTS") ?? Promise.resolve([]), deadlineMs))
        : readReplicas(info);
      return {
        isReplica: /^role:slave/m.test(info),
        isLoading: /^loading:1/m.test(info),
        primary: readPrimary(info),
        others,
      };
    } catch (error) {
      this.drop();
      // The client says why on the side, and only that the connection is closed to those who wait.
      throw this.#lastError ?? error;
    }
  }

  /** Sends commands and waits for their answer until the deadline, at which the connection counts as lost. */
  run<Reply>(send: (client: RedisConnection) => Promise<Reply>, deadlineMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) {
        reject(new LostError("the connection is lost"));
        return;
      }
      const settle = () => {
        this.#waiting.delete(waiting);
        if (this.#isRetired && this.#waiting.size === 0) this.drop();
      };
      const fail = (error: unknown) => {
        settle();
        reject(orLost(error));
      };
      const waiting: Waiting = { deadlineMs, fail, bagIndex: 0 };
      this.#waiting.add(waiting);
      this.#watch(deadlineMs);
      send(this.#client).then((reply) => {
        settle();
        resolve(reply);
      }, fail);
    });
  }

  /** Runs a script, by its hash where the server has it. Its one key is the first of `args`. */
  runScript(script: Script, args: readonly string[], deadlineMs: number): Promise<unknown> {
    return this.run(async (client) => {
      try {
        return await this.#callScript(script.sha, args);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return await client.eval(script.source, 1, ...args);
      }
    }, deadlineMs);
  }

  /** Asks for the messages of channels; in a cluster, of the shard that has them. */
  async subscribe(channels: readonly string[], deadlineMs: number): Promise<void> {
    if (channels.length === 0) return;
    await this.run(
      (client) => this.#isCluster && client.ssubscribe ? client.ssubscribe(...channels) : client.subscribe(...channels),
      deadlineMs,
    );
  }

  /** Asks for them no more. */
  async unsubscribe(channels: readonly string[], deadlineMs: number): Promise<void> {
    if (channels.length === 0) return;
    await this.run(
      (client) =>
        this.#isCluster && client.sunsubscribe ? client.sunsubscribe(...channels) : client.unsubscribe(...channels),
      deadlineMs,
    );
  }

  /** Calls `receive` with the channel of every message that comes. */
  onMessage(receive: (channel: string) => void): void {
    this.#client.on("message", receive);
    this.#client.on("smessage", receive);
  }

  /** Ends the connection once nothing waits on it any more: what is under way still gets its answer. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this.drop();
  }

  /** Ends the connection; what waits on it fails with `why`. Idempotent. */
  drop(why: LostError = new LostError("the connection was closed")): void {
    if (!this.#isOpen) return;
    this.#end(why);
    this.#client.disconnect();
    // An emulator tells of no end, and a socket that was never opened has none.
    const cancel = systemClock.setTimer(this.#markClosed, 10 * DISCONNECT_MS);
    void this.closed.then(cancel);
  }

  /**
   * One alarm for all who wait: it goes off once more after the last of them, since to set one for each would cost
   * more.
   */
  #watch(deadlineMs: number): void {
    if (this.#alarm !== null && this.#alarm.atMs <= deadlineMs) return;
    this.#alarm?.cancel();
    const cancel = systemClock.setTimer(() => {
      this.#alarm = null;
      let nextMs = Infinity;
      for (const waiting of this.#waiting) nextMs = Math.min(nextMs, waiting.deadlineMs);
      if (nextMs <= monotonicMs(systemClock)) this.drop(new LostError("no answer came in time"));
      else if (nextMs < Infinity) this.#watch(nextMs);
    }, deadlineMs - monotonicMs(systemClock));
    this.#alarm = { atMs: deadlineMs, cancel };
  }

  #end(why: LostError = new LostError("the connection was lost")): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#alarm?.cancel();
    for (const { fail } of [...this.#waiting]) fail(why);
    this.#markLost();
  }
}

/** A user who may not ask for it can do without: the server counts as an ordinary primary. */
function withoutInfo(error: unknown): string {
  if (isForbidden(error)) return "";
  throw error;
}

/** An older one lacks commands that the scripts use, which would end them half way. */
function requireVersion(info: string): void {
  const [, version, major] = /^redis_version:((\d+)\S*)/m.exec(info) ?? [];
  if (Number(major) < OLDEST) {
    throw new UnfitError(`the server is Redis ${version}, and ${OLDEST}.0 is the oldest that fits`);
  }
}

function readPrimary(info: string): Address | null {
  const [, host] = /^master_host:(.+?)\r?$/m.exec(info) ?? [];
  const [, port] = /^master_port:(\d+)/m.exec(info) ?? [];
  return host && port ? { host, port: Number(port) } : null;
}

function readReplicas(info: string): Address[] {
  return [...info.matchAll(/^slave\d+:ip=(.+?),port=(\d+),/gm)].map(([, host = "", port]) => ({
    host,
    port: Number(port),
  }));
}

/** Of each range of slots: its bounds, then its servers as host, port and more. */
function readSlots(reply: unknown): Address[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((range: unknown) => Array.isArray(range) ? range.slice(2) : []).flatMap((node: unknown) => {
    const [host, port] = Array.isArray(node) ? node : [];
    return typeof host === "string" && host !== "" ? [{ host, port: Number(port) }] : [];
  });
}
