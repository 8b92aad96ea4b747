import MarketModel
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import ProviderGatewayTests

/// The tape of one source, read by the real decoders: per lane, in order.
struct BrokerTape {
    /// A gap, as its records describe it.
    struct Gap {
        let symbol: String
        let kind: UInt8
        let reason: UInt8
        let from: Timestamp
        /// For a gap without an end in its records: the feed's next subscription.
        var to: Timestamp
        var isEnded: Bool
        var isFilling = false
        var details: [String] = []
        /// The parts that were filled, and those that were given up.
        var filled: [Range<Int64>] = []
        var abandoned: [Range<Int64>] = []

        var range: Range<Int64> { from.nanoseconds..<max(from.nanoseconds + 1, to.nanoseconds) }
    }

    struct Subscription {
        let symbol: String
        let kind: UInt8
        let action: UInt8
        let time: Timestamp
    }

    private(set) var live: [BrokerLane: [BrokerValue]] = [:]
    /// Values that were fetched later, which have the flag `backfilled`.
    private(set) var fetched: [BrokerLane: [BrokerValue]] = [:]
    private(set) var prints: [HistoryPrint: (live: Int, fetched: Int)] = [:]
    /// The live prints that are marked as the state at a subscription's start. They are no events,
    /// so history may report them again.
    private(set) var states: [HistoryPrint: Int] = [:]
    private(set) var quotes: [BrokerQuote: (live: Int, fetched: Int)] = [:]
    private(set) var gaps: [Gap] = []
    private(set) var subscriptions: [Subscription] = []
    private(set) var problems: [String] = []
    private(set) var epochs: Set<UInt64> = []
    private(set) var watermark = Timestamp(nanoseconds: Int64.min)
    /// Per stream, the next sequence to read.
    private var reached: [String: UInt64] = [:]
    private var documents: [UInt64: (symbol: String, content: [UInt8], parts: UInt32)] = [:]

    /// An empty tape, for tests that add records by hand.
    init() {}

    init(_ tape: TestTape) throws { try readOn(tape) }

    /// Reads the packets that have come since the last call. Each packet is read once.
    mutating func readOn(_ tape: TestTape) throws {
        for index in 0..<TapeNames.tickStreams {
            let stream = tape.names.tickStream(index)
            guard let info = try tape.client.jetStream.streamInfo(stream) else { continue }
            let next = max(reached[stream] ?? 1, info.firstSequence)
            guard info.lastSequence >= next else { continue }
            for sequence in next...info.lastSequence {
                let message = try tape.client.jetStream.message(stream: stream, sequence: sequence)
                // The stream also has watermarks of an idle source.
                guard let message, message.subject.hasSuffix(".\(BrokerGateway.source)") else {
                    continue
                }
                guard message.subject.hasPrefix("\(tape.names.namespace).ticks.") else { continue }
                let header = try message.payload.withRawSpan { span throws(PacketError) in
                    try PacketReader.validate(span)
                }
                epochs.insert(header.epoch)
                watermark = max(watermark, header.watermark)
                for record in RecordOnTape.all(in: message.payload, header) { read(record) }
            }
            reached[stream] = info.lastSequence + 1
        }
    }

    private mutating func read(_ record: RecordOnTape) {
        let symbol = record.symbol
        switch record.record {
        case .trade(let trade): add(trade, symbol)
        case .quote(let quote): add(quote, symbol)
        case .gap(let gap): add(gap, symbol)
        case .subscription(let record):
            add(
                Subscription(
                    symbol: symbol, kind: record.kind, action: record.action,
                    time: record.header.receiveTime))
        case .depth(let update): add(update, symbol)
        case .depthReset(let reset): add(reset, symbol)
        case .providerBar(let bar): add(bar, symbol)
        case .option(let option): add(option, symbol)
        case .indicator(let value): add(value, symbol)
        case .news(let news): add(news, symbol)
        case .bulletin(let bulletin): add(bulletin)
        case .fundamental(let part): add(part, symbol)
        case .repair, .tradeChange, .action, .bar, .lateTick:
            problems.append("no record of a broker: \(record.record)")
        }
    }

    // MARK: ticks

    mutating func add(_ trade: Trade, _ symbol: String) {
        let header = trade.header
        let isState = header.flags.contains(.snapshot)
        let isLevel1 = header.flags.contains(.conflated)
        let time = header.providerTime.isDefined ? header.providerTime.nanoseconds : 0
        let rest =
            isLevel1
            ? [isState && !header.providerTime.isDefined ? "state" : ""]
            : [trade.conditions.text, BrokerContent.mask(header.flags)]
        let content = BrokerContent.trade(
            time, trade.price.raw, trade.size.raw, [trade.exchange.text] + rest)
        add(
            symbol, isLevel1 ? .printed : .trades, content, header,
            event: header.providerTime.isDefined ? time..<time + 1 : nil)
        guard header.providerTime.isDefined else { return }
        let print = HistoryPrint(
            symbol: symbol, second: time / 1_000_000_000, price: trade.price.raw,
            size: trade.size.raw)
        if isState { states[print, default: 0] += 1 }
        if header.flags.contains(.backfilled) {
            prints[print, default: (0, 0)].fetched += 1
        } else {
            prints[print, default: (0, 0)].live += 1
        }
    }

    mutating func add(_ quote: Quote, _ symbol: String) {
        let header = quote.header
        let isLevel1 = header.flags.contains(.conflated)
        let time = header.providerTime.isDefined ? header.providerTime.nanoseconds : 0
        let content = BrokerContent.quote(
            time, quote.bidPrice.raw, quote.askPrice.raw,
            (quote.bidSize.raw, quote.askSize.raw))
        add(symbol, isLevel1 ? .topOfBook : .quotes, content, header)
        guard !isLevel1 else { return }
        let key = BrokerQuote(
            symbol: symbol, second: time / 1_000_000_000, bid: quote.bidPrice.raw,
            ask: quote.askPrice.raw, bidSize: quote.bidSize.raw, askSize: quote.askSize.raw)
        if header.flags.contains(.backfilled) {
            quotes[key, default: (0, 0)].fetched += 1
        } else {
            quotes[key, default: (0, 0)].live += 1
        }
    }

    mutating func add(_ update: DepthUpdate, _ symbol: String) {
        guard !update.flags.contains(.repeated) else { return }
        let isSmart = update.flags.contains(.smart)
        add(
            symbol, isSmart ? .smartDepth : .depth,
            BrokerContent.depth(
                update.operation, side: update.side, row: update.position, update.price.raw,
                update.size.raw, maker: update.marketMaker.text), update.header)
    }

    /// Adds a reset. The gateway's own resets, at the start of a subscription and of a repetition,
    /// are no values.
    private mutating func add(_ reset: DepthReset, _ symbol: String) {
        let smart = BrokerLane(symbol: symbol, kind: .smartDepth)
        let kind: BrokerLane.Kind = live[smart] == nil ? .depth : .smartDepth
        switch DepthResetReason(rawValue: reset.reason) {
        case .reset: add(symbol, kind, "book reset", reset.header)
        case .halted: add(symbol, kind, "book halted", reset.header)
        case .disconnected, .repeated: break
        case .unknown, nil: problems.append("\(symbol): a reset of a book without a reason")
        }
    }

    private mutating func add(_ bar: ProviderBar, _ symbol: String) {
        let content = BrokerContent.bar(
            bar.openTime.nanoseconds,
            [bar.open.raw, bar.high.raw, bar.low.raw, bar.close.raw, bar.vwap.raw], bar.volume,
            bar.trades)
        add(
            symbol, .bars, content, bar.header,
            event: bar.openTime.nanoseconds..<bar.closeTime.nanoseconds)
    }

    private mutating func add(_ option: OptionComputation, _ symbol: String) {
        let numbers = [
            option.impliedVolatility.raw, option.delta.raw, option.optionPrice.raw,
            option.dividends.raw, option.gamma.raw, option.vega.raw, option.theta.raw,
            option.underlyingPrice.raw,
        ]
        add(
            symbol, .options, BrokerContent.option(option.kind, option.basis, numbers),
            option.header)
    }

    private mutating func add(_ value: IndicatorValue, _ symbol: String) {
        guard value.name == "ib.midpoint" else {
            let content = BrokerContent.number(value.name, value.value)
            return add(symbol, .indicators, content, value.header)
        }
        let time = value.header.providerTime.nanoseconds
        add(symbol, .midpoints, BrokerContent.midpoint(time, value.value), value.header)
    }

    private mutating func add(_ news: NewsHeadline, _ symbol: String) {
        let texts = [news.provider, news.article, news.headline, news.extra]
        add(
            symbol, .news,
            BrokerContent.news(news.header.providerTime.nanoseconds, texts), news.header)
    }

    private mutating func add(_ bulletin: NewsBulletin) {
        let texts = ["\(bulletin.kind)", bulletin.text, bulletin.exchange]
        add(
            "", .bulletins, BrokerContent.bulletin(Int64(bulletin.header.providerID), texts),
            bulletin.header)
    }

    private mutating func add(_ part: FundamentalPart, _ symbol: String) {
        let id = part.header.providerID
        var document = documents.removeValue(forKey: id) ?? (symbol, [], 0)
        if document.parts != part.part { problems.append("\(symbol): parts are out of order") }
        document.content += part.content
        document.parts += 1
        guard document.parts == part.parts else {
            documents[id] = document
            return
        }
        add(symbol, .fundamentals, String(decoding: document.content, as: UTF8.self), part.header)
    }

    private mutating func add(
        _ symbol: String, _ kind: BrokerLane.Kind, _ content: String, _ header: TickHeader,
        event: Range<Int64>? = nil
    ) {
        let lane = BrokerLane(symbol: symbol, kind: kind)
        let value = BrokerValue(content: content, time: header.receiveTime, event: event)
        if header.flags.contains(.backfilled) {
            fetched[lane, default: []].append(value)
        } else {
            live[lane, default: []].append(value)
        }
    }

    // MARK: gaps and subscriptions

    mutating func add(_ record: GapRecord, _ symbol: String) {
        guard let state = GapState(rawValue: record.state) else {
            return problems.append("\(symbol): a gap in no state")
        }
        guard let place = place(of: record, state, symbol) else {
            guard state == .open else {
                return problems.append("\(symbol): \(state) of no gap: \(record)")
            }
            return gaps.append(
                Gap(
                    symbol: symbol, kind: record.kind, reason: record.reason, from: record.from,
                    to: record.to, isEnded: record.to.isDefined, details: [record.detail]))
        }
        let part = record.from.nanoseconds..<max(record.from.nanoseconds, record.to.nanoseconds)
        switch state {
        case .open where record.to.isDefined:
            gaps[place].to = record.to
            gaps[place].isEnded = true
        case .open: break
        case .filling: gaps[place].isFilling = true
        case .filled: gaps[place].filled.append(part)
        case .abandoned: gaps[place].abandoned.append(part)
        }
        if !record.detail.isEmpty { gaps[place].details.append(record.detail) }
    }

    /// Returns the gap that a record is about. Filled parts may extend beyond its ends by a few
    /// seconds, in which late ticks were missing, too.
    private func place(of record: GapRecord, _ state: GapState, _ symbol: String) -> Int? {
        let same = gaps.indices.filter {
            gaps[$0].symbol == symbol && gaps[$0].kind == record.kind
        }
        if let exact = same.last(where: { gaps[$0].from == record.from }) {
            // Two successive gaps within a second may begin at the same second.
            let isNext = state == .open && !record.to.isDefined && gaps[exact].isEnded
            return isNext ? nil : exact
        }
        guard state != .open else { return nil }
        let (from, to) = (record.from.nanoseconds, record.to.nanoseconds)
        func overlap(_ place: Int) -> Int64 {
            min(to, gaps[place].range.upperBound) - max(from, gaps[place].range.lowerBound)
        }
        let best = same.filter { gaps[$0].isEnded }.max { overlap($0) < overlap($1) }
        let border = BrokerMarketAudit.border * 1_000_000_000
        if let best, overlap(best) > -border { return best }
        // Part of a gap that still lasts is settled when a backfill for another reason reaches into
        // it.
        return same.last { !gaps[$0].to.isDefined && gaps[$0].from <= record.from }
    }

    /// Adds a subscription. Its start ends the gap of its kind that a killed gateway left open.
    mutating func add(_ subscription: Subscription) {
        subscriptions.append(subscription)
        guard subscription.action == SubscriptionAction.start.rawValue else { return }
        for place in gaps.indices
        where !gaps[place].to.isDefined && gaps[place].symbol == subscription.symbol
            && gaps[place].kind == subscription.kind
        {
            gaps[place].to = max(subscription.time, gaps[place].from.advanced(byNanoseconds: 1))
        }
    }
}
