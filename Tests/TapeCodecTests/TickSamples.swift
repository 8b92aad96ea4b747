import MarketModel
import Primitives
import TapeCodec
import Testing

/// One tick of each kind other than trade, quote and bar, with a different value in every field.
enum TickSamples {
    static let time = Timestamp(nanoseconds: 1_767_623_390_000_000_000)
    static let later = Timestamp(nanoseconds: 1_767_623_399_000_000_000)

    /// The number of the registered symbol AAPL.
    static let apple: UInt32 = 0

    static func header(symbol: UInt32 = apple) -> TickHeader {
        var header = Samples.header(symbol: symbol)
        header.action = 0
        return header
    }

    static func depthUpdate() throws -> DepthUpdate {
        DepthUpdate(
            header: header(), position: 3, side: .bid, operation: .update,
            price: Price(raw: 101), size: Quantity(raw: 102),
            marketMaker: try #require(MarketMaker("OVERNIGHT-BOOK")), flags: [.smart, .level2])
    }

    static func depthReset() -> DepthReset { DepthReset(header: header(), reason: .halted) }

    static func providerBar() -> ProviderBar {
        var bar = ProviderBar(
            header: header(), openTime: time, closeTime: later, kind: .midpoint)
        bar.open = Price(raw: 111)
        bar.high = Price(raw: 112)
        bar.low = Price(raw: -113)
        bar.close = Price(raw: 114)
        bar.volume = Int128(Int64.max) * 1_000
        bar.trades = 115
        bar.flags = [.inProgress]
        return bar
    }

    static func optionComputation() throws -> OptionComputation {
        var option = OptionComputation(header: header(), kind: .model, basis: .prices)
        option.impliedVolatility = try #require(Ratio(0.25))
        option.delta = try #require(Ratio(-0.5))
        option.gamma = Ratio(raw: 121)
        option.vega = Ratio(raw: 122)
        option.optionPrice = Price(raw: 123)
        option.dividends = Price(raw: 124)
        option.underlyingPrice = Price(raw: 125)
        return option
    }

    static func newsHeadline() -> NewsHeadline {
        NewsHeadline(
            header: header(), provider: "BRFG", article: "BRFG$04507322",
            headline: "Größer als \"erwartet\" 😀", extra: "K:0.97")
    }

    static func newsBulletin() -> NewsBulletin {
        NewsBulletin(
            header: header(symbol: TickHeader.noSymbol), kind: .exchangeUnavailable,
            text: "Down\nuntil noon", exchange: "NYSE")
    }

    static func fundamentalPart() -> FundamentalPart {
        FundamentalPart(
            header: header(), report: "ReportSnapshot", part: 1, parts: 2, documentBytes: 50_000,
            content: Array("<ReportSnapshot/>".utf8))
    }

    static func indicatorValue() -> IndicatorValue {
        IndicatorValue(
            header: header(symbol: TickHeader.noSymbol), name: "US GDP, seasonally adjusted",
            unit: "USD", value: Int128(29_000_000_000_000) * 1_000_000_000, periodStart: time,
            periodEnd: later, revision: 2)
    }

    static func subscriptionRecord() -> SubscriptionRecord {
        SubscriptionRecord(
            header: header(), action: .switchProvider, kind: .quote, mode: .delayedFrozen,
            provider: "ibkr", previousProvider: "synthetic", reason: "by hand")
    }

    static func gapRecord() -> GapRecord {
        GapRecord(
            header: header(), from: time, to: .undefined, kind: .trade, reason: .tapeLost,
            state: .filling, firstOrdinal: 131, lastOrdinal: 132, detail: "stream put back")
    }

    static func repairRequest() -> RepairRequest {
        RepairRequest(
            header: header(), from: time, to: later, reason: .bust, requester: "alice",
            note: "cancelled at 16:20")
    }

    static func tradeChange() throws -> TradeChange {
        var change = TradeChange(
            header: header(), source: try Samples.source("ibkr"), ordinal: 141, change: .correct,
            values: (Price(raw: 231_250_000_000), Quantity(raw: 10_000_000_000)))
        change.requester = "alice@desk"
        change.note = "typed 10 times too much"
        return change
    }

    static func actionRecord() -> ActionRecord {
        var all = header()
        all.symbol = TickHeader.noSymbol
        return ActionRecord(
            header: all, number: 0x1234_5678_9abc_def0, stage: .refused, person: "alice",
            origin: "127.0.0.1", command: "member drain worker-3", reason: "new disk",
            outcome: "worker-3 is the last member of operator")
    }

    static func lateTrade(series: UInt16) throws -> LateTickRecord {
        LateTickRecord(
            try Samples.trade(symbol: apple), source: try Samples.source("synthetic"),
            ordinal: 141, series: series, openTime: time, closeTime: later, reason: .windowLimit)
    }

    static func lateQuote(series: UInt16) throws -> LateTickRecord {
        LateTickRecord(
            try Samples.quote(symbol: apple), source: try Samples.source("synthetic"),
            ordinal: 142, series: series, openTime: time, closeTime: later, reason: .duplicate)
    }

    /// The packets of the golden files, by name.
    static let packets: [(name: String, make: @Sendable () throws -> SealedPacket)] = [
        ("depth", { try packet { try $0.append(depthUpdate()) && $0.append(depthReset()) } }),
        ("provider-bar", { try packet { $0.append(providerBar()) } }),
        ("option", { try packet { try $0.append(optionComputation()) } }),
        ("news", { try packet { appended($0.append(newsHeadline())) } }),
        ("bulletin", { try packet { appended($0.append(newsBulletin())) } }),
        ("fundamental", { try packet { appended($0.append(fundamentalPart())) } }),
        ("indicator", { try packet { appended($0.append(indicatorValue())) } }),
        ("subscription", { try packet { appended($0.append(subscriptionRecord())) } }),
        ("gap", { try packet { appended($0.append(gapRecord())) } }),
        ("repair", { try packet { appended($0.append(repairRequest())) } }),
        ("trade-change", { try packet { appended($0.append(try tradeChange())) } }),
        ("action", { try packet { appended($0.append(actionRecord())) } }),
        ("late", { try latePacket() }),
    ]

    static func appended(_ outcome: AppendOutcome) -> Bool { outcome == .appended }

    static func builder() throws -> PacketBuilder {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(7), source: try Samples.source("synthetic"))
        #expect(builder.register(try Samples.definition("AAPL")) == apple)
        return builder
    }

    static func packet(
        _ append: (inout PacketBuilder) throws -> Bool
    ) throws -> SealedPacket {
        var builder = try builder()
        #expect(try append(&builder))
        return builder.seal(Samples.seal)
    }

    static func latePacket() throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(7), source: .operator)
        #expect(builder.register(try Samples.definition("AAPL")) == apple)
        let minute = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1m")), widthNanoseconds: 60_000_000_000))
        let trade = try lateTrade(series: minute)
        let quote = try lateQuote(series: minute)
        let taken = [builder.append(trade), builder.append(quote)]
        #expect(taken == [true, true])
        return builder.seal(Samples.seal)
    }
}
