/** Every statement of the PostgreSQL backend. @module */

import { LEASE_EXPIRED_ERROR } from "../../src/storage/backend.ts";
import { sweepStatements } from "./sweep_statements.ts";
import { identifier } from "./text.ts";

const CLOCK = "floor(extract(epoch FROM clock_timestamp()) * 1000)::float8";

// Asked once a statement: with the clock itself in a condition, which may tell another time for each row, no index is
// used.
const NOW = `(SELECT ${CLOCK})`;

/** All statements, for one schema. */
export type Statements = ReturnType<typeof statementsFor>;

/** Makes the statements for a schema. Arrays come as literals in text. */
// deno-lint-ignore explicit-module-boundary-types -- the names of all statements, written once
export function statementsFor(schemaName: string) {
  const schema = identifier(schemaName);
  // A list as the answer of a query: of the parameter itself, the planner counts the items, and makes another plan each
  // time.
  const list = (parameter: number, type: string) => `(SELECT $${parameter}::text::${type}[])`;
  const at = (place: number) => `FROM ${schema}.messages WHERE queue = queues.num AND place = ${place}`;
  const countAt = (place: number) => `(SELECT count(*) ${at(place)})`;
  const firstDueAt = (place: number) => `(SELECT due_at ${at(place)} ORDER BY due_at LIMIT 1)`;
  return {
    // The limits hold for one transaction, so that a proxy may give the connection to another afterwards.
    limits: `
      SELECT set_config('lock_timeout', $1::text, true), set_config('statement_timeout', $2::text, true),
        set_config('idle_in_transaction_session_timeout', $2::text, true)`,
    // In the order of the array, which is sorted, as everybody's is.
    lockRecords: `
      SELECT pg_advisory_xact_lock($1::int, slot) FROM unnest($2::text::int[]) AS slot`,
    lockQueues: `
      SELECT num, live, sequence FROM ${schema}.queues WHERE num = ANY ($1::text::bigint[]) ORDER BY num FOR UPDATE`,
    findQueues: `
      SELECT num, name FROM ${schema}.queues WHERE name = ANY ($1::text::text[])`,
    // Who makes the same in a transaction is waited for.
    makeQueues: `
      WITH limits AS MATERIALIZED (
        SELECT set_config('lock_timeout', coalesce($2::text, current_setting('lock_timeout')), true)
      )
      INSERT INTO ${schema}.queues (name, touched_at)
      SELECT name, ${NOW} FROM limits, unnest($1::text::text[]) AS name
      ON CONFLICT (name) DO NOTHING`,
    loadRecords: `
      SELECT key, version, expires_at, feed IS NOT NULL AS tracked FROM ${schema}.records
      WHERE key = ANY ($1::text::text[]) ORDER BY key FOR UPDATE`,
    loadIds: `
      SELECT i.queue, i.id, i.forget_at,
        EXISTS (SELECT 1 FROM ${schema}.messages AS m WHERE m.queue = i.queue AND m.num = i.num) AS present
      FROM unnest($1::text::bigint[], $2::text::text[]) AS asked (queue, id), LATERAL (
        SELECT * FROM ${schema}.ids WHERE queue = asked.queue AND id = asked.id OFFSET 0) AS i`,
    loadByNum: `
      SELECT m.queue, m.num, m.id, m.place, m.priority, m.attempts, m.max_attempts, m.due_at, m.sequence, m.token
      FROM unnest($1::text::bigint[], $2::text::bigint[]) AS asked (queue, num)
      JOIN ${schema}.messages AS m ON m.queue = asked.queue AND m.num = asked.num`,
    // Claims take messages without the lock of the queue.
    loadById: `
      SELECT m.queue, m.num, m.id, m.place, m.priority, m.attempts, m.max_attempts, m.due_at, m.sequence, m.token
      FROM unnest($1::text::bigint[], $2::text::text[]) AS asked (queue, id)
      JOIN ${schema}.ids AS i ON i.queue = asked.queue AND i.id = asked.id
      JOIN ${schema}.messages AS m ON m.queue = i.queue AND m.num = i.num
      FOR UPDATE OF m`,
    time: `
      SELECT ${NOW} AS now, coalesce((SELECT until > ${NOW} FROM ${schema}.listeners WHERE namespace = $1::text), false)
        AS listening`,

    saveQueues: `
      UPDATE ${schema}.queues AS q SET live = s.live, sequence = s.sequence, touched_at = $4::float8
      FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[]) AS s (num, live, sequence)
      WHERE q.num = s.num`,
    insertMessages: `
      INSERT INTO ${schema}.messages
        (queue, num, sequence, due_at, enqueued_at, attempts, max_attempts, place, priority, token, id, last_error, value)
      SELECT queue, num, sequence, due_at, $9::float8, 0, max_attempts, place, priority, '', id, NULL, value
      FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::float8[], $5::text::int[],
        $6::text::int[], $7::text::int[], $8::text::text[], $10::text::text[])
        AS s (queue, num, sequence, due_at, max_attempts, place, priority, id, value)`,
    updateMessages: `
      UPDATE ${schema}.messages AS m
      SET place = s.place, due_at = s.due_at, sequence = s.sequence, attempts = s.attempts,
        last_error = coalesce(s.last_error, m.last_error)
      FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::int[], $4::text::float8[], $5::text::bigint[],
        $6::text::int[], $7::text::text[]) AS s (queue, num, place, due_at, sequence, attempts, last_error)
      WHERE m.queue = s.queue AND m.num = s.num`,
    deleteMessages: `
      DELETE FROM ${schema}.messages AS m USING unnest($1::text::bigint[], $2::text::bigint[]) AS s (queue, num)
      WHERE m.queue = s.queue AND m.num = s.num`,
    saveIds: `
      INSERT INTO ${schema}.ids (queue, num, forget_at, sweep_at, id)
      SELECT queue, num, forget_at, greatest(forget_at, $5::float8), id
      FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::float8[], $4::text::text[])
        AS s (queue, num, forget_at, id)
      ON CONFLICT (queue, id) DO UPDATE
      SET num = excluded.num, forget_at = excluded.forget_at, sweep_at = excluded.sweep_at`,
    saveRecords: `
      INSERT INTO ${schema}.records (key, version, expires_at, feed, change, value)
      SELECT key, version, expires_at, feed, change, value
      FROM unnest($1::text::text[], $2::text::text[], $3::text::float8[], $4::text::bigint[], $5::text::bigint[],
        $6::text::text[]) AS s (key, version, expires_at, feed, change, value)
      ON CONFLICT (key) DO UPDATE
      SET version = excluded.version, expires_at = excluded.expires_at, feed = excluded.feed, change = excluded.change,
        value = excluded.value`,
    deleteRecords: `
      DELETE FROM ${schema}.records WHERE key = ANY ($1::text::text[])`,
    // In the order of the array, which is sorted, as everybody's is.
    touchFeeds: `
      INSERT INTO ${schema}.feeds AS f (parent, sequence, touched_at)
      SELECT parent, count, $3::float8 FROM unnest($1::text::text[], $2::text::bigint[]) AS s (parent, count)
      ON CONFLICT (parent) DO UPDATE SET sequence = f.sequence + excluded.sequence, touched_at = excluded.touched_at
      RETURNING num, parent, sequence`,
    saveDeletions: `
      INSERT INTO ${schema}.deletions (feed, change, key, deleted_at)
      SELECT feed, change, key, $4::float8
      FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) AS s (feed, change, key)`,
    notify: `
      SELECT pg_notify($1::text, $2::text)`,

    // A group of single sends and acknowledgements. First the queues are locked, in order, and only then is it looked
    // at the clock; ids that came in while it waited for that break the unique key. A queue in which an id is known or
    // room is short is left alone. To plan it takes as long as to run it, for a few messages.
    express: `
      WITH limits AS MATERIALIZED (SELECT set_config('lock_timeout', $18::text, true)),
      locked AS MATERIALIZED (
        SELECT num, live, sequence FROM ${schema}.queues, limits
        WHERE num = ANY (${list(5, "bigint")}::bigint[]) ORDER BY num FOR UPDATE OF queues
      ),
      clock AS MATERIALIZED (SELECT ${CLOCK} AS now FROM (SELECT count(*) FROM locked) AS after),
      asked AS MATERIALIZED (
        SELECT * FROM unnest(${list(6, "bigint")}, ${list(7, "text")}, ${list(8, "text")}, ${list(9, "int")},
          ${list(10, "float8")}, ${list(11, "int")}, ${list(12, "float8")}, ${list(13, "bigint")}) WITH ORDINALITY
          AS s (queue, id, value, priority, delay, max_attempts, dedupe, capacity, nth)
      ),
      open AS MATERIALIZED (
        SELECT locked.num, locked.sequence FROM asked JOIN locked ON locked.num = asked.queue
        GROUP BY locked.num, locked.live, locked.sequence
        HAVING locked.live + count(*) <= min(asked.capacity)
          -- Not a join: a plan from when the table was small would read all of it.
          AND count((SELECT 1 FROM ${schema}.ids AS i WHERE i.queue = asked.queue AND i.id = asked.id)) = 0
      ),
      sent AS MATERIALIZED (
        SELECT asked.*, open.sequence + nth AS num, now FROM asked JOIN open ON open.num = asked.queue, clock
      ),
      remembered AS (
        INSERT INTO ${schema}.ids (queue, num, forget_at, sweep_at, id)
        SELECT queue, num, now + dedupe, now + greatest(dedupe, $4::float8), id FROM sent
      ),
      stored AS (
        INSERT INTO ${schema}.messages
          (queue, num, sequence, due_at, enqueued_at, attempts, max_attempts, place, priority, token, id, last_error, value)
        SELECT queue, num, num, now + delay, now, 0, max_attempts, CASE WHEN delay > 0 THEN 10 ELSE 9 - priority END,
          priority, '', id, NULL, value
        FROM sent
      ),
      acknowledged AS (
        DELETE FROM ${schema}.messages AS m
        USING clock, unnest(${list(14, "bigint")}, ${list(15, "bigint")}, ${list(16, "text")}, ${list(17, "text")})
          WITH ORDINALITY AS a (queue, num, id, token, nth)
        -- Not by the order: that would look at all that is leased for each of them.
        WHERE m.queue = a.queue AND m.num = a.num AND m.id = a.id AND m.token = a.token AND place + 0 = 11
          AND due_at > now
        RETURNING m.queue, nth
      ),
      moved AS (
        SELECT queue, sum(by) AS by, max(nth) AS nth
        FROM (SELECT queue, 1 AS by, nth FROM sent UNION ALL SELECT queue, -1, 0 FROM acknowledged) AS each
        GROUP BY queue
      ),
      counted AS (
        UPDATE ${schema}.queues AS q SET live = live + by, sequence = sequence + nth, touched_at = now
        FROM moved, clock WHERE q.num = moved.queue
      )
      SELECT
        (SELECT string_agg(nth::text, ',') FROM sent) AS sent,
        (SELECT string_agg(nth::text, ',') FROM acknowledged) AS acknowledged,
        CASE WHEN EXISTS (SELECT 1 FROM sent)
          AND EXISTS (SELECT 1 FROM ${schema}.listeners, clock WHERE namespace = $1::text AND until > now)
          THEN pg_notify($2::text, $3::text) END AS told`,

    // One statement and one round trip; where something is due, nothing is taken before it stands in line. $5 tells for
    // each place before which due time there is nothing any more, as long as nothing was promoted since $6: else each
    // claim looks at all rows that are dead, which an old transaction anywhere keeps from being cleaned up.
    claim: `
      WITH clock AS MATERIALIZED (SELECT ${NOW} AS now),
      promotions AS MATERIALIZED (
        SELECT coalesce((SELECT count FROM ${schema}.promotions WHERE queue = $1::bigint), 0) AS count
      ),
      floors AS MATERIALIZED (
        SELECT CASE WHEN count = $6::bigint THEN $5::text::float8[] ELSE array_fill(0::float8, ARRAY[12]) END AS floors
        FROM promotions
      ),
      state AS MATERIALIZED (
        SELECT EXISTS (
          SELECT 1 FROM ${schema}.messages WHERE queue = $1::bigint AND place = 10
            AND due_at >= (SELECT floors[11] FROM floors) AND due_at <= (SELECT now FROM clock)
        ) OR EXISTS (
          SELECT 1 FROM ${schema}.messages WHERE queue = $1::bigint AND place = 11
            AND due_at >= (SELECT floors[12] FROM floors) AND due_at <= (SELECT now FROM clock)
        ) AS due
      ),
      line AS MATERIALIZED (
        SELECT of_place.* FROM (SELECT generate_series(0, 9) AS at, floors FROM floors) AS each, LATERAL (
          SELECT queue, num, place, due_at, sequence FROM ${schema}.messages
          WHERE queue = $1::bigint AND place = at AND due_at >= floors[at + 1]
          ORDER BY due_at, sequence LIMIT $2::int FOR UPDATE SKIP LOCKED
        ) AS of_place
        WHERE NOT (SELECT due FROM state) LIMIT $2::int
      ),
      first AS MATERIALIZED (
        SELECT queue, num, place, due_at, row_number() OVER (ORDER BY place, due_at, sequence) AS nth FROM line
      ),
      delivery AS MATERIALIZED (
        SELECT CASE WHEN EXISTS (SELECT 1 FROM line) THEN nextval('${schema}.deliveries') * 1024 END AS base
      ),
      claimed AS (
        UPDATE ${schema}.messages AS m
        SET place = 11, due_at = clock.now + $3::float8, sequence = delivery.base + first.nth, attempts = attempts + 1,
          token = m.num || '.' || md5($4::text || m.num)
        FROM first, clock, delivery WHERE m.queue = first.queue AND m.num = first.num
        RETURNING m.*, first.nth, first.place AS was_place, first.due_at AS was_due
      )
      SELECT now, promotions.count AS promotions, due,
        CASE WHEN id IS NULL THEN EXISTS (
          SELECT 1 FROM ${schema}.messages WHERE queue = $1::bigint AND place <= 9) END AS ready,
        CASE WHEN id IS NULL THEN EXISTS (SELECT 1 FROM ${schema}.queues WHERE num = $1::bigint) END AS there,
        id, token, value, priority, attempts, max_attempts, enqueued_at, due_at, last_error, was_place, was_due
      FROM state CROSS JOIN clock CROSS JOIN promotions LEFT JOIN claimed ON true ORDER BY nth`,
    // So many at a time, each step from where the one before has come to: what that moved lies there still, dead.
    promote: `
      WITH due AS MATERIALIZED (
        SELECT queue, num, due_at FROM ${schema}.messages
        WHERE queue = $1::bigint AND place = 10 AND due_at >= $2::float8 AND due_at <= ${NOW}
        ORDER BY due_at, sequence LIMIT $3::int
      ),
      moved AS (
        -- Not by $1: a plan from when the queue was small would compare all of it with each of them.
        UPDATE ${schema}.messages AS m SET place = 9 - priority FROM due WHERE m.queue = due.queue AND m.num = due.num
      ),
      counted AS (
        INSERT INTO ${schema}.promotions AS p (queue, count)
        SELECT $1::bigint, 1 WHERE EXISTS (SELECT 1 FROM due)
        ON CONFLICT (queue) DO UPDATE SET count = p.count + 1
      )
      SELECT count(*) AS moved, max(due_at) AS last FROM due`,
    expire: `
      WITH clock AS MATERIALIZED (SELECT ${NOW} AS now),
      queue AS MATERIALIZED (SELECT sequence FROM ${schema}.queues WHERE num = $1::bigint),
      expired AS MATERIALIZED (
        SELECT queue, num, due_at, attempts >= max_attempts AS dies, row_number() OVER (ORDER BY due_at, sequence) AS nth
        FROM ${schema}.messages
        WHERE queue = $1::bigint AND place = 11 AND due_at >= $2::float8 AND due_at <= (SELECT now FROM clock)
          AND EXISTS (SELECT 1 FROM queue)
        ORDER BY due_at, sequence LIMIT $3::int
      ),
      moved AS (
        UPDATE ${schema}.messages AS m
        SET place = CASE WHEN dies THEN 12 ELSE 9 - priority END, due_at = now, sequence = queue.sequence + nth,
          last_error = '${LEASE_EXPIRED_ERROR}'
        FROM expired, clock, queue WHERE m.queue = expired.queue AND m.num = expired.num
      ),
      counted AS (
        UPDATE ${schema}.queues SET sequence = sequence + moved, live = live - died
        FROM (SELECT count(*) AS moved, count(*) FILTER (WHERE dies) AS died FROM expired) AS each
        WHERE num = $1::bigint
      )
      SELECT count(*) AS moved, max(due_at) AS last FROM expired`,
    queuesWithExpired: `
      SELECT num FROM ${schema}.queues WHERE name > $1::text AND name < $2::text AND live > 0 AND EXISTS (
        SELECT 1 FROM ${schema}.messages WHERE queue = queues.num AND place = 11 AND due_at <= ${NOW})`,

    stats: `
      SELECT num, live - delayed - leased AS ready, delayed, leased, dead, next - ${NOW} AS next
      FROM ${schema}.queues, LATERAL (
        SELECT ${countAt(10)} AS delayed, ${countAt(11)} AS leased, ${countAt(12)} AS dead,
          least(${firstDueAt(10)}, ${firstDueAt(11)}) AS next
      ) AS counted
      WHERE name = $1::text`,
    isDue: `
      SELECT num, least(${firstDueAt(10)}, ${firstDueAt(11)}) <= ${NOW} AS due
      FROM ${schema}.queues WHERE name = $1::text`,
    order: `
      SELECT num FROM ${schema}.messages WHERE queue = $1::bigint AND place >= $2::int AND place <= $3::int
      ORDER BY place, due_at, sequence LIMIT $4::bigint`,
    details: `
      SELECT num, id, value, priority, place, attempts, max_attempts, enqueued_at, due_at, last_error
      FROM ${schema}.messages
      WHERE queue = $1::bigint AND num = ANY ($2::text::bigint[]) AND place >= $3::int AND place <= $4::int`,
    queues: `
      SELECT name FROM ${schema}.queues WHERE name > $1::text AND name < $2::text AND EXISTS (
        SELECT 1 FROM ${schema}.messages WHERE queue = queues.num)
      ORDER BY name LIMIT $3::int`,

    get: `
      SELECT key, value, version, expires_at, feed IS NOT NULL AS tracked FROM ${schema}.records
      WHERE key = ANY ($1::text::text[]) AND (expires_at IS NULL OR expires_at > ${NOW})`,
    list: `
      SELECT key, value, version, expires_at, feed IS NOT NULL AS tracked FROM ${schema}.records
      WHERE key > $1::text AND key < $2::text AND (expires_at IS NULL OR expires_at > ${NOW})
      ORDER BY key LIMIT $3::int`,
    listReverse: `
      SELECT key, value, version, expires_at, feed IS NOT NULL AS tracked FROM ${schema}.records
      WHERE key > $1::text AND key < $2::text AND (expires_at IS NULL OR expires_at > ${NOW})
      ORDER BY key DESC LIMIT $3::int`,
    count: `
      SELECT count(*) AS count FROM ${schema}.records
      WHERE key > $1::text AND key < $2::text AND (expires_at IS NULL OR expires_at > ${NOW})`,
    clear: `
      WITH page AS MATERIALIZED (
        SELECT key FROM ${schema}.records WHERE key > $1::text AND key < $2::text
        ORDER BY key LIMIT $3::int FOR UPDATE
      ),
      gone AS (
        DELETE FROM ${schema}.records AS r USING page WHERE r.key = page.key
        RETURNING feed, expires_at IS NULL OR expires_at > ${NOW} AS live
      ),
      -- Whoever reads what has changed there begins from the start.
      raised AS (
        UPDATE ${schema}.feeds SET sequence = sequence + 1, floor = sequence + 1, touched_at = ${NOW}
        WHERE num IN (SELECT feed FROM gone)
      )
      SELECT count(*) AS deleted, count(*) FILTER (WHERE live) AS live, (SELECT max(key) FROM page) AS last FROM gone`,

    // What has changed behind a position, and of what kind it is: at one moment, lest the cleaning of deletions come
    // between. Whoever began from the start at the change $4 need not be told of deletions before it.
    changes: `
      WITH feed AS MATERIALIZED (
        SELECT num, sequence, num = $2::bigint AND $3::bigint <= sequence AND greatest($3::bigint, $4::bigint) >= floor
          AS known
        FROM ${schema}.feeds WHERE parent = $1::text
      ),
      start AS MATERIALIZED (SELECT num, known, CASE WHEN known THEN $3::bigint ELSE 0 END AS position FROM feed),
      changed AS (
        (SELECT change, key, value, version, expires_at, true AS tracked FROM ${schema}.records
        WHERE feed = (SELECT num FROM start) AND change > (SELECT position FROM start)
          AND (expires_at IS NULL OR expires_at > ${NOW})
        ORDER BY change LIMIT $5::int)
        UNION ALL
        (SELECT change, key, NULL, NULL, NULL, false FROM ${schema}.deletions
        WHERE feed = (SELECT num FROM start WHERE known) AND change > (SELECT position FROM start)
        ORDER BY change LIMIT $5::int)
      )
      SELECT ${NOW} AS now, feed.*, changed.*
      FROM (SELECT 1) AS one LEFT JOIN feed ON true LEFT JOIN changed ON true ORDER BY change LIMIT $5::int`,

    listening: `
      INSERT INTO ${schema}.listeners (namespace, until) VALUES ($1::text, ${NOW} + $2::float8)
      ON CONFLICT (namespace) DO UPDATE SET until = greatest(excluded.until, listeners.until)`,

    ...sweepStatements(schema, NOW),
  } as const;
}
