-- Requests from the file BENCH_REQUESTS, one a line: `METHOD path [body]`. GETs go round; a POST is sent once.
local lines, position, once = {}, 0, false

function init(_)
   local headers = {}
   for line in os.getenv("BENCH_HEADER_LINES"):gmatch("[^\n]+") do
      local name, value = line:match("^([^:]+): (.*)$")
      headers[name] = value
   end
   for line in io.lines(os.getenv("BENCH_REQUESTS")) do
      local method, path, body = line:match("^(%u+) (%S+) ?(.*)$")
      once = method == "POST"
      if once then headers["Content-Type"] = "application/json" end
      lines[#lines + 1] = wrk.format(method, path, headers, once and body or nil)
   end
end

function request()
   position = position + 1
   if position > #lines then
      if once then error("the file of requests is used up") end
      position = 1
   end
   return lines[position]
end

function done(summary, latency, _)
   local e = summary.errors
   io.write(string.format('{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      e.connect + e.read + e.write + e.status + e.timeout))
end
