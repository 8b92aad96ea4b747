import MarketModel
import Primitives

/// The latest value of one kind of a symbol and source, and what is known of it.
struct LatestRow: Sendable {
    /// What the tape says of the source in the partition.
    struct Feed: Equatable, Sendable {
        /// After so long without a packet a source is silent. A gateway sends a watermark every
        /// second.
        static let silentNanoseconds: Int64 = 5_000_000_000

        var isRetired = false
        /// When its last packet was sent.
        var sentAt = Timestamp.undefined
        var watermark = Timestamp.undefined
        /// The last ordinal on the tape; `nil` when there is none.
        var ordinal: UInt64?

        func state(_ now: Timestamp) -> String {
            if isRetired { return "retired" }
            guard sentAt.isDefined else { return "unknown" }
            return now.nanoseconds(since: sentAt) <= Self.silentNanoseconds ? "live" : "silent"
        }
    }

    let symbol: Symbol
    /// `nil`: Valkey has no source of the symbol.
    let source: SourceName?
    /// "trade", "quote", or "bar 1m".
    let kind: String
    /// Why there is no value; `nil` when there is one.
    var unknown: String?
    /// The fields of the value that are not empty, in their order.
    var values: [(name: String, text: String)] = []
    /// The source in whose lane the record is.
    var lane: SourceName?
    var partition: Partition?
    /// `nil`: it is not known.
    var ordinal: UInt64?
    /// When it was received, and of a bar when it ended.
    var heardAt = Timestamp.undefined
    /// Whether Valkey had lost it, and has it of the database.
    var isOfDatabase = false
    /// The ordinals of the lane whose values are all in Valkey, unless newer ones are.
    var kept: (from: UInt64, to: UInt64)?
    /// `nil`: the tape was not asked, or did not answer.
    var feed: Feed?

    init(symbol: Symbol, source: SourceName?, kind: String, unknown: String? = nil) {
        self.symbol = symbol
        self.source = source
        self.kind = kind
        self.unknown = unknown
    }

    /// The age in nanoseconds; `nil` when there is no value.
    func age(_ now: Timestamp) -> Int64? {
        unknown == nil && heardAt.isDefined ? now.nanoseconds(since: heardAt) : nil
    }

    /// How many records of its lane are on the tape and not in Valkey; `nil` when unknown. After a
    /// value of before `kept` a newer one may be missing.
    var behind: UInt64? {
        guard let head = feed?.ordinal, let kept, let ordinal, ordinal >= kept.from else {
            return nil
        }
        return head > kept.to ? head - kept.to : 0
    }

    // MARK: shown

    static let head = [
        "SYMBOL", "KIND", "SOURCE", "VALUE", "ORDINAL", "AGE", "FROM", "FEED", "WATERMARK",
        "BEHIND",
    ]
    /// The columns of numbers.
    static let numbers: Set<Int> = [4, 5, 9]

    private var origin: String { isOfDatabase ? "Valkey (database)" : "Valkey (tape)" }

    func line(_ now: Timestamp) -> [String] {
        let who = [symbol.text, kind, source?.text ?? "-"]
        guard unknown == nil else {
            return who + ["unknown: \(unknown ?? "")"] + Array(repeating: "-", count: 6)
        }
        let age = age(now).map { "\(Duration.nanoseconds($0).shown)" }
        let watermark = feed?.watermark ?? .undefined
        return who + [
            values.map { "\($0.name) \($0.text)" }.joined(separator: " "),
            ordinal.map(String.init) ?? "unknown", age ?? "unknown", origin,
            feed?.state(now) ?? "unknown", watermark.isDefined ? "\(watermark)" : "unknown",
            behind.map(String.init) ?? "unknown",
        ]
    }

    func json(_ now: Timestamp) -> String {
        JSONWriter.objectText { writer in
            writer.member("symbol", symbol.text)
            writer.member("source", source?.text)
            writer.member("kind", kind)
            writer.member("unknown", unknown)
            guard unknown == nil else { return }
            writer.object("value") { writer in
                for value in values { writer.member(value.name, value.text) }
            }
            writer.member("lane", lane?.text)
            Self.write(partition.map { UInt64($0.number) }, "partition", &writer)
            Self.write(ordinal, "ordinal", &writer)
            writer.key("age_ns")
            if let age = age(now) { writer.value(age) } else { writer.null() }
            writer.member("from", isOfDatabase ? "valkey, of the database" : "valkey")
            writer.member("feed", feed?.state(now) ?? "unknown")
            writer.member("watermark", time: feed?.watermark ?? .undefined)
            Self.write(behind, "behind", &writer)
        }
    }

    private static func write(_ number: UInt64?, _ name: String, _ writer: inout JSONWriter) {
        writer.key(name)
        if let number { writer.value(number) } else { writer.null() }
    }
}
