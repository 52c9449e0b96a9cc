-- Posts one body over and over until the time is up, lets every answer come in, and counts them.
-- Environment: BENCH_BODY (file), BENCH_KEY, BENCH_SECONDS, BENCH_CONNECTIONS (of one thread).

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long tv_sec; long tv_nsec; } bench_timespec;
  int clock_gettime(int clock, bench_timespec *time);
  int getpid(void);
  int kill(int pid, int signal);
]]

local spec = ffi.new("bench_timespec")
local threads = {}

local function now()
  ffi.C.clock_gettime(1, spec) -- CLOCK_MONOTONIC
  return tonumber(spec.tv_sec) + tonumber(spec.tv_nsec) / 1e9
end

function setup(thread)
  table.insert(threads, thread)
end

function init()
  local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
  connections = tonumber(os.getenv("BENCH_CONNECTIONS"))
  begun, ended, accepted, refused, parked = now(), now(), 0, 0, 0
  deadline = begun + tonumber(os.getenv("BENCH_SECONDS"))
end

-- Asked before each request but the first of a connection.  Once the time is up nobody sends any more, and
-- when the last connection has its answer wrk is interrupted: nothing is left under way that nobody counted.
function delay()
  if ended < deadline then
    return 0
  end
  parked = parked + 1
  if parked >= connections then
    ffi.C.kill(ffi.C.getpid(), 2) -- SIGINT, as from a terminal: it sums up what it has seen
  end
  return 3600000
end

function response(status)
  ended = now()
  if status == 202 then
    accepted = accepted + 1
  else
    refused = refused + 1
  end
end

function done(summary, latency)
  local sums = { accepted = 0, refused = 0, seconds = 0 }
  for _, thread in ipairs(threads) do
    sums.accepted = sums.accepted + thread:get("accepted")
    sums.refused = sums.refused + thread:get("refused")
    sums.seconds = math.max(sums.seconds, thread:get("ended") - thread:get("begun"))
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"accepted": %d, "refused": %d, "seconds": %.6f, "p50": %d, "p90": %d, "p99": %d, ' ..
    '"connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    sums.accepted, sums.refused, sums.seconds,
    latency:percentile(50), latency:percentile(90), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout))
end
