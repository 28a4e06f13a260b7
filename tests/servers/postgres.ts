/** PostgreSQL servers for tests: started on a free port of the loopback address, and stopped with the test. @module */

import postgres from "postgres";
import { PostgresBackend, type PostgresBackendOptions } from "../../backends/postgres.ts";
import { embeddedPrograms } from "./embedded_postgres.ts";
import { freePort, GuardedProcess } from "./guarded.ts";
import { until } from "../until.ts";
import { findOrInstall } from "./install.ts";

const ROOT = "/usr/lib/postgresql";

/** Where the server's programs are, `null` where they can neither be found nor installed. */
export const postgresPrograms: string | null = findPrograms() ??
  (await findOrInstall("psql", "postgresql"), findPrograms()) ?? await embeddedPrograms();

/** The server refuses to run as root; Debian's package comes with a user for it. */
const USER = Deno.uid() === 0 ? (postgresPrograms?.startsWith(ROOT) ? "postgres" : "nobody") : null;
const GROUP = USER === "nobody" ? "nogroup" : USER;

const START_LIMIT_MS = 60_000;

const REMOVE_TRIES = 20;

/** Version 3.0 of the protocol, and the first byte of the answer of a server that lets one in. */
const PROTOCOL = 0x30000;
const AUTHENTICATION = "R".charCodeAt(0);

/** A PostgreSQL server. Commits do not wait for the disk: what is tested survives the end of processes. */
export class PostgresServer implements AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** The directory that it keeps its files in. */
  readonly directory: string;
  readonly #flags: readonly string[];
  #process: GuardedProcess | null = null;

  private constructor(port: number, directory: string, settings: Readonly<Record<string, string>>) {
    this.port = port;
    this.directory = directory;
    this.#flags = Object.entries({
      port: String(port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: directory,
      fsync: "off",
      max_connections: "80",
      shared_buffers: "64MB",
      ...settings,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  }

  /** Starts a server with an empty database, and these settings. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const directory = await Deno.makeTempDir({ prefix: "postgres-" });
    if (USER !== null) await run("chown", USER, directory);
    await run(...command("initdb", "-D", `${directory}/data`, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync"));
    const server = new PostgresServer(freePort(), directory, settings);
    await server.restart();
    return server;
  }

  /** Its URL. */
  get url(): string {
    return `postgres://test@127.0.0.1:${this.port}/postgres`;
  }

  /** Kills it and the processes that it started, as a crash would. */
  async kill(): Promise<void> {
    for (const pid of this.#children()) signal(pid, "SIGKILL");
    await this.#process?.kill();
    this.#process = null;
  }

  /** Starts it again, after a kill, with the files that it left. */
  async restart(): Promise<void> {
    const [program, ...args] = command("postgres", "-D", `${this.directory}/data`, ...this.#flags);
    const deadline = Date.now() + START_LIMIT_MS;
    // The processes of the one before may take a moment to notice its end.
    for (let isReady = false; !isReady;) {
      if (Date.now() > deadline) throw new Error("Cannot start postgres: it does not answer");
      const process = this.#process = await GuardedProcess.start(program, args);
      await until("the server answers or has ended", async () => {
        isReady = await answers(this.port);
        return isReady || !isRunning(process.pid);
      }, START_LIMIT_MS);
      if (!isReady) await process.kill();
    }
  }

  /** Stops it from doing anything, its connections left open. */
  pause(): void {
    this.#process?.signal("SIGSTOP");
    for (const pid of this.#children()) signal(pid, "SIGSTOP");
  }

  /** Lets it go on after a pause. */
  resume(): void {
    for (const pid of this.#children()) signal(pid, "SIGCONT");
    this.#process?.signal("SIGCONT");
  }

  /** Ends it, where it still runs, and removes its files. */
  removeFiles(): void {
    for (const pid of this.#children()) signal(pid, "SIGKILL");
    this.#process?.signal("SIGKILL");
    for (let tries = 1;; tries++) {
      try {
        Deno.removeSync(this.directory, { recursive: true });
        return;
      } catch (error) {
        // What has been killed may still write a last file.
        if (tries === REMOVE_TRIES) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.removeFiles();
  }

  #children(): number[] {
    const pid = this.#process?.pid;
    if (pid === undefined) return [];
    try {
      return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
    } catch {
      return []; // it has ended
    }
  }
}

/** Connects to a server beside the backend, with so many connections at most. */
export function connect({ url }: { readonly url: string }, max = 1): postgres.Sql {
  return postgres(url, { max, onnotice: () => {}, max_lifetime: null });
}

let schemas = 0;

/** Makes backends on a schema of their own. */
export function freshSchema(
  { url }: { readonly url: string },
): (options?: Omit<PostgresBackendOptions, "url" | "client" | "schema">) => PostgresBackend {
  const schema = `test_${++schemas}`;
  return (options = {}) => new PostgresBackend({ url, schema, maxConnections: 3, commandTimeoutMs: 3000, ...options });
}

/** The folder of the newest version that is there. */
function findPrograms(): string | null {
  try {
    const versions = Array.from(Deno.readDirSync(ROOT), ({ name }) => Number(name)).filter((version) => version >= 13);
    return versions.length > 0 ? `${ROOT}/${Math.max(...versions)}/bin` : null;
  } catch {
    return null;
  }
}

/** A command line, run by a user whom the server accepts. */
function command(program: string, ...args: readonly string[]): [program: string, ...args: string[]] {
  const path = `${postgresPrograms}/${program}`;
  return USER ? ["setpriv", `--reuid=${USER}`, `--regid=${GROUP}`, "--clear-groups", path, ...args] : [path, ...args];
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await output(program, ...args);
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
}

function output(program: string, ...args: readonly string[]): Promise<Deno.CommandOutput> {
  return new Deno.Command(program, { args: [...args], stdin: "null", stdout: "piped", stderr: "piped" }).output();
}

/** Whether a server lets somebody in: one that is starting up refuses. */
async function answers(port: number): Promise<boolean> {
  const text = new TextEncoder().encode("user\0test\0database\0postgres\0\0");
  const message = new Uint8Array(8 + text.length);
  new DataView(message.buffer).setUint32(0, message.length);
  new DataView(message.buffer).setUint32(4, PROTOCOL);
  message.set(text, 8);
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(message);
    const answer = new Uint8Array(1);
    return await connection.read(answer) === 1 && answer[0] === AUTHENTICATION;
  } catch {
    return false;
  }
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
