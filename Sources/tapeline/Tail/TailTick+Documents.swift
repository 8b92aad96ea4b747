import MarketModel
import Primitives
import TapeCodec

// Messages of text, and those about the feed itself.
extension TailTick {
    mutating func set(_ news: NewsHeadline?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let news else { return false }
        add("headline", news.headline)
        add("by", news.provider)
        add("article", news.article)
        add("extra", news.extra)
        addTail(news.header, names(news.header.symbol))
        return true
    }

    mutating func set(_ news: NewsBulletin?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let news else { return false }
        add("what", Self.name(BulletinKind.self, news.kind))
        add("text", news.text)
        add("exchange", news.exchange)
        addTail(news.header, names(news.header.symbol))
        return true
    }

    /// Without the document: it is no line.
    mutating func set(_ part: FundamentalPart?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let part else { return false }
        add("report", part.report)
        add("part", .unsigned(UInt64(part.part) + 1))
        add("parts", .unsigned(UInt64(part.parts)))
        add("part_bytes", .unsigned(UInt64(part.content.count)))
        add("document_bytes", .unsigned(part.documentBytes))
        addTail(part.header, names(part.header.symbol))
        return true
    }

    mutating func set(_ value: IndicatorValue?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let value else { return false }
        add("name", value.name)
        if value.value != IndicatorValue.undefined {
            add("value", .wide(value.value, decimals: Price.decimals))
        }
        add("unit", value.unit)
        add("period_start", value.periodStart)
        add("period_end", value.periodEnd)
        add("revision", .unsigned(UInt64(value.revision)))
        addTail(value.header, names(value.header.symbol))
        return true
    }

    mutating func set(
        _ record: SubscriptionRecord?, _ names: (UInt32) -> SymbolDefinition?
    ) -> Bool {
        guard let record else { return false }
        add("action", Self.name(SubscriptionAction.self, record.action))
        add("of", Self.name(DataKind.self, record.kind))
        add("mode", Self.name(FeedMode.self, record.mode))
        add("of_provider", record.provider)
        add("previous_provider", record.previousProvider)
        add("reason", record.reason)
        addTail(record.header, names(record.header.symbol))
        return true
    }

    mutating func set(_ gap: GapRecord?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let gap else { return false }
        add("reason", Self.name(GapReason.self, gap.reason))
        add("state", Self.name(GapState.self, gap.state))
        add("of", Self.name(DataKind.self, gap.kind))
        add("from", gap.from)
        add("to", gap.to)
        if gap.lastOrdinal > 0 {
            add("first_ordinal", .unsigned(gap.firstOrdinal))
            add("last_ordinal", .unsigned(gap.lastOrdinal))
        }
        add("detail", gap.detail)
        addTail(gap.header, names(gap.header.symbol))
        return true
    }

    mutating func set(_ request: RepairRequest?, _ names: (UInt32) -> SymbolDefinition?) -> Bool {
        guard let request else { return false }
        add("reason", Self.name(BarReason.self, request.reason))
        add("from", request.from)
        add("to", request.to)
        add("requester", request.requester)
        add("note", request.note)
        addTail(request.header, names(request.header.symbol))
        return true
    }

    mutating func set(_ marker: EpochMarker, _ header: PacketHeader) {
        kind = .marker
        time = header.sendTime
        add("start_ordinal", .unsigned(marker.startOrdinal))
        add("previous_epoch", .unsigned(marker.previousEpoch))
        add("previous_sequence", .unsigned(marker.previousSequence))
        if marker.definition != 0 {
            add("definition", "0x\(String(marker.definition, radix: 16))")
            add("generation", .unsigned(UInt64(marker.generation)))
        }
    }

    /// A packet without ticks: it says only how far the source is.
    mutating func setWatermark(_ header: PacketHeader) {
        kind = .watermark
        time = header.sendTime
        add("watermark", header.watermark)
        if header.kind == .watermark { add("counter", .unsigned(header.firstOrdinal)) }
    }
}
