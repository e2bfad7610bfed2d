-- Sends the requests of a file (REQUESTS in the environment), one a line: METHOD, path and body between tabs. They are laid
-- out before the clock starts, each thread begins at another place, and what was measured is printed as one line of JSON.
local threads = 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

local list, at = {}, 0
function init()
    local headers = {["Authorization"] = os.getenv("BEARER")}
    local with_body = {["Authorization"] = os.getenv("BEARER"), ["Content-Type"] = "application/json"}
    for line in io.lines(os.getenv("REQUESTS")) do
        local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
        local empty = body == ""
        list[#list + 1] = wrk.format(method, path, empty and headers or with_body, not empty and body or nil)
    end
    at = math.floor(#list / 2) * number
end

function request()
    at = at % #list + 1
    return list[at]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('RESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"p999_ms":%.4f,"max_ms":%.4f,"failed":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        latency:percentile(99.9) / 1e3, latency.max / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
