/** Lua: which message ids a queue has seen. Before it comes the prelude. @module */

/** `known(queue, ids)` and `recall(queue, note, ids)`: O(k) for k ids. */
export const DEDUPE = `
-- While a message is in its queue, that is where its id is looked for. Once it has left, the id is in the set of the
-- half of a window in which it was accepted; three halves cover a window. So sending fills one table, and not two.
local function bucketKey(queue, note)
  return root .. ':i:' .. note .. ':' .. queue.name
end

local function noteFor(window, bucket)
  return window .. string.format(':%.0f', bucket)
end

-- What to remember of a message that is accepted now.
local function noteOf(window)
  if window == '0' then return '0:0' end
  return noteFor(window, math.floor(now / (window / 2)))
end

-- Takes away what is over. At its end, Redis would free a large set at once, which takes half a second for a million
-- ids; so it is to expire half a window later, and is freed beside all other work.
local function forget(queue, window, first, final)
  for bucket = first, final do call('UNLINK', bucketKey(queue, noteFor(window, bucket))) end
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
      forget(queue, window, newest - 2, newest)
    else
      for bucket = current - 2, newest do
        local key = bucketKey(queue, noteFor(window, bucket))
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
  if math.ceil((bucket + 3) * window / 2) <= now then return end -- also where the window is 0
  local key = bucketKey(queue, note)
  local isNew = call('EXISTS', key) == 0
  call('SADD', key, unpack(ids))
  if not isNew then return end
  forget(queue, window, bucket - 3, bucket - 3)
  local expires = math.ceil((bucket + 4) * window / 2)
  call('PEXPIREAT', key, expires)
  local windows = queueKey('w', queue.name)
  local newest = call('HGET', windows, window)
  if newest and tonumber(newest) > tonumber(bucket) then return end
  call('HSET', windows, window, bucket)
  -- The longest window decides when the last of them is over.
  call('PEXPIREAT', windows, expires, 'NX')
  call('PEXPIREAT', windows, expires, 'GT')
end
`;
