/** The statements of the cleaning. @module */

/** Makes them for a quoted schema; `now` is the server's time. Each takes away at most so many rows as it is told. */
// deno-lint-ignore explicit-module-boundary-types -- the names of all statements, written once
export function sweepStatements(schema: string, now: string) {
  // Of a page of feeds or queues, those are deleted that hold nothing and were not used lately. One that is used
  // meanwhile has another touched_at, which is looked at again once its row is locked.
  const sweepEmpty = (owners: string, owner: string, held: readonly string[], also = "") => {
    const isEmpty = held.map((table) => `NOT EXISTS (SELECT 1 FROM ${schema}.${table} WHERE ${owner} = o.num)`);
    return `
      WITH page AS MATERIALIZED (
        SELECT num FROM ${schema}.${owners} WHERE num > $1::bigint ORDER BY num LIMIT $2::int
      ),
      empty AS MATERIALIZED (
        SELECT num FROM ${schema}.${owners} AS o
        WHERE num IN (SELECT num FROM page) AND touched_at < ${now} - 60000
          AND ${isEmpty.join(" AND ")}
        FOR UPDATE SKIP LOCKED
      ),
      gone AS (DELETE FROM ${schema}.${owners} WHERE num IN (SELECT num FROM empty))${also}
      SELECT max(num) AS last FROM page`;
  };
  return {
    sweepRecords: `
      DELETE FROM ${schema}.records WHERE key IN (
        SELECT key FROM ${schema}.records WHERE expires_at <= ${now} ORDER BY expires_at LIMIT $1::int
        FOR UPDATE SKIP LOCKED)`,
    // Nobody is waited for: of a feed that somebody writes to, another time.
    sweepDeletions: `
      WITH old AS MATERIALIZED (
        SELECT feed, change FROM ${schema}.deletions WHERE deleted_at < ${now} - 3600000
        ORDER BY deleted_at LIMIT $1::int FOR UPDATE SKIP LOCKED
      ),
      free AS MATERIALIZED (
        SELECT num FROM ${schema}.feeds WHERE num IN (SELECT feed FROM old) FOR UPDATE SKIP LOCKED
      ),
      gone AS (
        DELETE FROM ${schema}.deletions AS d USING old, free
        WHERE d.feed = old.feed AND d.change = old.change AND old.feed = free.num
        RETURNING d.feed, d.change
      ),
      newest AS (SELECT feed, max(change) AS change FROM gone GROUP BY feed)
      UPDATE ${schema}.feeds SET floor = greatest(floor, newest.change) FROM newest WHERE num = newest.feed`,
    sweepFeeds: sweepEmpty("feeds", "feed", ["records", "deletions"]),
    // The id of a message that is still there is looked at again later: it may be long until that is gone.
    sweepIds: `
      WITH due AS MATERIALIZED (
        SELECT i.queue, i.id, EXISTS (
          SELECT 1 FROM ${schema}.messages AS m WHERE m.queue = i.queue AND m.num = i.num) AS present
        FROM ${schema}.ids AS i WHERE sweep_at <= ${now} ORDER BY sweep_at LIMIT $1::int FOR UPDATE SKIP LOCKED
      ),
      gone AS (
        DELETE FROM ${schema}.ids AS i USING due WHERE i.queue = due.queue AND i.id = due.id AND NOT present
      )
      UPDATE ${schema}.ids AS i SET sweep_at = ${now} + 600000
      FROM due WHERE i.queue = due.queue AND i.id = due.id AND present`,
    sweepQueues: sweepEmpty(
      "queues",
      "queue",
      ["messages", "ids"],
      `,
      forgotten AS (DELETE FROM ${schema}.promotions WHERE queue IN (SELECT num FROM empty))`,
    ),
  } as const;
}
