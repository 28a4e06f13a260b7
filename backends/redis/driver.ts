/** What this backend needs of a Redis client, and how one is made where the caller brings none. @module */

import { driverMissing } from "../../src/errors.ts";

/** What a connection is made with, beside what the caller's client says. */
export interface RedisConnectionOptions {
  /** Where the node is. */
  readonly host?: string;
  /** Where the node listens. */
  readonly port?: number;
  /** Whether it waits with connecting until it is told to. */
  readonly lazyConnect: boolean;
  /** After how long it connects again: never, the backend does. */
  readonly retryStrategy: () => null;
  /** Whether commands wait for a connection. */
  readonly enableOfflineQueue: boolean;
  /** Whether it asks if the server has loaded its data. */
  readonly enableReadyCheck: boolean;
  /** Whether commands of one turn travel together. */
  readonly enableAutoPipelining: boolean;
  /** Whether commands are sent again after an outage. */
  readonly autoResendUnfulfilledCommands: boolean;
  /** Whether channels are subscribed to again after an outage. */
  readonly autoResubscribe: boolean;
  /** Whether it may read from replicas. */
  readonly readOnly: boolean;
  /** Put before every key. */
  readonly keyPrefix: string;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeout: number;
  /** How long saying goodbye may take, in milliseconds. */
  readonly disconnectTimeout: number;
}

/** The part of a command that is used: ioredis's `Command` fits. */
export interface RedisCommand {
  /** What goes over the wire. */
  toWritable(socket: object): string | Uint8Array;
}

/** The class of a client's commands: `Command` of ioredis. */
export type RedisCommandClass = new (
  name: string,
  args: string[],
  options: { readonly replyEncoding: "utf8" },
) => RedisCommand;

/** The part of a client that is one connection: ioredis fits, and so does ioredis-mock. */
export interface RedisConnection {
  /** Connects. */
  connect(): Promise<unknown>;
  /** Ends the connection at once. */
  disconnect(): void;
  /** Calls `listener` at each event. */
  on(event: string, listener: (...args: never[]) => void): unknown;
  /** Runs a script that the server knows. */
  evalsha(sha: string, keyCount: number, ...args: string[]): Promise<unknown>;
  /** What `sendCommand` sends; a client does not tell its own, and is called by its methods where it is not known. */
  readonly Command?: RedisCommandClass;
  /** Sends a command that was made by the caller. */
  sendCommand?(command: RedisCommand): unknown;
  /** Runs a script. */
  eval(source: string, keyCount: number, ...args: string[]): Promise<unknown>;
  /** Reads several keys. */
  mget(...keys: string[]): Promise<(string | null)[]>;
  /** Asks whether the server answers. */
  ping(): Promise<unknown>;
  /** What the server tells of itself. */
  info(): Promise<string>;
  /** The server's clock. */
  time(): Promise<readonly (string | number)[]>;
  /** Asks which node holds which keys. */
  cluster?(subcommand: "SLOTS"): Promise<unknown>;
  /** Listens to channels. */
  subscribe(...channels: string[]): Promise<unknown>;
  /** Ends listening to channels. */
  unsubscribe(...channels: string[]): Promise<unknown>;
  /** Listens to channels of a shard. */
  ssubscribe?(...channels: string[]): Promise<unknown>;
  /** Ends listening to channels of a shard. */
  sunsubscribe?(...channels: string[]): Promise<unknown>;
}

/** The part of a client that makes connections: `Redis` of ioredis. */
export interface RedisClient {
  /** Makes another client with the same settings but these. */
  duplicate(options: RedisConnectionOptions): RedisConnection;
}

/** The part of a cluster's client that is used: `Cluster` of ioredis. */
export interface RedisClusterClient {
  /** "wait" before it was connected. */
  readonly status: string;
  /** Connects, so that it knows the nodes. */
  connect(): Promise<unknown>;
  /** A client for each node that is known. */
  nodes(role?: "all"): readonly RedisClusterNode[];
}

/** One node that a cluster's client knows. */
export interface RedisClusterNode extends RedisClient {
  /** Where it is. */
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined };
}

/** A client that only makes others: it never connects itself. The driver is loaded now, and not before. */
export async function loadClient(url: string): Promise<RedisClient> {
  const { Redis, Command } = await import("ioredis").catch((cause) => {
    throw driverMissing("Cannot use Redis", "ioredis", cause);
  });
  const client = new Redis(url, { lazyConnect: true });
  return { duplicate: (options) => Object.assign(client.duplicate(options), { Command }) };
}
