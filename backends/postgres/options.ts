/** The options of the PostgreSQL backend. @module */

import {
  type OptionNames,
  POSITIVE_DURATION,
  requireBoolean,
  requireNumber,
  requireOptions,
  requireString,
  requireWellFormed,
} from "../../src/check.ts";
import type { PGliteClient, PostgresClient } from "./driver.ts";

/** How to make a `PostgresBackend`: with a URL or with a client, one of the two. */
export interface PostgresBackendOptions {
  /**
   * Where the server is: `postgres://[user[:password]@]host[:port]/database`, or `postgres:///database?host=/directory`
   * for a socket. Needs `npm:postgres`.
   */
  readonly url?: string;
  /** A client that the caller made, of `npm:postgres` or `npm:@electric-sql/pglite`; `close` leaves it open. */
  readonly client?: PostgresClient | PGliteClient;
  /** Keeps apart those who share a schema. 1 to 64 characters. @default {"ao"} */
  readonly namespace?: string;
  /** The schema of the tables, which is made where there is none. @default {"agent_coordination"} */
  readonly schema?: string;
  /** How long a call may take, in milliseconds, waiting for a connection included. @default {5000} */
  readonly commandTimeoutMs?: number;
  /** How many connections there are at most, beside one to listen; only with `url`. @default {4} */
  readonly maxConnections?: number;
  /** Whether statements are prepared; `false` behind a proxy that cannot tell whose are whose. @default {true} */
  readonly prepare?: boolean;
}

const OPTIONS: OptionNames<PostgresBackendOptions> = {
  url: (field, value) => void requireString(field, value, 1, Infinity),
  client: true,
  namespace: true,
  schema: true,
  commandTimeoutMs: true,
  maxConnections: true,
  prepare: requireBoolean,
};

type Defaulted = "namespace" | "schema" | "commandTimeoutMs" | "maxConnections" | "prepare";

/**
 * The options, with their defaults.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks. No error repeats the URL.
 */
export function readOptions(
  options: PostgresBackendOptions,
): PostgresBackendOptions & Required<Pick<PostgresBackendOptions, Defaulted>> {
  requireOptions("PostgresBackend", options, OPTIONS);
  const { url, client, maxConnections = 4, prepare = true } = options;
  const { namespace = "ao", schema = "agent_coordination", commandTimeoutMs = 5000 } = options;
  if ((url === undefined) === (client === undefined)) {
    throw new TypeError("Cannot use the options: they must have either url or client");
  }
  requireWellFormed("namespace", namespace, 1, 64);
  if (!/^[a-z_][a-z0-9_]*$/.test(requireString("schema", schema, 1, 63))) {
    throw new TypeError(`Cannot use schema: it must have only a to z, 0 to 9 and _, got ${schema}`);
  }
  requireNumber("maxConnections", maxConnections, { min: 1, max: 1000, integer: true });
  requireNumber("commandTimeoutMs", commandTimeoutMs, POSITIVE_DURATION);
  return { ...options, namespace, schema, commandTimeoutMs, maxConnections, prepare };
}
