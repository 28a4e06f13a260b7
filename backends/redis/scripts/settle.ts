/** Lua: moves what is due into the line, and ends expired leases. Before it comes the prelude. @module */

import { LEASE_EXPIRED_ERROR } from "../../../src/storage/backend.ts";

/** So many messages are moved by one script, for which the server keeps everybody waiting: 3 to 6 ms. */
const MAX_SETTLED = 500;

/** `promote(queue)` and `settle(queue)`: O(k log n) for k messages that move, O(log n) where none does. */
export const SETTLE = `
-- How many messages this script may move yet.
local room = ${MAX_SETTLED}

-- Takes what is over out of a sorted set, as far as there is room: members and scores in turn, how many they are, and
-- whether that is all.
local function takeOver(key)
  local over = call('ZCOUNT', key, '-inf', nowText)
  local count = math.min(over, room)
  room = room - count
  return count > 0 and call('ZPOPMIN', key, count), count, count == over
end

-- Adds ids to the ends of their lines, lists being a list of ids by priority.
local function append(queue, lists)
  for priority, ids in pairs(lists) do
    parts(ids, function(part) call('RPUSH', lineFor(queue, priority), unpack(part)) end)
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

-- Before anything joins the line, what became due earlier must stand in it. Returns whether it does: else what comes
-- now is to be delayed until now, which puts it behind the rest.
local function promote(queue)
  if queue.isPromoted ~= nil then return queue.isPromoted end
  local due, count, isAll = takeOver(queue.delayed)
  queue.isPromoted = isAll
  if count > 0 then
    local ids, lists, changes = {}, {}, {}
    for position = 1, count do
      local member = due[2 * position - 1]
      ids[position] = string.sub(member, 18)
      insert(lists, string.sub(member, 17, 17), ids[position])
    end
    for position, state in ipairs(call('HMGET', queue.states, unpack(ids))) do
      changes[2 * position - 1] = ids[position]
      changes[2 * position] = 'R' .. due[2 * position] .. '.' .. (state and string.sub(state, 19) or '0/0')
    end
    call('HSET', queue.states, unpack(changes))
    append(queue, lists)
  end
  return isAll
end

-- What a member or token of a lease says: priority, attempts, most attempts, and where the id begins.
local function parseLease(member)
  local attempts, most, random = string.match(member, '^(%d+)/(%d+)%.%d+:%d+%.()', 19)
  return string.sub(member, 17, 17), tonumber(attempts), tonumber(most), random + 22
end

-- Puts what is due into the line, and ends expired leases, in the order of their ends, and then of their deliveries.
-- Returns whether that was all, and how many leases it ended.
local function settle(queue)
  if not promote(queue) then return false, 0 end
  local ended, count, isAll = takeOver(queue.leased)
  if count > 0 then
    local lists, states, errors, dead = {}, {}, {}, {}
    for position = 1, count do
      local member = ended[2 * position - 1]
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
    call('HSET', queue.states, unpack(states))
    call('HSET', queueKey('e', queue.name), unpack(errors))
    if #dead > 0 then call('ZADD', queue.dead, unpack(dead)) end
    append(queue, lists)
  end
  return isAll, count
end
`;
