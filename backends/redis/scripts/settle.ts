/** Lua: moves what is due into the line, and ends expired leases. Before it comes the prelude. @module */

import { LEASE_EXPIRED_ERROR } from "../../../src/storage/backend.ts";

/** `promote(queue)` and `settle(queue)`: O(k log n) for k messages that move, O(log n) where none does. */
export const SETTLE = `
-- Where a member of a sorted set says that its message belongs.
local function parse(member)
  return string.sub(member, 18), string.sub(member, 17, 17)
end

-- What a state says of attempts: those that were made, and the most there may be.
local function attemptsOf(state)
  local attempts, most = string.match(state, '^(%d+)/(%d+)', 19)
  return tonumber(attempts), tonumber(most)
end

-- Adds ids to the ends of their lines, lists being a list of ids by priority.
local function append(queue, lists)
  for priority, ids in pairs(lists) do
    parts(ids, function(part) call('RPUSH', line(queue, priority), unpack(part)) end)
  end
end

-- Before anything joins the line, what became due earlier must stand in it.
local function promote(queue)
  if queue.promoted then return end
  queue.promoted = true
  repeat
    local due = call('ZRANGEBYSCORE', queue.delayed, '-inf', now, 'WITHSCORES', 'LIMIT', 0, CHUNK)
    local count = #due / 2
    if count > 0 then
      local ids, lists = {}, {}
      for index = 1, count do
        local id, priority = parse(due[2 * index - 1])
        ids[index] = id
        lists[priority] = lists[priority] or {}
        table.insert(lists[priority], id)
      end
      local states = call('HMGET', queue.states, unpack(ids))
      local changes = {}
      for index = 1, count do
        changes[2 * index - 1] = ids[index]
        changes[2 * index] = 'R' .. due[2 * index] .. '.' .. string.sub(states[index], 19)
      end
      call('ZREMRANGEBYRANK', queue.delayed, 0, count - 1)
      call('HSET', queue.states, unpack(changes))
      append(queue, lists)
    end
  until count < CHUNK
end

-- Ends every expired lease, in the order of their ends, and then of their deliveries. Returns how many they were.
local function settle(queue)
  promote(queue)
  local expired = 0
  repeat
    local members = call('ZRANGEBYSCORE', queue.leased, '-inf', now, 'LIMIT', 0, CHUNK)
    local count = #members
    if count > 0 then
      local ids, lists, states, errors, dead = {}, {}, {}, {}, {}
      for index, member in ipairs(members) do ids[index] = parse(member) end
      for index, state in ipairs(call('HMGET', queue.states, unpack(ids))) do
        local id, priority = parse(members[index])
        local attempts, most = attemptsOf(state)
        table.insert(states, id)
        if attempts >= most then
          local mark = moment() .. priority
          table.insert(states, 'X' .. mark .. attempts .. '/' .. most)
          table.insert(dead, now)
          table.insert(dead, mark .. id)
        else
          table.insert(states, 'R' .. now .. '.' .. attempts .. '/' .. most)
          lists[priority] = lists[priority] or {}
          table.insert(lists[priority], id)
        end
        table.insert(errors, id)
        table.insert(errors, '${LEASE_EXPIRED_ERROR}')
      end
      call('ZREMRANGEBYRANK', queue.leased, 0, count - 1)
      call('HSET', queue.states, unpack(states))
      call('HSET', queue.errors, unpack(errors))
      if #dead > 0 then call('ZADD', queue.dead, unpack(dead)) end
      append(queue, lists)
      expired = expired + count
    end
  until count < CHUNK
  return expired
end
`;
