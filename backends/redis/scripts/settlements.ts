/** Lua: what else can be done with one lease or message. Part of the batch, behind the leases. @module */

/** `retry`, `bury`, `extend`, `redrive`: O(log n). */
export const SETTLEMENTS = `
-- An error as an argument is empty where there is none, and else stands behind a plus.
local function setError(queue, id, err)
  if err ~= '' then call('HSET', queueKey('e', queue.name), id, string.sub(err, 2)) end
end

local function bury(queue, id, token, err)
  local priority, attempts, most = parseLease(token)
  local mark = moment() .. priority
  call('ZREM', queue.leased, token .. id)
  call('ZADD', queue.dead, nowText, mark .. id)
  call('HSET', queue.states, id, 'X' .. mark .. attempts .. '/' .. most)
  setError(queue, id, err)
end

local function postpone(queue, id, priority, attempts, most, delay)
  local mark = moment() .. priority
  call('ZADD', queue.delayed, now + delay, mark .. id)
  call('HSET', queue.states, id, 'D' .. mark .. attempts .. '/' .. most)
end

-- Puts one message into the line.
local function lineUp(queue, id, priority, attempts, most)
  if not promote(queue) then return postpone(queue, id, priority, attempts, most, 0) end
  call('RPUSH', lineFor(queue, priority), id)
  call('HSET', queue.states, id, 'R' .. nowText .. '.' .. attempts .. '/' .. most)
end

local function retry(queue, id, token, delay, err)
  local priority, attempts, most = parseLease(token)
  if attempts >= most then
    bury(queue, id, token, err)
    return 'dead'
  end
  call('ZREM', queue.leased, token .. id)
  setError(queue, id, err)
  if delay == 0 then
    lineUp(queue, id, priority, attempts, most)
    return 'ready'
  end
  postpone(queue, id, priority, attempts, most, delay)
  return 'delayed'
end

local function extend(queue, id, token, lease)
  local ends = now + lease
  call('ZADD', queue.leased, ends, token .. id)
  return ends
end

-- The state of a message and its first letter, both false where it has none.
local function stateOf(queue, id)
  local state = call('HGET', queue.states, id)
  return state and string.sub(state, 1, 1), state
end

local function redrive(queue, id)
  local kind, state = stateOf(queue, id)
  if kind ~= 'X' then return 0 end
  call('ZREM', queue.dead, string.sub(state, 2, 18) .. id)
  lineUp(queue, id, string.sub(state, 18, 18), 0, string.match(state, '%d+$'))
  return 1
end
`;
