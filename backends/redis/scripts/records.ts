/** Lua: records, their index and their expiry. Before it comes the prelude. @module */

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

local function setRecord(key, value, expiresIn)
  local version = moment()
  if expiresIn == '' then
    call('SET', recordKey(key), version .. ' - ' .. value)
    call('ZREM', expiring, key)
  else
    local expiresAt = now + tonumber(expiresIn)
    -- Redis keeps a key through the millisecond that it is given; a record is gone when that begins.
    call('SET', recordKey(key), version .. ' ' .. expiresAt .. ' ' .. value, 'PXAT', expiresAt - 1)
    call('ZADD', expiring, expiresAt, key)
  end
  call('ZADD', index, 0, key)
  return version
end

local function deleteRecord(key)
  call('ZREM', index, key)
  call('ZREM', expiring, key)
  return call('DEL', recordKey(key))
end

-- Redis deletes what has expired by itself; the index follows here, so much at a time.
local function sweep(limit)
  local gone = call('ZRANGEBYSCORE', expiring, '-inf', nowText, 'LIMIT', 0, limit)
  if #gone > 0 then
    call('ZREM', index, unpack(gone))
    call('ZREM', expiring, unpack(gone))
  end
  return #gone
end
`;
