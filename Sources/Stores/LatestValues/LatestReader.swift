import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import ValkeyClient

/// Reads the latest values from Valkey, and the heads of their lanes from the tape.
final class LatestRun {
    /// The fields of a key that say what the value is, and those of every key.
    private static let fields = [
        "trade": ["price", "size", "exchange"],
        "quote": ["bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange"],
        "bar": ["open", "high", "low", "close", "volume", "vwap", "trades"],
    ]
    private static let shared = [
        "partition", "lane", "ordinal", "filled", "receive_ts", "close_ts",
    ]

    private let command: LatestCommand
    private let deployment: Deployment
    /// Why the tape could not be asked; `nil` when it answered.
    private(set) var tapeProblem: String?

    init(_ command: LatestCommand, _ deployment: Deployment) {
        self.command = command
        self.deployment = deployment
    }

    func rows(_ valkey: ValkeyConfiguration) throws(ToolError) -> [LatestRow] {
        var rows: [LatestRow]
        do throws(ValkeyError) {
            let session = try ValkeyConnection(valkey)
            defer { session.close() }
            rows = try known(session)
            try read(&rows, session)
            try readKept(&rows, session)
        } catch {
            throw .unreachable("\(error)")
        }
        addFeeds(&rows)
        return rows
    }

    private var namespace: String { deployment.names.namespace }

    /// Returns a row per symbol, source and kind, without values.
    private func known(_ session: ValkeyConnection) throws(ValkeyError) -> [LatestRow] {
        let milliseconds = SystemClock().now().nanoseconds / 1_000_000
        for symbol in command.symbols {
            session.append([
                "ZRANGE", .text("\(namespace):sources:\(symbol.text)"), .integer(milliseconds),
                "+inf", "BYSCORE",
            ])
        }
        let kinds = ["trade", "quote"] + command.series.map { "bar \($0.text)" }
        var rows: [LatestRow] = []
        for (symbol, reply) in zip(
            command.symbols, try session.replies(count: command.symbols.count))
        {
            let sources = command.source.map { [$0] } ?? Self.sources(reply)
            for source in sources.isEmpty ? [nil] : sources.map(Optional.some) {
                for kind in kinds {
                    rows.append(
                        LatestRow(
                            symbol: symbol, source: source, kind: kind,
                            unknown: source == nil
                                ? reply.errorMessage ?? "Valkey has no source of it"
                                : "Valkey has none"))
                }
            }
        }
        return rows
    }

    private static func sources(_ reply: ValkeyReply) -> [SourceName] {
        guard case .array(let replies) = reply else { return [] }
        return replies.compactMap { $0.text.flatMap { SourceName($0) } }
            .sorted { $0.text < $1.text }
    }

    private func read(
        _ rows: inout [LatestRow], _ session: ValkeyConnection
    ) throws(ValkeyError) {
        let asked = rows.indices.filter { rows[$0].source != nil }
        for index in asked {
            let row = rows[index]
            let parts = row.kind.split(separator: " ").map(String.init)
            let key =
                ([namespace, parts[0], row.symbol.text] + parts.dropFirst()
                + [row.source?.text ?? ""]).joined(separator: ":")
            let names = (Self.fields[parts[0]] ?? []) + Self.shared
            session.append(["HMGET", .text(key)] + names.map { .text($0) })
        }
        for (index, reply) in zip(asked, try session.replies(count: asked.count)) {
            Self.take(reply, into: &rows[index])
        }
    }

    /// Takes the fields of a key. One without a place on the tape is no value of the hot state.
    static func take(_ reply: ValkeyReply, into row: inout LatestRow) {
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
        let heard = texts[kind == "bar" ? "close_ts" : "receive_ts"].flatMap { Int64($0) }
        row.heardAt = heard.map { Timestamp(nanoseconds: $0) } ?? .undefined
    }

    /// Reads how far the lanes are in Valkey.
    private func readKept(
        _ rows: inout [LatestRow], _ session: ValkeyConnection
    ) throws(ValkeyError) {
        let asked = rows.indices.filter { rows[$0].lane != nil && rows[$0].partition != nil }
        for index in asked {
            guard let lane = rows[index].lane, let partition = rows[index].partition else {
                continue
            }
            session.append([
                "HMGET", .text("\(namespace):lane:\(partition):\(lane.text)"), "from", "ordinal",
            ])
        }
        for (index, reply) in zip(asked, try session.replies(count: asked.count)) {
            rows[index].kept = Self.kept(reply)
        }
    }

    /// Reads the key of a lane.
    static func kept(_ reply: ValkeyReply) -> (from: UInt64, to: UInt64)? {
        guard case .array(let replies) = reply, replies.count == 2,
            let from = replies[0].text.flatMap({ UInt64($0) }),
            let to = replies[1].text.flatMap({ UInt64($0) })
        else { return nil }
        return (from, to)
    }

    // MARK: the tape

    /// A lane whose head is asked for.
    private struct Lane: Hashable {
        let source: SourceName
        let partition: Partition
    }

    private func addFeeds(_ rows: inout [LatestRow]) {
        let lanes = Set(rows.compactMap { Self.lane(of: $0) })
        guard !lanes.isEmpty else { return }
        do {
            let feeds = try heads(Array(lanes))
            for index in rows.indices {
                rows[index].feed = Self.lane(of: rows[index]).flatMap { feeds[$0] }
            }
        } catch {
            tapeProblem = "\(error)"
        }
    }

    private static func lane(of row: LatestRow) -> Lane? {
        guard let source = row.lane, let partition = row.partition else { return nil }
        return Lane(source: source, partition: partition)
    }

    /// Returns what the last packets of lanes and of their sources' watermarks say.
    private func heads(_ lanes: [Lane]) throws -> [Lane: LatestRow.Feed] {
        let client = try deployment.connect()
        defer { client.close() }
        let packets = try client.lastPacketOfEach(
            lanes.flatMap { Self.places(of: $0.source, $0.partition, client.names) })
        var feeds: [Lane: LatestRow.Feed] = [:]
        for (index, lane) in lanes.enumerated() {
            feeds[lane] = Self.feed(
                packets[index * 2]?.header, promise: packets[index * 2 + 1]?.header)
        }
        return feeds
    }

    /// Returns where the last packets of a lane and of its source's watermarks are.
    static func places(
        of source: SourceName, _ partition: Partition, _ names: TapeNames
    ) -> [(stream: String, subject: String)] {
        if source == .operator || source == .universe {
            let output = (stream: names.barStream, subject: names.derived(partition, source))
            return [output, output]
        }
        let index = names.streamIndex(of: partition)
        let stream = names.tickStream(index)
        return [
            (stream: stream, subject: names.ticks(partition, source)),
            (stream: stream, subject: names.watermarks(stream: index, source)),
        ]
    }

    static func feed(_ records: PacketHeader?, promise: PacketHeader?) -> LatestRow.Feed {
        var feed = LatestRow.Feed()
        for header in [records, promise].compactMap({ $0 }) {
            // A marker promises nothing.
            if header.watermark.isDefined, header.watermark.nanoseconds != Int64.min {
                feed.watermark =
                    feed.watermark.isDefined
                    ? max(feed.watermark, header.watermark) : header.watermark
            }
            feed.sentAt =
                feed.sentAt.isDefined ? max(feed.sentAt, header.sendTime) : header.sendTime
        }
        if let records {
            feed.ordinal = records.firstOrdinal &+ UInt64(records.tickCount) &- 1
        }
        if let promise, promise.retiresSource, promise.epoch >= records?.epoch ?? 0 {
            feed.isRetired = true
        }
        return feed
    }
}
