/** Opens a store: the client, and the marker that tells in which format the store is. @module */

import { BackendCorruptError, SchemaNewerError } from "../../src/errors.ts";
import { type DenoKv, openDenoKv } from "./driver.ts";
import { FORMAT, type Layout } from "./layout.ts";

/** What to open. */
export interface Store {
  /** The name of the backend, for errors. */
  readonly name: string;
  readonly layout: Layout;
  /** The caller's own client. */
  readonly kv: DenoKv | undefined;
  /** The file or address, where there is no client; the default database without either. */
  readonly location: string | undefined;
}

/**
 * Opens a store that this version can read. A client that was opened for nothing is closed again.
 *
 * @throws {SchemaNewerError} When a newer version has written it.
 * @throws {BackendCorruptError} When something else is in its namespace.
 */
export async function openStore(store: Store): Promise<DenoKv> {
  const kv = store.kv ?? await openDenoKv(store.location);
  try {
    await checkFormat(kv, store);
  } catch (error) {
    if (store.kv === undefined) kv.close();
    throw error;
  }
  return kv;
}

/** Refuses what a newer version has written, and marks what nobody has. */
async function checkFormat(kv: DenoKv, { name, layout: { format: key } }: Store): Promise<void> {
  for (let found: unknown = null; found === null;) {
    const [entry] = await kv.getMany([key]);
    found = entry?.value ?? null;
    if (found === null) {
      const atomic = kv.atomic();
      atomic.check({ key, versionstamp: null });
      atomic.set(key, FORMAT);
      await atomic.commit(); // when somebody else was faster, it is read again
    } else if (typeof found !== "number") {
      throw new BackendCorruptError(`Cannot open the backend "${name}": something else is stored in its namespace`);
    } else if (found > FORMAT) {
      throw new SchemaNewerError(name, found, FORMAT);
    }
  }
}
