/** A TCP proxy on loopback whose connections a test can cut at the worst moment, or lead elsewhere. @module */

/** What happens to the next bytes from a client. */
export type Fault = "none" | "cut before the request" | "cut after the request";

/** A running proxy. */
export class Proxy implements AsyncDisposable {
  /** Where connections lead; later ones only. */
  target: number;
  /** What happens to the next request. */
  fault: Fault = "none";
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #done: Promise<void>;

  /** Listens on a free port and leads to `target`. */
  constructor(target: number) {
    this.target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#done = this.#accept();
  }

  /** The URL of what is behind it. */
  get url(): string {
    return `redis://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#done;
  }

  async #accept(): Promise<void> {
    const pairs: Promise<void>[] = [];
    for await (const client of this.#listener) pairs.push(this.#connect(client));
    await Promise.all(pairs);
  }

  async #connect(client: Deno.Conn): Promise<void> {
    let server: Deno.Conn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
    } catch {
      close(client);
      return;
    }
    this.#connections.add(client).add(server);
    await Promise.all([this.#forward(client, server, true), this.#forward(server, client, false)]);
    for (const connection of [client, server]) {
      close(connection);
      this.#connections.delete(connection);
    }
  }

  async #forward(from: Deno.Conn, to: Deno.Conn, isRequest: boolean): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const { fault } = this;
        if (isRequest && fault !== "none") this.fault = "none";
        if (isRequest && fault === "cut before the request") break;
        if (isRequest && fault === "cut after the request") close(from);
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
        if (isRequest && fault === "cut after the request") {
          await to.read(new Uint8Array(65_536)); // the server has done it, and its answer goes nowhere
          break;
        }
      }
    } catch {
      // Cut by the other side or by the test.
    }
    close(from);
    close(to);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
