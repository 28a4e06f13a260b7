/** Lua: which message ids a queue has seen. Before it comes the prelude. @module */

/** `known(queue, ids)` and `recall(queue, note, ids)`: O(k) for k ids. */
export const DEDUPE = `
-- While a message is in its queue, that is where its id is looked for. Once it has left, the id is in the set of the half
-- of a window in which it was accepted; three halves cover a window. So sending fills one table, and not two.
local function bucketKey(queue, note)
  return root .. ':i:' .. note .. ':' .. queue.name
end

-- What to remember of a message that is accepted now.
local function noteOf(window)
  if window == '0' then return '0:0' end
  return window .. string.format(':%.0f', math.floor(now / (window / 2)))
end

-- Whether the queue holds or remembers each of these ids.
local function known(queue, ids)
  local found = call('HMGET', queue.messages, unpack(ids))
  local windows = call('HGETALL', queueKey('w', queue.name))
  for index = 1, #windows, 2 do
    local window, newest = windows[index], tonumber(windows[index + 1])
    local current = math.floor(now / (window / 2))
    if newest < current - 2 then
      call('HDEL', queueKey('w', queue.name), window)
    else
      for bucket = current - 2, newest do
        local key = bucketKey(queue, window .. string.format(':%.0f', bucket))
        if call('EXISTS', key) == 1 then
          local isMember = call('SMISMEMBER', key, unpack(ids))
          for position = 1, #ids do
            if isMember[position] == 1 then found[position] = true end
          end
        end
      end
    end
  end
  return found
end

-- Remembers the ids of messages with this note, which are leaving.
local function recall(queue, note, ids)
  local window, bucket = string.match(note, '(%d+):(%d+)')
  local forgets = math.ceil((bucket + 3) * window / 2)
  if forgets <= now then return end -- also where the window is 0
  local key = bucketKey(queue, note)
  local isNew = call('EXISTS', key) == 0
  call('SADD', key, unpack(ids))
  if not isNew then return end
  call('PEXPIREAT', key, forgets)
  local windows = queueKey('w', queue.name)
  local newest = call('HGET', windows, window)
  if newest and tonumber(newest) > tonumber(bucket) then return end
  call('HSET', windows, window, bucket)
  -- The longest window decides when the last of them is over.
  call('PEXPIREAT', windows, forgets, 'NX')
  call('PEXPIREAT', windows, forgets, 'GT')
end
`;
