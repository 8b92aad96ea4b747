package import ValkeyClient

/// The layout of the hot state in Valkey, and the Lua scripts that write it, one per kind: a hash
/// per symbol and kind.
///
///     <namespace>:quote:<symbol>         bid bid_size ask ask_size bid_exchange ask_exchange …
///     <namespace>:trade:<symbol>         price size exchange …
///     <namespace>:bar:<symbol>:<series>  open high low close volume vwap trades …
///
/// Each hash has the field `order`, its value's place on the tape (`HotOrder`): the script writes a
/// value only if it is not older than the stored one. So several writers may write the same key.
/// One script call writes many keys, all of them declared in KEYS. A cluster is not supported,
/// because it would need all keys of a call on one node.
package enum HotScripts {
    /// The most keys of a call. The server does nothing else during a call, which takes some 3 µs
    /// per key.
    static let keysMax = 256
    /// The interval at which a key's life (its time to expiry) is sent again. Setting it with every
    /// value would be a quarter of the server's work.
    static let renewalNanoseconds: Int64 = 1_000_000_000
    /// A script returns the number of keys that it wrote, plus this factor times the number of keys
    /// that it replaced because they were no hashes.
    static let replacedFactor: Int64 = 65_536

    /// Returns the names of the fields of a kind, in the order of their values in a call.
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

    /// Returns the number of words in ARGV per key. They are: its order, its life in milliseconds
    /// or an empty text (the life was sent lately), and the values of its fields. ARGV begins with
    /// one more word: the life of a key that does not exist yet.
    static func wordsPerKey(_ kind: HotKind) -> Int { 2 + fields(kind).count }

    /// Returns the script of a kind. It contains the names of the fields, so that a call need not
    /// send them. Orders are compared as text of fixed length, because Lua's numbers hold 53 bits
    /// only. A key of our name that is no hash is deleted and made again.
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

    /// Valkey has refused a command of the connecting session.
    struct Refused: Error {
        let reason: String
    }

    /// Loads the scripts into the server and returns their digests, by which calls name them.
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
