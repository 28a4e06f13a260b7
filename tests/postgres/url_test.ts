/** What a URL says of a PostgreSQL server, on a socket too, and that no error repeats it. @module */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { PostgresBackend } from "../../backends/postgres.ts";
import { parseUrl } from "../../backends/postgres/url.ts";
import { postgresPrograms, PostgresServer } from "../servers/postgres.ts";

Deno.test("parseUrl() takes a URL apart as libpq does", () => {
  const cases: [url: string, name: string, place: Record<string, unknown>, settings?: string][] = [
    ["postgres://u@[::1]/d", "postgres://[::1]/d", { host: ["::1"], port: [5432], user: "u", database: "d" }],
    ["postgres://[fe80::A]:1/d", "postgres://[fe80::A]:1/d", { host: ["fe80::A"], port: [1], database: "d" }],
    ["postgres:///d?host=::1&port=2", "postgres://[::1]:2/d", { host: ["::1"], port: [2], database: "d" }],
    ["postgres://h/d", "postgres://h/d", { host: "h", database: "d" }],
    ["postgresql://h", "postgres://h/", { host: "h", database: "" }],
    ["postgres:///d", "postgres:///d", { database: "d" }],
    ["postgres://u@/d", "postgres:///d", { user: "u", database: "d" }],
    ["postgres://u%40:p%3A:@w@h:5433/d", "postgres://h:5433/d", {
      host: "h",
      port: "5433",
      user: "u@",
      password: "p::@w",
      database: "d",
    }],
    ["postgres://h:1,i:2/d?ssl=true", "postgres://h:1,i:2/d", { host: "h:1,i:2", database: "d" }, "ssl=true"],
    ["postgres:///d?host=/run/pg&sslmode=require", "postgres://%2Frun%2Fpg/d", { host: "/run/pg", database: "d" }],
    ["postgres://u:p@%2Frun%2Fpg:5433/d", "postgres://%2Frun%2Fpg:5433/d", {
      host: "/run/pg",
      port: "5433",
      user: "u",
      password: "p",
      database: "d",
    }],
    ["postgres://a:b@h:1/c?host=i&port=2&user=u&password=p&dbname=d&x=y", "postgres://i:2/d", {
      host: "i",
      port: "2",
      user: "u",
      password: "p",
      database: "d",
    }, "x=y"],
  ];
  for (const [url, name, place, settings = ""] of cases) {
    assertEquals(parseUrl(url), { name, place, settings: `postgres:///?${settings}` }, url);
  }
});

Deno.test("parseUrl() refuses what is no URL of a PostgreSQL server, and repeats nothing of it", () => {
  for (
    const url of [
      "http://u:s3cret@h",
      "s3cret",
      "postgres://u:s3cret%@h/d",
      "postgres://u:s3/cret@h",
      "postgres://u:s3#cret@h",
    ]
  ) {
    const error = assertThrows(() => parseUrl(url), TypeError, "postgres://host:port/database");
    assert(!Deno.inspect(error).includes("s3"), url);
  }
});

Deno.test({
  name: "PostgresBackend connects to a socket, whichever way a URL names its directory",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const { port, directory } = server;
    const urls = [
      `postgres://test@/postgres?host=${directory}&port=${port}`,
      `postgresql:///postgres?host=${encodeURIComponent(directory)}&port=${port}&user=test`,
      `postgres://test:s3cret@${encodeURIComponent(directory)}:${port}/postgres`,
    ];
    for (const [index, url] of urls.entries()) {
      await using backend = new PostgresBackend({ url, schema: "sockets" });
      await backend.commit({ operations: [{ type: "set", key: [`${index}`], value: index }] });
      assert(!backend.name.includes("s3cret"));
    }
    await using backend = new PostgresBackend({ url: server.url, schema: "sockets" });
    assertEquals(await backend.count([]), urls.length);
  },
});
