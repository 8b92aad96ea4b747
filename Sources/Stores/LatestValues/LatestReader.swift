package import MarketModel
package import Primitives
package import ValkeyClient

/// Reads the latest values of symbols from Valkey.
package struct LatestReader {
    /// The fields of a key that say what the value is, and those of every key.
    private static let fields = [
        "trade": ["price", "size", "exchange"],
        "quote": ["bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange"],
        "bar": ["open", "high", "low", "close", "volume", "vwap", "trades"],
    ]
    private static let shared = [
        "partition", "lane", "ordinal", "filled", "receive_ts", "close_ts", "order",
    ]

    /// What is asked for.
    package struct Wanted: Hashable, Sendable {
        package let symbols: [Symbol]
        /// `nil`: all sources of a symbol.
        package let source: SourceName?
        /// Whose last bars are wanted, besides the last trade and quote.
        package let series: [SeriesName]

        package init(_ symbols: [Symbol], of source: SourceName?, _ series: [SeriesName]) {
            (self.symbols, self.source, self.series) = (symbols, source, series)
        }
    }

    /// So many commands are sent together, and answered within the time of the connection; and so
    /// many symbols are in one command that asks for their sources.
    private static let commandsMax = 1_000

    private let namespace: String
    private let session: ValkeyConnection

    package init(namespace: String, _ session: ValkeyConnection) {
        (self.namespace, self.session) = (namespace, session)
    }

    /// Returns a value per symbol, source and kind, in this order. `now` is the time by which
    /// sources have expired. Blocks.
    package func values(
        _ wanted: Wanted, now: Timestamp
    ) throws(ValkeyError) -> [LatestValue] {
        try first(Int.max, of: wanted, now: now).values
    }

    /// Returns the first values, and how many more there are, which are not read. Blocks.
    package func first(
        _ most: Int, of wanted: Wanted, now: Timestamp
    ) throws(ValkeyError) -> (values: [LatestValue], more: Int) {
        let all = try known(wanted, now)
        let asked = Array(all.prefix(most))
        return (try read(asked), all.count - asked.count)
    }

    private func read(_ known: [LatestValue]) throws(ValkeyError) -> [LatestValue] {
        let asked = known.indices.filter { known[$0].source != nil }
        var values = known
        let first = try exchange(asked.count) { ask(for: known[asked[$0]]) }
        take(first[...], asked, into: &values)
        let lanes = Array(Set(values.compactMap(\.place)))
        guard !lanes.isEmpty else { return values }
        // A lane is read before its values: one that was read earlier may have been replaced by
        // what the lane counts.
        let replies = try exchange(lanes.count + asked.count) { number in
            guard number < lanes.count else { return ask(for: known[asked[number - lanes.count]]) }
            let lane = lanes[number]
            let key = "\(namespace):lane:\(lane.partition.number):\(lane.source.text)"
            session.append(["HMGET", .text(key), "from", "ordinal"])
        }
        let kept = Dictionary(
            zip(lanes, replies).map { ($0, Self.kept($1)) }, uniquingKeysWith: { $1 })
        values = known
        take(replies.dropFirst(lanes.count), asked, into: &values)
        for index in asked { values[index].kept = values[index].place.flatMap { kept[$0] ?? nil } }
        return values
    }

    /// Returns a row per symbol, source and kind, without values.
    private func known(
        _ wanted: Wanted, _ now: Timestamp
    ) throws(ValkeyError) -> [LatestValue] {
        let replies = try wanted.source == nil ? sources(wanted.symbols) : []
        let kinds = ["trade", "quote"] + wanted.series.map { "bar \($0.text)" }
        return wanted.symbols.indices.flatMap { number in
            let symbol = wanted.symbols[number]
            let reply = wanted.source == nil ? replies[number] : .null
            let sources =
                wanted.source.map { [$0] } ?? Self.sources(reply.text ?? "", at: now)
            return (sources.isEmpty ? [nil] : sources.map(Optional.some)).flatMap { source in
                kinds.map { kind in
                    LatestValue(
                        symbol: symbol, source: source, kind: kind,
                        unknown: source == nil
                            ? reply.errorMessage ?? LatestValue.noSource : LatestValue.noValue)
                }
            }
        }
    }

    /// Returns the reply of each symbol: its sources, nothing, or why there are none.
    private func sources(_ symbols: [Symbol]) throws(ValkeyError) -> [ValkeyReply] {
        let firsts = Array(stride(from: 0, to: symbols.count, by: Self.commandsMax))
        let parts = firsts.map { symbols[$0..<min(symbols.count, $0 + Self.commandsMax)] }
        let replies = try exchange(parts.count) { number in
            session.append(
                ["HMGET", .text("\(namespace):sources")] + parts[number].map { .text($0.text) })
        }
        return zip(parts, replies).flatMap { part, reply -> [ValkeyReply] in
            if case .array(let each) = reply, each.count == part.count { return each }
            return Array(repeating: reply, count: part.count)
        }
    }

    /// Returns the replies to so many commands, each of which `append` appends, in their order.
    private func exchange(
        _ count: Int, _ append: (Int) -> Void
    ) throws(ValkeyError) -> [ValkeyReply] {
        var replies: [ValkeyReply] = []
        while replies.count < count {
            let part = replies.count..<min(count, replies.count + Self.commandsMax)
            for number in part { append(number) }
            replies += try session.replies(count: part.count)
        }
        return replies
    }

    /// Reads what the hot state has of a symbol's sources, and returns those that have not expired.
    package static func sources(_ text: String, at now: Timestamp) -> [SourceName] {
        text.split(separator: " ").compactMap { one in
            let parts = one.split(separator: ":")
            guard parts.count == 2, let end = Int64(parts[1]),
                end >= now.nanoseconds / 1_000_000
            else { return nil }
            return SourceName(String(parts[0]))
        }.sorted { $0.text < $1.text }
    }

    private func ask(for value: LatestValue) {
        let parts = value.kind.split(separator: " ").map(String.init)
        let key =
            ([namespace, parts[0], value.symbol.text] + parts.dropFirst()
            + [value.source?.text ?? ""]).joined(separator: ":")
        let names = (Self.fields[parts[0]] ?? []) + Self.shared
        session.append(["HMGET", .text(key)] + names.map { .text($0) })
    }

    private func take(
        _ replies: ArraySlice<ValkeyReply>, _ asked: [Int], into values: inout [LatestValue]
    ) {
        for (index, reply) in zip(asked, replies) { Self.take(reply, into: &values[index]) }
    }

    /// Takes the fields of a key. One without a place on the tape is no value of the hot state.
    static func take(_ reply: ValkeyReply, into row: inout LatestValue) {
        if let refusal = reply.errorMessage { row.unknown = refusal }
        let kind = row.kind.prefix { $0 != " " }
        let names = (fields[String(kind)] ?? []) + shared
        guard case .array(let replies) = reply, replies.count == names.count else { return }
        let texts = Dictionary(
            zip(names, replies).compactMap { name, reply in reply.text.map { (name, $0) } },
            uniquingKeysWith: { $1 })
        guard let number = texts["partition"].flatMap({ UInt16($0) }),
            Int(number) < Partition.countRange.upperBound
        else { return }
        row.unknown = nil
        row.values = (fields[String(kind)] ?? []).compactMap { name in
            texts[name].flatMap { $0.isEmpty ? nil : (name, $0) }
        }
        row.partition = Partition(Int(number))
        row.lane = texts["lane"].flatMap { SourceName($0) }
        row.ordinal = texts["ordinal"].flatMap { UInt64($0) }
        row.isOfDatabase = texts["filled"] == "database"
        row.order = texts["order"] ?? ""
        let heard = texts[kind == "bar" ? "close_ts" : "receive_ts"].flatMap { Int64($0) }
        row.heardAt = heard.map { Timestamp(nanoseconds: $0) } ?? .undefined
    }

    /// Reads the key of a lane.
    static func kept(_ reply: ValkeyReply) -> (from: UInt64, to: UInt64)? {
        guard case .array(let replies) = reply, replies.count == 2,
            let from = replies[0].text.flatMap({ UInt64($0) }),
            let to = replies[1].text.flatMap({ UInt64($0) })
        else { return nil }
        return (from, to)
    }
}
