/** Every statement is run by the plan that is written at its head: by an index, without sorting. @module */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { prepareSchema } from "../../backends/sqlite/schema.ts";
import {
  FEEDS,
  insert,
  LEASE_TEN,
  MESSAGES,
  QUEUES,
  RECORDS,
  remember,
  SWEEP,
} from "../../backends/sqlite/statements.ts";

const statements: Record<string, string> = {
  ...prefixed("QUEUES", QUEUES),
  ...prefixed("MESSAGES", MESSAGES),
  ...prefixed("RECORDS", RECORDS),
  ...prefixed("FEEDS", FEEDS),
  ...prefixed("SWEEP", SWEEP),
  "remember(1)": remember(1),
  "remember(10)": remember(10),
  LEASE_TEN,
  "insert(1)": insert(1),
  "insert(10)": insert(10),
};

for (const [name, sql] of Object.entries(statements)) {
  Deno.test(`${name} is run by the plan that is written at its head`, () => {
    const database = new DatabaseSync(":memory:");
    try {
      prepareSchema(database, "test");
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => String(detail));
      assertEquals(plan.filter((line) => line.startsWith("SEARCH")).map(withoutKind), planOf(sql));
      for (const line of plan) {
        // `store` has one row; what is inserted is no table.
        assert(!/^SCAN (?!store$|\d+-ROW VALUES CLAUSE$)/.test(line), `${line} looks at every row`);
        assert(!line.includes("TEMP B-TREE"), `${line} sorts`);
      }
    } finally {
      database.close();
    }
  });
}

/** Newer versions of SQLite say by which kind of join they look for what exists. */
function withoutKind(line: string): string {
  return line.replace(" EXISTS USING ", " USING ");
}

function planOf(sql: string): string[] {
  return [...sql.matchAll(/^ *-- (.+)$/gm)].map(([, line = ""]) => line);
}

function prefixed(group: string, statements: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(statements).map(([name, sql]) => [`${group}.${name}`, sql]));
}
