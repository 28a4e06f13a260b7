/** Lua: records, their index and their expiry. Before it comes the prelude. @module */

/** How many deletions of tracked records are remembered for each parent, and how long. */
const KEPT_DELETIONS = 1000;
const SPARE_DELETIONS = 200;
export const KEPT_DELETIONS_MS = 24 * 3600 * 1000;

/** `setRecord`, `deleteRecord`, `versionOf`: O(log n). `sweep(limit)`: O(k log n) for the k that have expired. */
export const RECORDS = `
local index, expiring = root .. ':index', root .. ':expiring'

local function recordKey(key)
  return root .. ':v:' .. key
end

-- The version of a record, false where there is none. It stands first, so that a large value is not copied for it.
local function versionOf(key)
  local version = call('GETRANGE', recordKey(key), 0, 15)
  return version ~= '' and version
end

local function parentOf(key)
  return string.match(key, '^(.*\\1)[^\\1]*\\1$') or ''
end

-- The record is not tracked any more. Those who follow the changes are told, if they ask in time.
local function untrack(key)
  local parent = parentOf(key)
  if call('ZREM', queueKey('c', parent), key) == 0 then return end
  local gone = queueKey('g', parent)
  call('ZADD', gone, moment(), key)
  call('PEXPIRE', gone, ${KEPT_DELETIONS_MS})
  if call('ZCARD', gone) > ${KEPT_DELETIONS + SPARE_DELETIONS} then
    call('ZREM', gone, '')
    local forgotten = call('ZRANGE', gone, ${SPARE_DELETIONS - 1}, ${SPARE_DELETIONS - 1}, 'WITHSCORES')
    call('ZREMRANGEBYRANK', gone, 0, ${SPARE_DELETIONS - 1})
    call('ZADD', gone, forgotten[2], '')
  end
end

local function setRecord(key, value, expiresIn, isTracked)
  local version = moment()
  local flag = isTracked and 't ' or ' '
  if expiresIn == '' then
    call('SET', recordKey(key), version .. ' -' .. flag .. value)
    call('ZREM', expiring, key)
  else
    local expiresAt = now + tonumber(expiresIn)
    -- Redis keeps a key through the millisecond that it is given; a record is gone when that begins.
    call('SET', recordKey(key), version .. ' ' .. expiresAt .. flag .. value, 'PXAT', expiresAt - 1)
    call('ZADD', expiring, expiresAt, key)
  end
  call('ZADD', index, 0, key)
  if isTracked then
    local parent = parentOf(key)
    call('ZADD', queueKey('c', parent), version, key)
    call('ZREM', queueKey('g', parent), key)
  else
    untrack(key)
  end
  return version
end

local function deleteRecord(key)
  call('ZREM', index, key)
  call('ZREM', expiring, key)
  untrack(key)
  return call('DEL', recordKey(key))
end

-- Redis deletes what has expired by itself; the index follows here, so much at a time.
local function sweep(limit)
  local gone = call('ZRANGEBYSCORE', expiring, '-inf', nowText, 'LIMIT', 0, limit)
  if #gone > 0 then
    call('ZREM', index, unpack(gone))
    call('ZREM', expiring, unpack(gone))
    for _, key in ipairs(gone) do call('ZREM', queueKey('c', parentOf(key)), key) end
  end
  return #gone
end
`;
