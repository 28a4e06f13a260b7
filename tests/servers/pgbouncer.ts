/** PgBouncer for tests: a proxy that hands out connections by the transaction. @module */

import { freePort, GuardedProcess } from "./guarded.ts";
import { until } from "../until.ts";
import { findOrInstall } from "./install.ts";

/** Where PgBouncer is, `null` where it can neither be found nor installed. */
export const pgBouncerProgram: string | null = await findOrInstall("pgbouncer", "pgbouncer");

/** Refuses to run as root. */
const USER = Deno.uid() === 0 ? "postgres" : null;

/** A proxy before a server, with few connections to it, which it gives to somebody else after each transaction. */
export class PgBouncer implements AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  readonly #directory: string;
  readonly #process: GuardedProcess;

  private constructor(port: number, directory: string, process: GuardedProcess) {
    this.port = port;
    this.#directory = directory;
    this.#process = process;
  }

  /** Starts it before the server at a port. */
  static async start(serverPort: number): Promise<PgBouncer> {
    if (pgBouncerProgram === null) throw new Error("Cannot start pgbouncer: it is not installed");
    const directory = await Deno.makeTempDir({ prefix: "pgbouncer-" });
    const port = freePort();
    const settings = `
      [databases]
      postgres = host=127.0.0.1 port=${serverPort} user=test
      [pgbouncer]
      listen_addr = 127.0.0.1
      listen_port = ${port}
      unix_socket_dir =
      auth_type = any
      pool_mode = transaction
      default_pool_size = 3
      ignore_startup_parameters = extra_float_digits`;
    await Deno.writeTextFile(`${directory}/pgbouncer.ini`, settings.replaceAll(/^ +/gm, ""));
    await Deno.chmod(directory, 0o755);
    const line = [pgBouncerProgram, `${directory}/pgbouncer.ini`];
    const [program = "", ...args] = USER
      ? ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", ...line]
      : line;
    const process = await GuardedProcess.start(program, args);
    const bouncer = new PgBouncer(port, directory, process);
    await until("pgbouncer listens", async () => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
      connection?.close();
      return connection !== null;
    });
    return bouncer;
  }

  /** Its URL. */
  get url(): string {
    return `postgres://test@127.0.0.1:${this.port}/postgres`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
    await Deno.remove(this.#directory, { recursive: true });
  }
}
