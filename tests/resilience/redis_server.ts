/** A Redis server of a test's own, on loopback, without persistence. @module */

/** A running server. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string;
}

const START_MS = 10_000;

/** Whether `redis-server` is on the path. */
export function hasRedisServer(): boolean {
  try {
    return new Deno.Command("redis-server", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** Starts a server, and ends it when it is disposed of. */
export async function startRedisServer(): Promise<RedisServer> {
  const port = freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const process = new Deno.Command("redis-server", { args, stdout: "null", stderr: "inherit" }).spawn();
  const dispose = async () => {
    process.kill();
    await process.status;
  };
  try {
    await untilOpen(port);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, [Symbol.asyncDispose]: dispose };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilOpen(port: number): Promise<void> {
  for (const deadlineMs = Date.now() + START_MS;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
