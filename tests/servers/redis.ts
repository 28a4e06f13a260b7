/** Redis servers for tests: started on a free port of the loopback address, and stopped with the test. @module */

import { findOrInstall } from "./install.ts";
import { freePort, GuardedProcess } from "./guarded.ts";
import { until } from "../until.ts";

/** Where `redis-server` is, `null` where it can neither be found nor installed. */
export const redisProgram: string | null = await findOrInstall("redis-server", "redis-server");

/** A test with a server of its own, which has these arguments; left out where none can be installed. */
export function redisTest(
  name: string,
  run: (server: RedisServer) => Promise<void>,
  ...args: readonly string[]
): void {
  const fn = async () => {
    await using server = await RedisServer.start(...args);
    await run(server);
  };
  Deno.test({ name, ignore: redisProgram === null, fn });
}

/** How many ports are tried, since another process may take one first. */
const PORT_ATTEMPTS = 5;

/** A Redis server. */
export class RedisServer implements AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** The directory that it keeps its files in. */
  readonly directory: string;
  readonly #args: readonly string[];
  #process: GuardedProcess;

  private constructor(port: number, directory: string, args: readonly string[], process: GuardedProcess) {
    this.port = port;
    this.directory = directory;
    this.#args = args;
    this.#process = process;
  }

  /** Starts a server, without persistence unless the arguments say otherwise. */
  static async start(...args: readonly string[]): Promise<RedisServer> {
    const directory = await Deno.makeTempDir({ prefix: "redis-" });
    for (let attempt = 1;; attempt++) {
      const port = freePort();
      const all = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", ...args];
      const process = await launch(port, all);
      if (process !== null) return new RedisServer(port, directory, all, process);
      if (attempt === PORT_ATTEMPTS) throw new Error("Cannot start redis-server: it does not answer on any port");
    }
  }

  /** Its URL. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Kills it, as a crash would. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** Starts it again, after a kill, with the files that it left. */
  async restart(): Promise<void> {
    const process = await launch(this.port, this.#args);
    if (process === null) throw new Error("Cannot restart redis-server: it does not answer");
    this.#process = process;
  }

  /** Stops it from doing anything, its connections left open. */
  pause(): void {
    this.#process.signal("SIGSTOP");
  }

  /** Lets it go on after a pause. */
  resume(): void {
    this.#process.signal("SIGCONT");
  }

  /** Sends a command over a connection of its own, and returns the raw reply; errors are replies too. */
  command(...words: readonly string[]): Promise<string> {
    return sendCommand(this.port, words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Starts the server; `null` when it ends again or does not answer. */
async function launch(port: number, args: readonly string[]): Promise<GuardedProcess | null> {
  if (redisProgram === null) throw new Error("Cannot start redis-server: it is not installed");
  const process = await GuardedProcess.start(redisProgram, args);
  try {
    await until("the server answers", async () => (await ping(port)).startsWith("+PONG"), 10_000);
    return process;
  } catch {
    await process.kill();
    return null;
  }
}

async function ping(port: number): Promise<string> {
  return await sendCommand(port, ["PING"]).catch(() => "");
}

/** Sends one command and returns what comes first. */
export async function sendCommand(port: number, words: readonly string[]): Promise<string> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = words.map((word) => `$${encoder.encode(word).length}\r\n${word}\r\n`).join("");
  await connection.write(encoder.encode(`*${words.length}\r\n${request}`));
  let reply = "";
  const buffer = new Uint8Array(65_536);
  while (!isWhole(reply)) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`Cannot ask the server ${words[0]}: it closed the connection`);
    reply += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return reply;
}

/** Enough for the commands of tests: one line, one string, or a list that came in one piece. */
function isWhole(reply: string): boolean {
  const end = reply.indexOf("\r\n");
  if (end < 0) return false;
  if (!reply.startsWith("$") || reply.startsWith("$-1")) return true;
  return new TextEncoder().encode(reply).length >= end + 4 + Number(reply.slice(1, end));
}
