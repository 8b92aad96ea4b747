package import MarketModel
package import Primitives

/// The latest value of one kind of a symbol and source, and what is known of it.
package struct LatestValue: Sendable {
    /// What the tape says of the source in the partition.
    package struct Feed: Equatable, Sendable {
        /// After so long without a packet a source is silent. A gateway sends a watermark every
        /// second.
        static let silentNanoseconds: Int64 = 5_000_000_000

        package var isRetired = false
        /// When its last packet was sent.
        package var sentAt = Timestamp.undefined
        /// When its last packet of records was sent.
        package var recordsAt = Timestamp.undefined
        package var watermark = Timestamp.undefined
        /// The last ordinal on the tape; `nil` when there is none.
        package var ordinal: UInt64?

        package init() {}

        package func state(_ now: Timestamp) -> String {
            if isRetired { return "retired" }
            guard sentAt.isDefined else { return "unknown" }
            return now.nanoseconds(since: sentAt) <= Self.silentNanoseconds ? "live" : "silent"
        }
    }

    /// Why there is no value where Valkey has answered.
    static let noValue = "Valkey has none"
    static let noSource = "Valkey has no source of it"

    /// Whether this reason says that Valkey has no value, and not why it does not tell.
    package static func isAbsent(_ reason: String) -> Bool {
        reason == noValue || reason == noSource
    }

    package let symbol: Symbol
    /// `nil`: Valkey has no source of the symbol.
    package let source: SourceName?
    /// "trade", "quote", or "bar 1m".
    package let kind: String
    /// Why there is no value; `nil` when there is one.
    package var unknown: String?
    /// The fields of the value that are not empty, in their order.
    package var values: [(name: String, text: String)] = []
    /// The source in whose lane the record is.
    package var lane: SourceName?
    package var partition: Partition?
    /// `nil`: it is not known.
    package var ordinal: UInt64?
    /// When it was received, and of a bar when it ended.
    package var heardAt = Timestamp.undefined
    /// Whether Valkey had lost it, and has it of the database.
    package var isOfDatabase = false
    /// The ordinals of the lane whose values are all in Valkey, unless newer ones are.
    package var kept: (from: UInt64, to: UInt64)?
    /// `nil`: the tape was not asked, or did not answer.
    package var feed: Feed?
    /// How many stretches of its data are missing, and may still come; `nil`: not known, as of a
    /// store that is not near the end of the lane. A bar says by itself what it lacks.
    package var gaps: UInt64?
    /// The order of bars: a text that grows.
    package var order = ""

    package init(symbol: Symbol, source: SourceName?, kind: String, unknown: String? = nil) {
        self.symbol = symbol
        self.source = source
        self.kind = kind
        self.unknown = unknown
    }

    /// The age in nanoseconds; `nil` when there is no value.
    package func age(_ now: Timestamp) -> Int64? {
        unknown == nil && heardAt.isDefined ? now.nanoseconds(since: heardAt) : nil
    }

    /// How many records of its lane are on the tape and not in Valkey; `nil` when unknown. After a
    /// value of before `kept` a newer one may be missing.
    package var behind: UInt64? {
        guard let head = feed?.ordinal, let kept, let ordinal, ordinal >= kept.from else {
            return nil
        }
        return head > kept.to ? head - kept.to : 0
    }

    /// Writes its members.
    package func write(into writer: inout JSONWriter, _ now: Timestamp) {
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
        if let watermark = feed?.watermark, watermark.isDefined {
            writer.member("watermark", time: watermark)
        } else {
            writer.key("watermark")
            writer.null()
        }
        Self.write(behind, "behind", &writer)
        Self.write(gaps, "gaps", &writer)
    }

    private static func write(_ number: UInt64?, _ name: String, _ writer: inout JSONWriter) {
        writer.key(name)
        if let number { writer.value(number) } else { writer.null() }
    }
}
