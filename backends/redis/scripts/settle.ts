/** Lua: moves what is due into the line, and ends expired leases. Before it comes the prelude. @module */

import { LEASE_EXPIRED_ERROR } from "../../../src/storage/backend.ts";

/** `promote(queue)` and `settle(queue)`: O(k log n) for k messages that move, O(1) where none does. */
export const SETTLE = `
-- Adds ids to the ends of their lines, lists being a list of ids by priority.
local function append(queue, lists)
  for priority, ids in pairs(lists) do
    parts(ids, function(part) call('RPUSH', line(queue, priority), unpack(part)) end)
  end
end

local function insert(lists, priority, id)
  local list = lists[priority]
  if not list then
    list = {}
    lists[priority] = list
  end
  list[#list + 1] = id
end

-- Before anything joins the line, what became due earlier must stand in it.
local function promote(queue)
  if queue.promoted then return end
  queue.promoted = true
  if call('EXISTS', queue.delayed) == 0 then return end
  repeat
    local due = call('ZRANGEBYSCORE', queue.delayed, '-inf', nowText, 'WITHSCORES', 'LIMIT', 0, CHUNK)
    local count = #due / 2
    if count > 0 then
      local ids, lists, changes = {}, {}, {}
      for position = 1, count do
        local member = due[2 * position - 1]
        ids[position] = string.sub(member, 18)
        insert(lists, string.sub(member, 17, 17), ids[position])
      end
      for position, state in ipairs(call('HMGET', queue.states, unpack(ids))) do
        changes[2 * position - 1] = ids[position]
        changes[2 * position] = 'R' .. due[2 * position] .. '.' .. string.sub(state, 19)
      end
      call('ZREMRANGEBYRANK', queue.delayed, 0, count - 1)
      call('HSET', queue.states, unpack(changes))
      append(queue, lists)
    end
  until count < CHUNK
end

-- What a member or token of a lease says: priority, attempts, most attempts, and where the id begins.
local function parseLease(member)
  local attempts, most, random = string.match(member, '^(%d+)/(%d+)%.%d+:%d+%.()', 19)
  return string.sub(member, 17, 17), tonumber(attempts), tonumber(most), random + 22
end

-- Ends every expired lease, in the order of their ends, and then of their deliveries. Returns how many they were.
local function settle(queue)
  promote(queue)
  local first = call('ZRANGE', queue.leased, 0, 0, 'WITHSCORES')
  if not first[2] or tonumber(first[2]) > now then return 0 end
  local expired = 0
  repeat
    local members = call('ZRANGEBYSCORE', queue.leased, '-inf', nowText, 'LIMIT', 0, CHUNK)
    local count = #members
    if count > 0 then
      local lists, states, errors, dead = {}, {}, {}, {}
      for _, member in ipairs(members) do
        local priority, attempts, most, first = parseLease(member)
        local id = string.sub(member, first)
        states[#states + 1] = id
        if attempts >= most then
          local mark = moment() .. priority
          states[#states + 1] = 'X' .. mark .. attempts .. '/' .. most
          dead[#dead + 1] = nowText
          dead[#dead + 1] = mark .. id
        else
          states[#states + 1] = 'R' .. nowText .. '.' .. attempts .. '/' .. most
          insert(lists, priority, id)
        end
        errors[#errors + 1] = id
        errors[#errors + 1] = '${LEASE_EXPIRED_ERROR}'
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
