-- `http-request lua.cattery unix@SOCKET`: asks the agent whether a request may pass.
--
-- A yes sets the agent's x-cat-* headers on the request, and the variable txn.cattery to "passes". A no is answered as the agent says.
-- Anything else leaves the variable unset, and the configuration refuses the request.

-- How long one question may take, milliseconds. HAProxy repeats one that times out three times, and then gives up.
local TIMEOUT = 2000

-- What the client says to the agent: the only headers of it that the agent gets.
local OF_CLIENT = { "authorization", "x-cat-forward" }
-- What the client gets of the agent's no, besides status and body.
local OF_REFUSAL = { "content-type", "cache-control", "retry-after", "www-authenticate", "x-cat-decision-id" }
local REASONS = { [401] = "Unauthorized", [403] = "Forbidden", [503] = "Service Unavailable" }

-- HAProxy counts the values of a header from 0.
local function values(headers, name)
    local list = {}
    local found = headers[name]
    local at = 0
    while found and found[at] do
        list[#list + 1] = found[at]
        at = at + 1
    end
    return list
end

-- These four are all that `facts = "x-forwarded"` believes.
local function question(txn)
    local headers = {
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
        ["x-forwarded-for"] = { tostring(txn.f:src()) },
    }
    local asked = txn.http:req_get_headers()
    local hosts = values(asked, "host")
    if #hosts > 0 then
        headers["x-forwarded-host"] = hosts
    end
    for _, name in ipairs(OF_CLIENT) do
        local list = values(asked, name)
        if #list > 0 then
            headers[name] = list
        end
    end
    return headers
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, reason = REASONS[answer.status] })
    for _, name in ipairs(OF_REFUSAL) do
        for _, value in ipairs(values(answer.headers, name)) do
            reply:add_header(name, value)
        end
    end
    reply:set_body(answer.body)
    txn:done(reply)
end

local function cattery(txn, agent)
    local answer = core.httpclient():get({
        url = "http://cattery-agent/auth",
        dst = agent,
        headers = question(txn),
        timeout = TIMEOUT,
    })
    -- Without an answer, HAProxy makes one up: 503 or 504. Decisions are the agent's alone.
    if not answer.headers or not answer.headers["x-cat-decision-id"] then
        return
    end
    if REASONS[answer.status] then
        refuse(txn, answer)
    elseif answer.status == 200 then
        for name in pairs(answer.headers) do
            if name:sub(1, 6) == "x-cat-" then
                txn.http:req_set_header(name, values(answer.headers, name)[1])
            end
        end
        txn:set_var("txn.cattery", "passes")
    end
end

core.register_action("cattery", { "http-req" }, cattery, 1)
