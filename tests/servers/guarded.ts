/** A server process that ends with the tests that started it, however they end. @module */

// The inner shell waits for the end of the input, which comes when the one who started it closes it or dies. The outer
// one is there to be killed: that is what Deno does to its children when a test file ends.
const GUARD = `exec 3<&0
(
  "$@" >/dev/null 2>&1 3<&- & pid=$!
  echo $pid
  exec >/dev/null
  cat <&3
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
) &
wait`;

/** A running server. */
export class GuardedProcess {
  /** The server's own process id. */
  readonly pid: number;
  readonly #guard: Deno.ChildProcess;
  readonly #input: WritableStream<Uint8Array>;
  #ended: Promise<unknown> | null = null;

  private constructor(pid: number, guard: Deno.ChildProcess) {
    this.pid = pid;
    this.#guard = guard;
    this.#input = guard.stdin;
  }

  /** Starts a program. */
  static async start(program: string, args: readonly string[]): Promise<GuardedProcess> {
    const guard = new Deno.Command("sh", {
      args: ["-c", GUARD, "guard", program, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = guard.stdout.getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`Cannot start ${program}: the shell ended`);
      text += new TextDecoder().decode(value);
    }
    await reader.cancel();
    return new GuardedProcess(Number(text), guard);
  }

  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: Deno.Signal): void {
    try {
      Deno.kill(this.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills the process and waits for its end. Idempotent. */
  async kill(): Promise<void> {
    await (this.#ended ??= (async () => {
      await this.#input.close().catch(() => {}); // the guard has gone already
      await this.#guard.status;
    })());
  }
}

/** A port of the loopback address that nobody listens on; somebody else may take it before it is used. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    return listener.addr.port;
  } finally {
    listener.close();
  }
}
