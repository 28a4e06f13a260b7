/** What every script begins with: the names of the keys, the time, and the moments that order everything. @module */

/** The format of what is stored. A script refuses a namespace whose marker names another. */
export const FORMAT = 1;

/**
 * `KEYS[1]` is the namespace's marker, `{namespace}`, and holds the format, the last moment, and the priorities that
 * were ever sent with, highest first: `"1 1790000000000000 75"`. A claim looks at no line of another. All other keys
 * begin with it, and so with its hash tag: every key that a script touches derives from `KEYS[1]`, lies in the slot of
 * `KEYS[1]`, and is legal on Redis Cluster.
 *
 * | key | type | holds |
 * |---|---|---|
 * | `:v:KEY` | string | a record: version; expiry or `-`, and `t` behind it where the record is tracked; JSON text |
 * | `:index` | sorted set | the encoded keys of all records, for listing by key |
 * | `:expiring` | sorted set | the encoded keys of the records that expire, by when |
 * | `:c:PARENT` | sorted set | the encoded keys of the tracked records right below a key, by version |
 * | `:g:PARENT` | sorted set | the encoded keys of tracked records that were deleted, by when; empty: until when they are forgotten |
 * | `:queues` | sorted set | the encoded names of the queues that hold a message |
 * | `:m:QUEUE` | hash | by message id: when it was accepted, note, priority, most attempts, JSON text |
 * | `:s:QUEUE` | hash | by message id, its state, where it has one |
 * | `:e:QUEUE` | hash | by message id, its last error |
 * | `:0:QUEUE` to `:9:QUEUE` | list | the ids that are ready, in line, a list for each priority |
 * | `:d:QUEUE`, `:l:QUEUE`, `:x:QUEUE` | sorted set | delayed, leased and dead, by when they are due, end, have died |
 * | `:w:QUEUE` | hash | the lengths of the dedupe windows in use, each with its newest bucket |
 * | `:i:WINDOW:BUCKET:QUEUE` | set | the ids of messages that have left, and were accepted in this part of a window |
 *
 * A moment is a time in microseconds that was never given out before, also after a crash or a clock set back: 16
 * digits, so that moments order as text. A mark is a moment and a priority. What is due at the same time comes in the
 * order of its marks, which stand first in the members of the three sorted sets:
 *
 * - of `:d` and `:x`: mark, id
 * - of `:l`: mark, `F` for a first delivery or `A`, attempts `/` most attempts `.` note `.` 22 random characters, id.
 *   All that stands before the id is the token of the lease.
 *
 * A note says what to remember of a message once it has left: `WINDOW:BUCKET`, the window 0 for nothing.
 *
 * A state is
 *
 * - `R` due time `.` attempts `/` most attempts: ready, and was delayed or delivered before
 * - `D`, `X` mark attempts `/` most attempts: delayed, dead
 *
 * A message without one is leased, or is ready and was neither delayed nor delivered.
 */
export const PRELUDE = `
local call = redis.call
local root = KEYS[1]
local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
-- Numbers become text at a quarter of a microsecond each: what is used often becomes it once.
local nowText = string.format('%.0f', now)
-- No key has the second name. While the slot moves to another node of a cluster, a script fails at whatever is not
-- here, as it may be there by now: so it ends in this place, before it has done anything.
local found = redis.pcall('MGET', root, root .. ':')
if found.err then return {'moving', found.err} end
local marker = found[1] or call('GET', root) -- which tells, too, when it holds something else
if marker and string.sub(marker, 1, 2) ~= '${FORMAT} ' then return {'newer', marker} end

-- Lua takes no more than some thousand arguments in one call.
local CHUNK = 1000

local ALL = '9876543210'
local last, priorities = micros, ''
if marker then
  last = math.max(last, tonumber(string.sub(marker, 3, 18)))
  priorities = #marker > 18 and string.sub(marker, 20) or ALL -- the first markers named none
elseif call('EXISTS', root .. ':queues') == 1 then
  priorities = ALL -- somebody has taken the marker away
end

local head, headText, lastText
local function moment()
  last = last + 1
  local lastHead = math.floor(last / 10000)
  if lastHead ~= head then
    head = lastHead
    headText = string.format('%.0f', head)
  end
  lastText = headText .. string.format('%04d', last - head * 10000)
  return lastText
end

-- Called last: the moments that were given out are never given out again.
local isChanged = not marker
local function remember()
  if lastText or isChanged then
    call('SET', root, '${FORMAT} ' .. (lastText or string.format('%.0f', last)) .. ' ' .. priorities)
  end
end

local function queueKey(kind, name)
  return root .. ':' .. kind .. ':' .. name
end

-- The key names of a queue, made once a script.
local opened = {}
local function open(name)
  local queue = opened[name]
  if not queue then
    queue = {
      name = name,
      messages = queueKey('m', name),
      states = queueKey('s', name),
      delayed = queueKey('d', name),
      leased = queueKey('l', name),
      dead = queueKey('x', name),
    }
    opened[name] = queue
  end
  return queue
end

local function line(queue, priority)
  return queueKey(priority, queue.name)
end

-- The line that something is to be added to.
local function lineFor(queue, priority)
  if not string.find(priorities, priority, 1, true) then
    local sorted = ''
    for each in string.gmatch(ALL, '.') do
      if each == priority or string.find(priorities, each, 1, true) then sorted = sorted .. each end
    end
    priorities, isChanged = sorted, true
  end
  return line(queue, priority)
end

-- The first of a list, up to CHUNK at a time: visit(part) for each part.
local function parts(list, visit)
  for first = 1, #list, CHUNK do
    local part = {}
    for index = first, math.min(first + CHUNK - 1, #list) do part[#part + 1] = list[index] end
    visit(part)
  end
end
`;
