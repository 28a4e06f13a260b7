/** Runs the scripts of one namespace, and holds them to what is promised: in time, and of a known format. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import { BackendCorruptError, SchemaNewerError } from "../../src/errors.ts";
import type { Connection } from "./connection.ts";
import { unavailable } from "./faults.ts";
import type { Link } from "./link.ts";
import { FORMAT } from "./scripts/prelude.ts";
import type { Script } from "./scripts/script.ts";

/** How often a write that came too late by the engine's time is sent again, when by ours there is time left. */
const MAX_LATE = 3;

/** A reply without its status. */
export type Reply = readonly unknown[];

/** The scripts of one namespace on one connection. */
export class Engine {
  readonly #name: string;
  readonly #root: string;
  readonly #connection: Connection;

  /** `root` is the key that all others derive from. */
  constructor(name: string, root: string, connection: Connection) {
    this.#name = name;
    this.#root = root;
    this.#connection = connection;
  }

  /** Runs a script that may be run again when its answer was lost. */
  async read(script: Script, args: readonly string[], deadlineMs: number): Promise<Reply> {
    const all = [this.#root, ...args];
    const reply = await this.#connection.run("read", deadlineMs, (link) => runScript(link, script, all, deadlineMs));
    return this.#check(reply).rest;
  }

  /**
   * Runs a script that must not be run again when its answer was lost, and not at all after the deadline: it would do
   * what nobody waits for any more, such as leasing messages. A server that was paused would. So the script is told
   * until when, by the engine's time, it is wanted; its first argument says that, its second how to wake listeners.
   */
  async write(script: Script, args: readonly string[], deadlineMs: number): Promise<Reply> {
    const all = [this.#root, "", "", ...args];
    for (let attempt = 1;; attempt++) {
      const { status, rest } = this.#check(
        await this.#connection.run("write", deadlineMs, async (link) => {
          all[1] = String(link.engineTimeOf(deadlineMs));
          all[2] = link.wakeCommand;
          const reply = await runScript(link, script, all, deadlineMs);
          if (Array.isArray(reply) && typeof reply[1] === "number") link.observe(reply[1]);
          return reply;
        }),
      );
      if (status === "ok") return rest;
      // One of the clocks was set. What the engine's says is known now.
      if (attempt === MAX_LATE || monotonicMs(systemClock) >= deadlineMs) {
        throw unavailable(this.#name, new Error("the server was too late, and did nothing"));
      }
    }
  }

  /** The strings with these keys, which come behind the root in one look. */
  async readStrings(keys: readonly string[], deadlineMs: number): Promise<readonly (string | null)[]> {
    const [marker = null, ...found] = await this.#connection.run(
      "read",
      deadlineMs,
      (link) => link.run((client) => client.mget(this.#root, ...keys), deadlineMs),
    );
    if (marker !== null && !marker.startsWith(`${FORMAT} `)) throw this.#otherFormat(marker);
    return found;
  }

  #check(reply: unknown): { readonly status: "ok" | "late"; readonly rest: Reply } {
    const [status, ...rest]: unknown[] = Array.isArray(reply) ? reply : [];
    if (status === "ok" || status === "late") return { status, rest };
    throw status === "newer" ? this.#otherFormat(String(rest[0])) : new BackendCorruptError(
      `Cannot use the backend "${this.#name}": it answered what no script of this version does`,
    );
  }

  #otherFormat(marker: string): Error {
    const [, format] = /^(\d+) \d+( \d*)?$/.exec(marker) ?? [];
    if (format !== undefined && Number(format) > FORMAT) {
      return new SchemaNewerError(this.#name, Number(format), FORMAT);
    }
    return new BackendCorruptError(`Cannot use the backend "${this.#name}": its marker is none of this library's`);
  }
}

/** What a script answers; while the slot moves, it answers that it has done nothing, and is to be tried again. */
async function runScript(link: Link, script: Script, args: readonly string[], deadlineMs: number): Promise<unknown> {
  const reply = await link.runScript(script, args, deadlineMs);
  if (Array.isArray(reply) && reply[0] === "moving") throw new Error(`TRYAGAIN ${reply[1]}`);
  return reply;
}
