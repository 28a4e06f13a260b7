/** Lua: messages that are taken away by name, whatever their state. Part of the batch. @module */

/** In place of the token of a message that is in no state. */
export const STRAY = "---";

/**
 * `findPurged(op)`, `unknownLeases(ops)`, `purge(op)` and `closeGaps()`. Those who send, claim and acknowledge would
 * pay a quarter more for a line and leases that can be left from anywhere in O(log n). So who purges pays: O(log n) for
 * a delayed or dead message; O(k) for ready ones, k being how many stand before the last of them, in one look for all
 * of a batch: 4 ms for one behind 100,000, and next to nothing at the front. A leased one is found by its token, for
 * which the caller looks with `./leased.ts` once it was told that it is needed.
 */
export const PURGE = `
-- What this batch purges out of lines: of each line its key, the operations by id, and their number.
local leaving = {}

local function findPurged(op)
  local message = call('HGET', op.queue.messages, op.id)
  if not message then return end
  op.note, op.priority = string.match(message, '^%d+ (%S+) (%d)')
  if not op.note then op.note, op.priority = '0:0', '0' end -- it is damaged
  op.state = stateOf(op.queue, op.id)
  if op.state == 'D' or op.state == 'X' then return end
  op.isLeased = op.token ~= '' and call('ZSCORE', op.queue.leased, op.token .. op.id)
  if op.isLeased then return end
  local key = line(op.queue, op.priority)
  local ids = leaving[key] or {count = 0, ops = {}}
  ids.ops[op.id] = op
  ids.count = ids.count + 1
  leaving[key] = ids
end

-- Finds the places in the lines: one by one where they are few, else in one look through the line, which costs as much
-- as some six of those.
local function findPlaces(key, ids)
  if ids.count < 6 then
    for id, op in pairs(ids.ops) do op.place = call('LPOS', key, id) end
    return
  end
  local missing = ids.count
  for first = 0, call('LLEN', key) - 1, CHUNK do
    for offset, id in ipairs(call('LRANGE', key, first, first + CHUNK - 1)) do
      if ids.ops[id] then
        ids.ops[id].place = first + offset - 1
        missing = missing - 1
      end
    end
    if missing == 0 then return end
  end
end

-- Which operations, counted from 0, purge what is leased by a token that is to be told.
local function unknownLeases(ops)
  for key, ids in pairs(leaving) do findPlaces(key, ids) end
  local unknown = {}
  for position, each in ipairs(ops) do
    local op = each.op
    local isKnown = not op.priority or op.state == 'D' or op.state == 'X' or op.isLeased or op.place
    if not isKnown and op.token ~= '${STRAY}' then
      unknown[#unknown + 1] = position - 1
    end
  end
  return unknown
end

-- How many messages have left each line. No id is empty: so a gap does not move those that stand behind it.
local gaps = {}

local function purge(op)
  if not op.note then return 0 end
  local queue, id, key = op.queue, op.id, line(op.queue, op.priority)
  local kind, state = stateOf(queue, id)
  -- First: a server whose memory is full lets a script begin with what frees some, and then go on.
  remove(queue, {id}, {[op.note] = {id}}, {id})
  if kind == 'D' then
    call('ZREM', queue.delayed, string.sub(state, 2, 18) .. id)
  elseif kind == 'X' then
    call('ZREM', queue.dead, string.sub(state, 2, 18) .. id)
  elseif op.isLeased then
    call('ZREM', queue.leased, op.token .. id)
  elseif op.place then
    call('LSET', key, op.place, '')
    gaps[key] = (gaps[key] or 0) + 1
  else
    call('LREM', key, -1, id) -- an operation before this one has put it there, as it was due
  end
  return 1
end

-- Called when all of the batch is done.
local function closeGaps()
  for key, count in pairs(gaps) do call('LREM', key, count, '') end
  gaps = {}
end
`;
