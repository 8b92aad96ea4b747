import MarketModel
import Primitives
import TapeCodec

// The values of text messages, and of messages about the feed itself.
extension TailTick {
    mutating func set(_ news: NewsHeadline) {
        add("headline", news.headline)
        add("by", news.provider)
        add("article", news.article)
        add("extra", news.extra)
    }

    mutating func set(_ news: NewsBulletin) {
        add("what", Self.name(BulletinKind.self, news.kind))
        add("text", news.text)
        add("exchange", news.exchange)
    }

    /// Leaves the document out, because it does not fit on a line.
    mutating func set(_ part: FundamentalPart) {
        add("report", part.report)
        add("part", .unsigned(UInt64(part.part) + 1))
        add("parts", .unsigned(UInt64(part.parts)))
        add("part_bytes", .unsigned(UInt64(part.content.count)))
        add("document_bytes", .unsigned(part.documentBytes))
    }

    mutating func set(_ value: IndicatorValue) {
        add("name", value.name)
        if value.value != IndicatorValue.undefined {
            add("value", .wide(value.value, decimals: Price.decimals))
        }
        add("unit", value.unit)
        add("period_start", value.periodStart)
        add("period_end", value.periodEnd)
        add("revision", .unsigned(UInt64(value.revision)))
    }

    mutating func set(_ record: SubscriptionRecord) {
        add("action", Self.name(SubscriptionAction.self, record.action))
        add("of", Self.name(DataKind.self, record.kind))
        add("mode", Self.name(FeedMode.self, record.mode))
        add("of_provider", record.provider)
        add("previous_provider", record.previousProvider)
        add("reason", record.reason)
    }

    mutating func set(_ gap: GapRecord) {
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
    }

    mutating func set(_ request: RepairRequest) {
        add("reason", Self.name(BarReason.self, request.reason))
        add("from", request.from)
        add("to", request.to)
        add("requester", request.requester)
        add("note", request.note)
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

    /// Sets a packet without ticks, which reports only the source's progress.
    mutating func setWatermark(_ header: PacketHeader) {
        time = header.sendTime
        add("watermark", header.watermark)
        if header.kind == .watermark { add("counter", .unsigned(header.firstOrdinal)) }
    }
}
