/** A Redis server of its own for each side of a comparison, without persistence; for Deno and Node. @module */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import process from "node:process";

const START_MS = 10_000;

/**
 * Starts `redis-server`, which ends with this process.
 *
 * @returns {Promise<{ port: number, url: string, stop: () => void }>}
 */
// deno-lint-ignore explicit-module-boundary-types -- Node runs it too, so that its types are in the comment above
export async function startRedisServer() {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  server.unref();
  const stop = () => void server.kill("SIGKILL");
  process.on("exit", stop);
  await Promise.race([
    once(server, "error").then(([error]) => {
      throw new Error("Cannot start redis-server: it is not installed, or does not run", { cause: error });
    }),
    untilOpen(port),
  ]);
  return { port, url: `redis://127.0.0.1:${port}`, stop };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function untilOpen(port) {
  for (const startedAt = Date.now(); Date.now() - startedAt < START_MS;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise((resolve) => {
      socket.on("connect", () => resolve(true));
      socket.on("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Cannot start redis-server: it does not listen after ${START_MS} ms`);
}
