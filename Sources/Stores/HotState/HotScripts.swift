package import ValkeyClient

/// The layout of the hot state in Valkey, and the scripts that write it: a hash per symbol, source
/// and kind, and one of the sources of all symbols.
///
///     <namespace>:quote:<symbol>:<source>         bid bid_size ask ask_size bid_exchange …
///     <namespace>:trade:<symbol>:<source>         price size exchange …
///     <namespace>:bar:<symbol>:<series>:<source>  open high low close volume vwap trades …
///     <namespace>:providerbar:<symbol>:<data>-<length>:<source>  open high low close volume …
///     <namespace>:indicator:<symbol>:<name>:<source>  value unit period_start …
///     <namespace>:book:<symbol>:<source>          state reason bids asks …
///     <namespace>:lane:<partition>:<source>       epoch from ordinal watermark sent_ts …
///     <namespace>:sources                         by symbol: <source>:<expiry of its last key> …
///
/// Each hash has `order`, its place on the tape: the server accepts a value only if it is not older
/// than the stored one. One script call writes many keys, all of them declared. A cluster is not
/// supported, because it would need all keys of a call on one node.
///
/// `stale_after` is the age in milliseconds from which a reader should take the value as old, and
/// `filled` is `database` for a value that was read from there. Both are written when the life of a
/// hash is sent: always with a value of the database, and with the one that replaces it.
///
/// A symbol's sources are renewed whenever the life of a hash is sent. With each source is the Unix
/// time in milliseconds at which its last hash of the symbol expires. A reader leaves a source out
/// whose time is over, and the next renewal of the symbol removes it. All of it expires with the
/// last source. Of symbols that are renewed no more, each call that renews one looks at one by
/// chance, and removes it when its time is over: so symbols that are gone do not pile up.
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

    /// The field `filled` of a value that was read from the database. It is empty for others.
    static let database = "database"

    /// Returns the names of the fields of a kind, in the order of their values in a call.
    static func fields(_ kind: HotKind) -> [String] {
        switch kind {
        case .trade:
            [
                "price", "size", "exchange", "ts", "receive_ts", "partition", "ordinal", "lane",
                "delayed", "source",
            ]
        case .quote:
            [
                "bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange", "ts",
                "receive_ts", "partition", "ordinal", "lane", "delayed", "source",
            ]
        case .bar:
            [
                "open", "high", "low", "close", "volume", "vwap", "trades", "ts", "close_ts",
                "partial", "partition", "ordinal", "lane", "delayed", "source",
            ]
        case .providerBar:
            [
                "open", "high", "low", "close", "volume", "vwap", "trades", "ts", "close_ts",
                "receive_ts", "unfinished", "partition", "ordinal", "lane", "delayed", "source",
            ]
        case .indicator:
            [
                "value", "unit", "period_start", "period_end", "revision", "ts", "receive_ts",
                "partition", "ordinal", "lane", "delayed", "source",
            ]
        case .lane: ["epoch", "from", "ordinal", "watermark", "sent_ts", "source"]
        case .book:
            [
                "state", "reason", "bids", "asks", "bid_rows", "ask_rows", "crossed", "since",
                "ordinal", "ts", "receive_ts", "delayed", "source",
            ]
        }
    }

    /// Returns the number of words per hash, in ARGV after the life of new hashes, the number of
    /// hashes, and the age from which their values are stale: its order, its life in milliseconds
    /// (empty when it was sent lately, below zero for a value of the database), then the values of
    /// its fields. The last of them is the source. After all of them are the symbols of the hashes
    /// whose life is sent.
    static func wordsPerKey(_ kind: HotKind) -> Int { 2 + fields(kind).count }

    /// Returns the script. It contains the names of the fields, so that they need not be sent. In
    /// KEYS, the sources follow the hashes. Lanes have none: the marker follows them, and without
    /// it, because Valkey was emptied, none is written. Orders are compared as text, because Lua's
    /// numbers hold 53 bits only. A value of the database makes a hash that is missing, or replaces
    /// an older one of the database, and changes no other. But a book of which the database has
    /// another last change is not right any more, so that it is replaced. A key of another type
    /// must be ours, because of its name, and is made again.
    static func text(_ kind: HotKind) -> String {
        let fields = fields(kind).enumerated()
            .map { "'\($0.element)', ARGV[at + \($0.offset + 3)]" }.joined(separator: ", ")
        return """
            local call, pcall = redis.call, redis.pcall
            local words, hashes = \(wordsPerKey(kind)), tonumber(ARGV[2])
            local written, replaced, named = 0, 0, hashes * words + 3
            \(kind == .lane ? "if not call('GET', KEYS[hashes + 1]) then return 0 end" : renewed)
            for i = 1, hashes do
              local key, at = KEYS[i], (i - 1) * words + 3
              local order, life, filled = pcall('HGET', key, 'order'), ARGV[at + 2], ''
              if string.byte(life) == 45 then
                life, filled = string.sub(life, 2), '\(database)'
              end
              if life ~= '' then named = named + 1 end
              if type(order) == 'table' then
                if string.sub(order.err, 1, 9) ~= 'WRONGTYPE' then return order end
                call('DEL', key)
                order = false
                replaced = replaced + 1
              end
              local isOlder = order and order <= ARGV[at + 1]
              if isOlder and filled ~= '' then
                isOlder = \(replaceable(kind))
              end
              if not order or isOlder then
                call('HSET', key, 'order', ARGV[at + 1], \(fields))
                if life ~= '' or not order then
                  call('HSET', key, 'stale_after', ARGV[3], 'filled', filled)
                end
                if life ~= '' then
                  call('PEXPIRE', key, life)
                  \(kind == .lane ? "" : renewal)
                elseif not order then
                  call('PEXPIRE', key, ARGV[1])
                end
                written = written + 1
              end
            end
            \(kind == .lane ? "" : clearing)
            return written + replaced * \(replacedFactor)
            """
    }

    /// The key of the sources, the last expiry of those that a call renews, and the present time.
    private static let renewed = "local sources, last, now = KEYS[hashes + 1], 0, 0"

    /// Renews a hash's source among those of its symbol, after the hash's life was sent.
    private static let renewal = """
        local symbol, source, ends = ARGV[named], ARGV[at + words], call('PEXPIRETIME', key)
        last, now = math.max(last, ends), ends - life
        local known, entry = pcall('HGET', sources, symbol), ''
        if type(known) == 'table' then
          if string.sub(known.err, 1, 9) ~= 'WRONGTYPE' then return known end
          call('DEL', sources)
          known = false
          replaced = replaced + 1
        end
        for other, theirs in string.gmatch(known or '', '([^ :]+):(%d+)') do
          if other == source then
            theirs, source = string.format('%.0f', math.max(ends, theirs)), ''
          end
          if tonumber(theirs) >= now then entry = entry .. ' ' .. other .. ':' .. theirs end
        end
        if source ~= '' then
          entry = entry .. ' ' .. source .. ':' .. string.format('%.0f', ends)
        end
        call('HSET', sources, symbol, string.sub(entry, 2))
        """

    /// After a call that renewed sources: lets them expire with the last one, and removes a symbol
    /// that is over, if the one that is drawn is.
    private static let clearing = """
        if last > 0 then
          if call('PEXPIRETIME', sources) < last then call('PEXPIREAT', sources, last) end
          local drawn, ends = call('HRANDFIELD', sources, 1, 'WITHVALUES'), 0
          for theirs in string.gmatch(drawn[2], ':(%d+)') do ends = math.max(ends, theirs) end
          if ends < now then call('HDEL', sources, drawn[1]) end
        end
        """

    /// Returns the condition under which a value of the database replaces an older one.
    private static func replaceable(_ kind: HotKind) -> String {
        switch kind {
        case .trade, .quote, .bar, .providerBar, .indicator, .lane:
            "call('HGET', key, 'filled') == filled"
        case .book:
            "call('HGET', key, 'ordinal') ~= ARGV[at + \(2 + ordinalPlace)]"
        }
    }

    /// The place of a book's ordinal among its fields, from 1.
    private static var ordinalPlace: Int {
        (fields(.book).firstIndex(of: "ordinal") ?? 0) + 1
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
