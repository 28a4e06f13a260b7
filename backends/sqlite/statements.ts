/** Every statement of the SQLite backend, each with its query plan, as tests/sqlite/plans_test.ts checks. @module */

// Where a message stands, in the column `place`: 0 to 9 in line, the highest priority first; 10 delayed, 11 leased, 12
// dead. One index over (queue, place, due_at, sequence) gives the order of the line and of each of the other states.

/** Whether the message of a remembered id is there still: its number may have gone to another one since. */
const IS_PRESENT = `EXISTS (
      SELECT 1 FROM messages AS m WHERE m.num = ids.message AND m.queue = ids.queue AND m.id = ids.id)`;

const QUEUE = "num, name, ready, delayed, leased, dead, sequence, wakes";

/** Of queues, and of topics that are listened to without being one. */
export const QUEUES = {
  find: `
    -- SEARCH queues USING INDEX sqlite_autoindex_queues_1 (name=?)
    SELECT ${QUEUE} FROM queues WHERE name = ?`,
  insert: `
    INSERT INTO queues (name, wakes, touched_at) VALUES (?, ?, ?) RETURNING ${QUEUE}`,
  save: `
    -- SEARCH queues USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE queues SET ready = ?, delayed = ?, leased = ?, dead = ?, sequence = ?, wakes = ?, touched_at = ?
    WHERE num = ?`,
  list: `
    -- SEARCH queues USING INDEX sqlite_autoindex_queues_1 (name>? AND name<?)
    SELECT name FROM queues WHERE name > ? AND name < ? AND ready + delayed + leased + dead > 0
    ORDER BY name LIMIT ?`,
  withExpiredLeases: `
    -- SEARCH queues USING INDEX sqlite_autoindex_queues_1 (name>? AND name<?)
    -- SEARCH messages USING COVERING INDEX messages_in_order (queue=? AND place=? AND due_at<?)
    SELECT name FROM queues WHERE name > ? AND name < ? AND leased > 0 AND EXISTS (
      SELECT 1 FROM messages WHERE queue = queues.num AND place = 11 AND due_at <= ?)
    LIMIT ?`,
  stats: `
    -- SEARCH queues USING INDEX sqlite_autoindex_queues_1 (name=?)
    -- SEARCH messages USING COVERING INDEX messages_in_order (queue=? AND place=?)
    -- SEARCH messages USING COVERING INDEX messages_in_order (queue=? AND place=?)
    SELECT num, ready, delayed, leased, dead, sequence,
      (SELECT due_at FROM messages WHERE queue = queues.num AND place = 10 ORDER BY due_at LIMIT 1) AS next_due_at,
      (SELECT due_at FROM messages WHERE queue = queues.num AND place = 11 ORDER BY due_at LIMIT 1) AS next_end_at
    FROM queues WHERE name = ?`,
} as const;

/** Of messages and the ids that queues remember. */
export const MESSAGES = {
  lastNumber: `
    -- SEARCH messages
    SELECT max(num) AS num FROM messages`,
  knows: `
    -- SEARCH ids USING PRIMARY KEY (queue=? AND id=?)
    -- SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SELECT message FROM ids WHERE queue = ? AND id = ? AND (forget_at > ? OR ${IS_PRESENT})`,
  find: `
    -- SEARCH ids USING PRIMARY KEY (queue=? AND id=?)
    -- SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    SELECT m.num, m.place, m.priority, m.attempts, m.max_attempts FROM ids JOIN messages AS m ON m.num = ids.message
    WHERE ids.queue = ? AND ids.id = ? AND m.queue = ids.queue AND m.id = ids.id`,
  leased: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    SELECT num, place, priority, attempts, max_attempts FROM messages
    WHERE num = ? AND token = ? AND queue = ? AND id = ? AND place = 11 AND due_at > ?`,
  ack: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    DELETE FROM messages WHERE num = ? AND token = ? AND queue = ? AND id = ? AND place = 11 AND due_at > ?`,
  move: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE messages SET place = ?, due_at = ?, sequence = ?, attempts = ?, last_error = coalesce(?, last_error)
    WHERE num = ?`,
  extend: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE messages SET due_at = ? WHERE num = ?`,
  delete: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    DELETE FROM messages WHERE num = ?`,
  promote: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    -- SEARCH messages USING COVERING INDEX messages_in_order (queue=? AND place=? AND due_at<?)
    UPDATE messages SET place = 9 - priority
    WHERE num IN (SELECT num FROM messages WHERE queue = ? AND place = 10 AND due_at <= ? LIMIT ?)`,
  expired: `
    -- SEARCH messages USING INDEX messages_in_order (queue=? AND place=? AND due_at<?)
    SELECT num, place, priority, attempts, max_attempts FROM messages
    WHERE queue = ? AND place = 11 AND due_at <= ? ORDER BY due_at, sequence LIMIT ?`,
  line: `
    -- SEARCH messages USING INDEX messages_in_order (queue=? AND place<?)
    SELECT num, id, value, priority, attempts, max_attempts, enqueued_at, last_error FROM messages
    WHERE queue = ? AND place <= 9 ORDER BY place, due_at, sequence LIMIT ?`,
  lease: `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE messages SET place = 11, due_at = ?, sequence = ?, token = ?, attempts = attempts + 1 WHERE num = ?`,
  page: `
    -- SEARCH messages USING INDEX messages_in_order (queue=? AND (place,due_at,sequence)>(?,?,?) AND place<?)
    SELECT num, id, value, priority, place, attempts, max_attempts, enqueued_at, due_at, sequence, last_error
    FROM messages
    WHERE queue = ? AND (place, due_at, sequence) > (?, ?, ?) AND place <= ? AND sequence <= ?
    ORDER BY place, due_at, sequence LIMIT ?`,
} as const;

/** Remembers the ids of `rows` messages, but those that are known, and gives the numbers of the others. */
export function remember(rows: number): string {
  return `
    -- SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    INSERT INTO ids (queue, id, message, forget_at) VALUES ${repeat("(?, ?, ?, ?)", rows)}
    ON CONFLICT (queue, id) DO UPDATE SET message = excluded.message, forget_at = excluded.forget_at
    WHERE forget_at <= ? AND NOT ${IS_PRESENT}
    RETURNING message`;
}

/** Inserts `rows` messages. The token is as long as one to come, so that leasing does not make the row grow. */
export function insert(rows: number): string {
  const row = `(?, ?, ?, ?, ?, 0, ?, ?, ?, '${" ".repeat(22)}', ?, NULL, ?)`;
  return `
    INSERT INTO messages
      (num, queue, place, due_at, sequence, attempts, max_attempts, priority, enqueued_at, token, id, last_error, value)
    VALUES ${repeat(row, rows)}`;
}

/**
 * Leases ten messages, each by its sequence, its secret and its number. To select the line and lease ten at a time
 * takes 4.6 µs a message in groups of 100; one at a time 5.3; one UPDATE ... RETURNING 4.9, but it gives all of them
 * the same secret, and in no order.
 */
export const LEASE_TEN = `
    -- SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE messages SET place = 11, due_at = ?, sequence = v.column1, token = v.column2, attempts = attempts + 1
    FROM (VALUES ${repeat("(?, ?, ?)", 10)}) AS v WHERE num = v.column3`;

/** Of records. */
export const RECORDS = {
  get: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key=?)
    SELECT key, value, version, expires_at, feed FROM records WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)`,
  version: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key=?)
    SELECT version FROM records WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)`,
  set: `
    INSERT INTO records (key, value, version, expires_at, feed) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE
    SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at, feed = excluded.feed`,
  feed: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key=?)
    SELECT feed FROM records WHERE key = ? AND feed IS NOT NULL`,
  delete: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key=?)
    DELETE FROM records WHERE key = ? AND (expires_at IS NULL OR expires_at > ?) RETURNING feed`,
  list: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key>? AND key<?)
    SELECT key, value, version, expires_at, feed FROM records
    WHERE key > ? AND key < ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?`,
  listReverse: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key>? AND key<?)
    SELECT key, value, version, expires_at, feed FROM records
    WHERE key > ? AND key < ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY key DESC LIMIT ?`,
  count: `
    -- SEARCH records USING INDEX sqlite_autoindex_records_1 (key>? AND key<?)
    SELECT count(*) AS count FROM records WHERE key > ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)`,
  clear: `
    -- SEARCH records USING INTEGER PRIMARY KEY (rowid=?)
    -- SEARCH records USING COVERING INDEX sqlite_autoindex_records_1 (key>? AND key<?)
    DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE key > ? AND key < ? LIMIT ?)
    RETURNING expires_at, feed`,
  expire: `
    -- SEARCH records USING INTEGER PRIMARY KEY (rowid=?)
    -- SEARCH records USING COVERING INDEX records_by_expiry (expires_at<?)
    DELETE FROM records WHERE rowid IN (
      SELECT rowid FROM records WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
    RETURNING feed`,
  lastVersion: `
    SELECT last_version FROM store`,
  saveVersion: `
    UPDATE store SET last_version = ?`,
} as const;

/** Of the parents of tracked records, and what has changed there. */
export const FEEDS = {
  find: `
    -- SEARCH feeds USING INDEX sqlite_autoindex_feeds_1 (parent=?)
    SELECT num, floor FROM feeds WHERE parent = ?`,
  insert: `
    INSERT INTO feeds (parent, floor) VALUES (?, ?) RETURNING num`,
  anyFeed: `
    -- SEARCH feeds USING INTEGER PRIMARY KEY (rowid>?)
    SELECT 1 FROM feeds WHERE num > 0 LIMIT 1`,
  raise: `
    -- SEARCH feeds USING INTEGER PRIMARY KEY (rowid=?)
    UPDATE feeds SET floor = ? WHERE num = ?`,
  noteDeletion: `
    INSERT INTO deletions (feed, version, key) VALUES (?, ?, ?)`,
  isEmpty: `
    -- SEARCH records USING COVERING INDEX records_by_feed (feed=?)
    SELECT 1 FROM records WHERE feed = ? LIMIT 1`,
  oldest: `
    -- SEARCH deletions USING PRIMARY KEY (feed=?)
    SELECT version FROM deletions WHERE feed = ? ORDER BY version DESC LIMIT 1 OFFSET ?`,
  forget: `
    -- SEARCH deletions USING PRIMARY KEY (feed=? AND version<?)
    DELETE FROM deletions WHERE feed = ? AND version <= ?`,
  drop: `
    -- SEARCH feeds USING INTEGER PRIMARY KEY (rowid=?)
    DELETE FROM feeds WHERE num = ?`,
  written: `
    -- SEARCH records USING INDEX records_by_feed (feed=? AND version>?)
    SELECT key, value, version, expires_at, feed FROM records
    WHERE feed = ? AND version > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY version LIMIT ?`,
  deleted: `
    -- SEARCH deletions USING PRIMARY KEY (feed=? AND version>? AND version<?)
    SELECT key FROM deletions WHERE feed = ? AND version > ? AND version <= ?`,
} as const;

/** Of cleaning: a hand goes round the ids and the queues, a part of the way at a time. */
export const SWEEP = {
  cursor: `
    SELECT swept_queue, swept_id, swept_num FROM store`,
  saveCursor: `
    UPDATE store SET swept_queue = ?, swept_id = ?, swept_num = ?`,
  idsEnd: `
    -- SEARCH ids USING PRIMARY KEY ((queue,id)>(?,?))
    SELECT queue, id FROM ids WHERE (queue, id) > (?, ?) ORDER BY queue, id LIMIT 1 OFFSET ?`,
  ids: `
    -- SEARCH ids USING PRIMARY KEY ((queue,id)>(?,?) AND (queue,id)<(?,?))
    -- SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
    DELETE FROM ids WHERE (queue, id) > (?, ?) AND (queue, id) <= (?, ?) AND forget_at <= ? AND NOT ${IS_PRESENT}`,
  queuesEnd: `
    -- SEARCH queues USING INTEGER PRIMARY KEY (rowid>?)
    SELECT num FROM queues WHERE num > ? ORDER BY num LIMIT 1 OFFSET ?`,
  queues: `
    -- SEARCH queues USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
    -- SEARCH ids USING PRIMARY KEY (queue=?)
    DELETE FROM queues
    WHERE num > ? AND num <= ? AND ready + delayed + leased + dead = 0 AND touched_at <= ?
      AND NOT EXISTS (SELECT 1 FROM ids WHERE ids.queue = queues.num)`,
} as const;

function repeat(row: string, rows: number): string {
  return Array.from({ length: rows }, () => row).join(", ");
}
