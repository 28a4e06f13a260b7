/** What this backend needs of a Redis client, and how one is made where the caller brings none. @module */

import { CoordinationError } from "../../src/errors.ts";

/** What a connection is made with, beside what the caller's client says. */
export interface RedisConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly lazyConnect: boolean;
  readonly retryStrategy: () => null;
  readonly enableOfflineQueue: boolean;
  readonly enableReadyCheck: boolean;
  readonly enableAutoPipelining: boolean;
  readonly autoResendUnfulfilledCommands: boolean;
  readonly autoResubscribe: boolean;
  readonly readOnly: boolean;
  readonly keyPrefix: string;
  readonly connectTimeout: number;
  readonly disconnectTimeout: number;
}

/** The part of a client that is one connection: ioredis fits, and so does ioredis-mock. */
export interface RedisConnection {
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  evalsha(sha: string, keyCount: number, ...args: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...args: string[]): Promise<unknown>;
  mget(...keys: string[]): Promise<(string | null)[]>;
  ping(): Promise<unknown>;
  info(): Promise<string>;
  time(): Promise<readonly (string | number)[]>;
  cluster?(subcommand: "SLOTS"): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  ssubscribe?(...channels: string[]): Promise<unknown>;
  sunsubscribe?(...channels: string[]): Promise<unknown>;
}

/** The part of a client that makes connections: `Redis` of ioredis. */
export interface RedisClient {
  duplicate(options: RedisConnectionOptions): RedisConnection;
}

/** The part of a cluster's client that is used: `Cluster` of ioredis. */
export interface RedisClusterClient {
  readonly status: string;
  connect(): Promise<unknown>;
  nodes(role?: "all"): readonly RedisClusterNode[];
}

/** One node that a cluster's client knows. */
export interface RedisClusterNode extends RedisClient {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined };
}

/** A client that only makes others: it never connects itself. The driver is loaded now, and not before. */
export async function loadClient(url: string): Promise<RedisClient> {
  let Redis: typeof import("ioredis").Redis;
  try {
    ({ Redis } = await import("ioredis"));
  } catch (cause) {
    throw new CoordinationError("DRIVER_MISSING", "Cannot use Redis: it needs the package ioredis", { cause });
  }
  return new Redis(url, { lazyConnect: true });
}
