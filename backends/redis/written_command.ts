/** Calls of scripts, written for the wire here: ioredis would count the bytes of each argument by itself. @module */

import { utf8Length } from "../../src/storage/key.ts";
import type { RedisConnection } from "./driver.ts";

/** Runs a script by its hash. Its one key is the first of `args`. */
export type CallScript = (sha: string, args: readonly string[]) => unknown;

/**
 * How scripts are called on this connection: with a command that is text from the start, and let go of once it is sent.
 * ioredis takes four times as long for 500 messages. Where the class of the client's commands is not known, as that of
 * a caller's own client, scripts are called as everything else is.
 */
export function scriptCaller(client: RedisConnection): CallScript {
  const { Command } = client;
  if (!Command || !client.sendCommand) return (sha, args) => client.evalsha(sha, 1, ...args);
  const send = client.sendCommand.bind(client);
  const WrittenCommand = class extends Command {
    #text: string;

    constructor(text: string) {
      super("evalsha", [], { replyEncoding: "utf8" });
      this.#text = text;
    }

    /** Asked for once: nothing is ever sent again. */
    override toWritable(): string {
      const text = this.#text;
      this.#text = "";
      return text;
    }
  };
  return (sha, args) => send(new WrittenCommand(writeCommand(["EVALSHA", sha, "1", ...args])));
}

/** A command as a server reads it. */
export function writeCommand(parts: readonly string[]): string {
  const text = writeText(parts, (part) => part.length);
  // As many bytes as characters: each part has as many, too. Only other text has to be counted part by part.
  return utf8Length(text) === text.length ? text : writeText(parts, utf8Length);
}

function writeText(parts: readonly string[], lengthOf: (part: string) => number): string {
  const lines = [`*${parts.length}`];
  for (const part of parts) lines.push(`$${lengthOf(part)}`, part);
  lines.push("");
  return lines.join("\r\n");
}
