import { assertEquals } from "@std/assert";
import { loadClient, type RedisConnection, type RedisConnectionOptions } from "../../backends/redis/driver.ts";
import { scriptCaller, writeCommand } from "../../backends/redis/written_command.ts";

/** Reads a command as a server does, by the lengths in bytes that stand before each part. */
function readCommand(text: string): string[] {
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  let at = 0;
  const line = () => {
    const end = bytes.indexOf(13, at);
    const read = decoder.decode(bytes.subarray(at, end));
    at = end + 2;
    return read;
  };
  const parts: string[] = [];
  for (let left = Number(line().slice(1)); left > 0; left--) {
    const length = Number(line().slice(1));
    parts.push(decoder.decode(bytes.subarray(at, at + length)));
    at += length + 2;
  }
  assertEquals(at, bytes.length);
  return parts;
}

Deno.test("writeCommand() gives the length of each part in bytes, of any text", () => {
  for (
    const parts of [
      ["PING"],
      ["EVALSHA", "", "1", "plain", "two\r\nlines", "$3\r\nabc"],
      ["EVALSHA", "é", "日本語", "plain", "😀", "a\u0000b"],
      ["SET", "ü".repeat(20_000), "x".repeat(40_000)],
    ]
  ) assertEquals(readCommand(writeCommand(parts)), parts);
});

Deno.test("scriptCaller() sends a command of the client's class, whose text is let go of once it is sent", async () => {
  class Command {
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }
    toWritable(_socket?: object): string {
      return "";
    }
  }
  class Client {
    readonly Command = Command;
    sendCommand(command: Command): Promise<unknown> {
      return Promise.resolve([command.name, command.toWritable(), command.toWritable()]);
    }
  }
  const call = scriptCaller(new Client() as unknown as RedisConnection);
  assertEquals(await call("abc", ["key", "value"]), [
    "evalsha",
    writeCommand(["EVALSHA", "abc", "1", "key", "value"]),
    "",
  ]);
});

Deno.test("scriptCaller() calls a client by its methods when the class of its commands is not known", async () => {
  const client = { evalsha: (...args: unknown[]) => Promise.resolve(args) };
  const call = scriptCaller(client as unknown as RedisConnection);
  assertEquals(await call("abc", ["key", "value"]), ["abc", 1, "key", "value"]);
});

Deno.test("loadClient() makes connections that tell the class of their commands", async () => {
  const client = await loadClient("redis://127.0.0.1:1");
  const connection = client.duplicate({ lazyConnect: true } as RedisConnectionOptions);
  assertEquals(typeof connection.Command?.prototype.toWritable, "function");
  connection.disconnect();
});
