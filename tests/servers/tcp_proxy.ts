/** A TCP proxy that a test can cut, block and redirect. @module */

/** Passes connections on to a port of the loopback address. */
export class TcpProxy implements AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** Where new connections go. */
  target: number;
  /** Called with what a client sends, before it is passed on; `false` keeps it back and cuts the connection. */
  onRequest: (data: Uint8Array) => boolean = () => true;
  /** Called with what the server answers, before it is passed on; `false` keeps it back and cuts the connection. */
  onReply: (data: Uint8Array) => boolean = () => true;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #running: Promise<void>[] = [];
  #isRefusing = false;

  /** Begins to listen. */
  constructor(target: number) {
    this.target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#running.push(this.#accept());
  }

  /** How many connections there are. */
  get size(): number {
    return this.#connections.size / 2;
  }

  /** Cuts all connections, and with `refuse` those to come too. */
  cut(options: { readonly refuse?: boolean } = {}): void {
    this.#isRefusing = options.refuse ?? false;
    for (const connection of [...this.#connections]) this.#close(connection);
  }

  /** Takes connections again. */
  mend(): void {
    this.#isRefusing = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#isRefusing) {
        client.close();
        continue;
      }
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.target }).catch(() => null);
      if (server === null) {
        client.close();
        continue;
      }
      this.#connections.add(client).add(server);
      this.#running.push(
        this.#pass(client, server, (data) => this.onRequest(data)),
        this.#pass(server, client, (data) => this.onReply(data)),
      );
    }
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, mayPass: (data: Uint8Array) => boolean): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const data = buffer.subarray(0, count);
        if (!mayPass(data)) break;
        for (let written = 0; written < count;) written += await to.write(data.subarray(written));
      }
    } catch {
      // It was cut.
    }
    this.#close(from);
    this.#close(to);
  }

  #close(connection: Deno.Conn): void {
    if (this.#connections.delete(connection)) connection.close();
  }
}
