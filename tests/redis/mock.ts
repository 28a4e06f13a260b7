/** ioredis-mock in place of a server: where its Lua differs from that of Redis, each script is told another world. @module */

import { createHash } from "node:crypto";
import RedisMock from "ioredis-mock";
import type { RedisClient, RedisConnection } from "../../backends/redis/driver.ts";

/** A client whose connections share one emulated store, apart from those of all other names. */
export function mockClient(name: string): RedisClient {
  const scripts = new Map<string, string>();
  return { duplicate: () => new MockConnection(new RedisMock({ host: name, lazyConnect: true }), scripts) };
}

/** One connection to the emulator. */
class MockConnection implements RedisConnection {
  readonly #mock: InstanceType<typeof RedisMock>;
  readonly #scripts: Map<string, string>;

  constructor(mock: InstanceType<typeof RedisMock>, scripts: Map<string, string>) {
    this.#mock = mock;
    this.#scripts = scripts;
  }

  async connect(): Promise<void> {
    await this.#mock.connect();
  }

  disconnect(): void {
    this.#mock.disconnect();
  }

  on(event: string, listener: (...args: never[]) => void): unknown {
    return Reflect.apply(this.#mock.on, this.#mock, [event, listener]);
  }

  async evalsha(sha: string, keyCount: number, ...args: string[]): Promise<unknown> {
    const source = this.#scripts.get(sha);
    if (source === undefined) throw new Error("NOSCRIPT No matching script");
    return await this.eval(source, keyCount, ...args);
  }

  async eval(source: string, keyCount: number, ...args: string[]): Promise<unknown> {
    this.#scripts.set(createHash("sha1").update(source).digest("hex"), source);
    const [seconds, micros] = now();
    return await this.#mock.eval(`${before(seconds, micros)}${source}${AFTER}`, keyCount, ...args);
  }

  async mget(...keys: string[]): Promise<(string | null)[]> {
    return await this.#mock.mget(...keys);
  }

  async ping(): Promise<unknown> {
    return await this.#mock.ping();
  }

  info(): Promise<string> {
    return Promise.resolve("redis_mode:standalone\r\nrole:master\r\nloading:0\r\n");
  }

  time(): Promise<readonly string[]> {
    return Promise.resolve(now());
  }

  async subscribe(...channels: string[]): Promise<unknown> {
    return await this.#mock.subscribe(...channels);
  }

  async unsubscribe(...channels: string[]): Promise<unknown> {
    return await this.#mock.unsubscribe(...channels);
  }
}

/** Seconds and microseconds. The emulator takes them from two clocks, so that its own time goes back and forth. */
function now(): readonly [seconds: string, micros: string] {
  const ms = Date.now();
  return [String(Math.floor(ms / 1000)), String(ms % 1000 * 1000)];
}

/** Newer commands out of older ones; replies as plain lists, in which `false` stands for what is missing. */
function before(seconds: string, micros: string): string {
  return `
local original, time = redis.call, {'${seconds}', '${micros}'}

local function plain(reply)
  if type(reply) == 'string' or type(reply) == 'number' then return reply end
  if type(reply) ~= 'userdata' or not pcall(function() return #reply end) then return false end
  local values = {}
  for index = 1, #reply do values[index] = plain(reply[index]) end
  return values
end

local commands = {}

function commands.TIME() return time end

function commands.GETRANGE(key, ...)
  return original('EXISTS', key) == 1 and plain(original('GETRANGE', key, ...)) or ''
end

function commands.HGET(key, field)
  return plain(original('HGET', key, field)) or original('HEXISTS', key, field) == 1 and ''
end

function commands.ZLEXCOUNT(...) return #plain(original('ZRANGEBYLEX', ...)) end

function commands.SET(key, value, option, at)
  original('SET', key, value)
  if option == 'PXAT' then original('PEXPIREAT', key, at) end
end

function commands.PEXPIREAT(key, at, condition)
  local left, ms = original('PTTL', key), time[1] * 1000 + time[2] / 1000
  if condition == 'NX' and left >= 0 or condition == 'GT' and ms + left >= at then return 0 end
  return original('PEXPIREAT', key, at)
end

local redis = {}

function redis.call(name, ...)
  if commands[name] then return commands[name](...) end
  return plain(original(name, ...))
end

redis.pcall = redis.call

local function script()
`;
}

/** The emulator takes for a list only what is written as one. */
const AFTER = `
end

local function list(value)
  if type(value) ~= 'table' then return value end
  local values = {}
  for index = 1, #value do values[index] = list(value[index]) end
  return {unpack(values)}
end

return list(script())
`;
