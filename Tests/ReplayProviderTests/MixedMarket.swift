import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport

/// Every kind of record that a source puts on its tape, with symbols that change their provider.
struct MixedMarket {
    static let symbols = ["AAPL", "BRK.B", "EUR.USD", "SPY", "XLK", "XLV"]
    static let start: Int64 = 1_700_000_000_000_000_000
    /// Nanoseconds between the send times of a partition's packets.
    let stepNanoseconds: Int64

    init(stepNanoseconds: Int64 = 50_000_000) { self.stepNanoseconds = stepNanoseconds }

    /// The number of records that `publish` has put on the tape.
    private(set) var records = 0

    mutating func publish(on tape: TestTape, source: SourceName, rounds: Int) throws {
        var sources = (0..<tape.names.partitions).map {
            TestSource(tape, Partition($0), source: source)
        }
        for round in 0..<rounds {
            let time = Self.start + Int64(round) * stepNanoseconds
            for number in sources.indices {
                sources[number].sendTime = Timestamp(nanoseconds: time + Int64(number) * 1_000)
                try add(round, at: time, to: &sources[number])
                try sources[number].publish(watermark: Timestamp(nanoseconds: time - 5))
            }
        }
    }

    private mutating func add(_ round: Int, at time: Int64, to source: inout TestSource) throws {
        let names = source.tape.names
        for (place, text) in Self.symbols.enumerated() {
            guard let symbol = Symbol(text), names.partition(of: symbol) == source.partition else {
                continue
            }
            // From the fourth round on another provider feeds it.
            let since = Timestamp(nanoseconds: Self.start + (round < 4 ? 0 : 4 * stepNanoseconds))
            let number = source.register(
                SymbolDefinition(
                    symbol: symbol, provider: round < 4 ? "ib" : "other", since: since))
            let header = TickHeader(
                symbol: number, resolution: TimeResolution.second.rawValue,
                providerTime: Timestamp(nanoseconds: time - 2),
                receiveTime: Timestamp(nanoseconds: time - 1),
                providerID: UInt64(round * 100 + place))
            for record in Self.records(header, round) { append(record, to: &source) }
        }
        // Records without a symbol are in the first partition.
        guard source.partition.number == 0 else { return }
        let nobody = TickHeader(
            symbol: TickHeader.noSymbol, providerTime: .undefined,
            receiveTime: Timestamp(nanoseconds: time))
        let bulletin = NewsBulletin(header: nobody, kind: .regular, text: "B\(round)")
        append(.bulletin(bulletin), to: &source)
        let lost = GapRecord(
            header: nobody, from: .undefined, to: Timestamp(nanoseconds: time), kind: .any,
            reason: .tapeLost, state: .open, firstOrdinal: 3, lastOrdinal: 9)
        append(.gap(lost), to: &source)
    }

    /// Adds one record of each kind, of one symbol.
    static func fill(_ builder: inout PacketBuilder, _ number: UInt32, _ round: Int) {
        let time = Timestamp(nanoseconds: start + Int64(round))
        let header = TickHeader(
            symbol: number, providerTime: time, receiveTime: time, providerID: 99)
        for record in records(header, round) { precondition(builder.append(record) == .appended) }
    }

    private mutating func append(_ record: TapeRecord, to source: inout TestSource) {
        source.append { $0.append(record) == .appended }
        records += 1
    }

    private static func records(_ header: TickHeader, _ round: Int) -> [TapeRecord] {
        ticks(header, round) + documents(header, round) + feeds(header, round)
    }

    private static func ticks(_ header: TickHeader, _ round: Int) -> [TapeRecord] {
        var corrected = header
        corrected.action = TradeAction.correction.rawValue
        var busted = header
        busted.action = TradeAction.cancel.rawValue
        var fetched = header
        fetched.flags = [.backfilled, .outOfSession]
        fetched.providerTime = header.providerTime.advanced(byNanoseconds: -3_600_000_000_000)
        let price = Price(raw: Int64(round + 1) * 1_000_000_000)
        let size = Quantity(raw: Int64(round + 1) * 100_000_000)
        let trades = [header, corrected, busted, fetched].map {
            Trade(
                header: $0, price: price, size: size, exchange: ShortText("ARCA") ?? .empty,
                conditions: ShortText("TI") ?? .empty)
        }
        let quote = Quote(
            header: header, bidPrice: price, bidSize: size, askPrice: .undefined,
            askSize: .undefined, bidExchange: ShortText("Q") ?? .empty)
        let depth = DepthUpdate(
            header: header, position: UInt32(round), side: .bid, operation: .update, price: price,
            size: size, marketMaker: MarketMaker("MAKER-OF-16-CHAR") ?? .none, flags: [.smart])
        var bar = ProviderBar(
            header: header, openTime: header.providerTime,
            closeTime: header.providerTime.advanced(byNanoseconds: 5_000_000_000), kind: .trades)
        bar.volume = Int128(round) * 1_000_000_000_000_000_000_000
        bar.flags = [.regularHours]
        var option = OptionComputation(header: header, kind: .model, basis: .prices)
        option.delta = Ratio(raw: Int64(round) * 1_000)
        let reset = DepthReset(header: header, reason: .halted)
        return trades.map(TapeRecord.trade) + [
            .quote(quote), .depth(depth), .depthReset(reset), .providerBar(bar), .option(option),
        ]
    }

    private static func documents(_ header: TickHeader, _ round: Int) -> [TapeRecord] {
        let news = NewsHeadline(
            header: header, provider: "BRFG", article: "BRFG$\(round)",
            headline: "Größe zählt, №\(round)", extra: "K:0.97")
        let value = IndicatorValue(
            header: header, name: "GDP", unit: "USD", value: Int128(Int64.max) * 4 + Int128(round),
            periodStart: Timestamp(nanoseconds: 1_600_000_000_000_000_000),
            periodEnd: Timestamp(nanoseconds: 1_607_000_000_000_000_000), revision: UInt64(round))
        // One long document in each round, because two may be more than a packet holds.
        let isLong = Int(header.providerID % 100) == round % symbols.count
        let document = [UInt8](
            repeating: UInt8(round), count: isLong ? FundamentalPart.contentBytesMax + 77 : 77)
        let parts =
            FundamentalPart.parts(of: document, report: "ReportSnapshot", header: header) ?? []
        return [.news(news), .indicator(value)] + parts.map(TapeRecord.fundamental)
    }

    private static func feeds(_ header: TickHeader, _ round: Int) -> [TapeRecord] {
        let actions: [SubscriptionAction] = [.start, .stop, .start, .stop, .switchProvider]
        let subscription = SubscriptionRecord(
            header: header, action: actions[min(round, 4)], kind: .depth, mode: .delayedFrozen,
            provider: round < 4 ? "ib" : "other", previousProvider: round < 4 ? "" : "ib",
            reason: "as the test wants")
        let lasting = GapRecord(
            header: header, from: header.providerTime, to: .undefined, kind: .quote,
            reason: .disconnected, state: .open, detail: "1100")
        let filled = GapRecord(
            header: header, from: header.providerTime.advanced(byNanoseconds: -1_000_000_000),
            to: header.providerTime, kind: .trade, reason: .providerLoss, state: .filled)
        return [.subscription(subscription), .gap(lasting), .gap(filled)]
    }
}
