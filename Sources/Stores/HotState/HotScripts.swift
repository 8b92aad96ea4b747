package import ValkeyClient

/// The layout of the hot state in Valkey, and the scripts that write it: a hash per symbol and
/// kind.
///
///     <namespace>:quote:<symbol>         bid bid_size ask ask_size bid_exchange ask_exchange …
///     <namespace>:trade:<symbol>         price size exchange …
///     <namespace>:bar:<symbol>:<series>  open high low close volume vwap trades …
///
/// Each hash has `order`, its place on the tape: the server accepts a value only if it is not older
/// than the stored one. One script call writes many keys, all of them declared. A cluster is not
/// supported, because it would need all keys of a call on one node.
package enum HotScripts {
    /// The most keys of a call. The server does nothing else meanwhile, for some 3 us per key.
    static let keysMax = 256
    /// The interval at which a key's life is sent again. Sending it with every value would cost the
    /// server a quarter of its work.
    static let renewalNanoseconds: Int64 = 1_000_000_000
    /// A script returns the number of keys that it wrote, plus this factor times the number of keys
    /// that it replaced because they were no hashes.
    static let replacedFactor: Int64 = 65_536

    static func fields(_ kind: HotKind) -> [String] {
        switch kind {
        case .trade: ["price", "size", "exchange", "ts", "receive_ts", "source"]
        case .quote:
            [
                "bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange", "ts",
                "receive_ts", "source",
            ]
        case .bar:
            [
                "open", "high", "low", "close", "volume", "vwap", "trades", "ts", "close_ts",
                "partial", "source",
            ]
        }
    }

    /// Returns the number of words per key, in ARGV after the life of new keys: its order, its life
    /// in milliseconds (empty when it was sent lately), then the values of its fields.
    static func wordsPerKey(_ kind: HotKind) -> Int { 2 + fields(kind).count }

    /// Returns the script. It contains the names of the fields, so that they need not be sent.
    /// Orders are compared as text, because Lua's numbers hold 53 bits only. A key of another type
    /// must be ours, because of its name, and is made again.
    static func text(_ kind: HotKind) -> String {
        let fields = fields(kind).enumerated()
            .map { "'\($0.element)', ARGV[at + \($0.offset + 3)]" }.joined(separator: ", ")
        return """
            local call, pcall = redis.call, redis.pcall
            local written, replaced = 0, 0
            for i = 1, #KEYS do
              local key, at = KEYS[i], (i - 1) * \(wordsPerKey(kind)) + 1
              local order, life = pcall('HGET', key, 'order'), ARGV[at + 2]
              if type(order) == 'table' then
                if string.sub(order.err, 1, 9) ~= 'WRONGTYPE' then return order end
                call('DEL', key)
                order = false
                replaced = replaced + 1
              end
              if not order or order <= ARGV[at + 1] then
                call('HSET', key, 'order', ARGV[at + 1], \(fields))
                if life ~= '' then
                  call('PEXPIRE', key, life)
                elseif not order then
                  call('PEXPIRE', key, ARGV[1])
                end
                written = written + 1
              end
            end
            return written + replaced * \(replacedFactor)
            """
    }

    struct Refused: Error {
        let reason: String
    }

    /// Loads the scripts into the server and returns their digests.
    package static func load(on session: ValkeyConnection) throws -> [HotKind: [UInt8]] {
        var digests: [HotKind: [UInt8]] = [:]
        for kind in HotKind.allCases {
            let reply = try session.command(["SCRIPT", "LOAD", .text(text(kind))])
            guard let digest = reply.text else {
                throw Refused(reason: reply.errorMessage ?? "no digest came back")
            }
            digests[kind] = Array(digest.utf8)
        }
        return digests
    }
}
