import MarketModel
import Primitives
import ProviderKit

/// What a trial of a provider saw.
struct TrialResult {
    /// The first ticks of one instrument.
    struct Tick {
        var symbol: String
        var kind: String
        var providerTime: Timestamp
        var receiveTime: Timestamp
        /// Price and size, best bid and ask, or value and unit; empty for other kinds.
        var text: String
    }

    let provider: String
    let ticksMax: Int
    private let registry: InstrumentRegistry
    private let start: MonotonicTime
    private(set) var ticks: [Tick] = []
    /// The ticks that came, those beyond `ticksMax` included.
    private(set) var tickCount = 0
    /// Nanoseconds from the start on until the first feed was live, and until the first tick came;
    /// `nil` before that.
    private(set) var liveAfter: Int64?
    private(set) var tickAfter: Int64?
    private(set) var gaps = 0
    private var refused: Set<UInt32> = []

    init(
        provider: String, ticksMax: Int, registry: InstrumentRegistry, start: MonotonicTime
    ) {
        self.provider = provider
        self.ticksMax = ticksMax
        self.registry = registry
        self.start = start
        hasSeriesAlone = registry.wanted.allSatisfy {
            registry.instrument($0)?.feeds == .indicators
        }
    }

    /// True if all instruments were refused.
    var isRefused: Bool { !refused.isEmpty && refused.isSuperset(of: registry.wanted) }

    /// True if the ticks came that were asked for, or a feed is live and none were. Of a series one
    /// value is enough: the next one may come in a month.
    var isSuccess: Bool {
        if ticksMax == 0 { return liveAfter != nil }
        return tickCount >= ticksMax || tickCount > 0 && hasSeriesAlone
    }

    /// Whether nothing but values of series is wanted.
    private let hasSeriesAlone: Bool

    /// True when nothing more is to be waited for.
    var isComplete: Bool { isSuccess || isRefused }

    mutating func take(_ record: ProviderRecord, now: MonotonicTime) {
        switch record {
        case .definition: break
        case .feed(let state):
            switch state.state {
            case .live: liveAfter = liveAfter ?? now - start
            case .refused: refused.insert(state.instrument)
            case .starting, .down: break
            }
        case .tape(let record): take(record, now)
        }
    }

    private mutating func take(_ record: TapeRecord, _ now: MonotonicTime) {
        if case .gap = record { gaps += 1 }
        guard let header = record.header, let kind = record.kind,
            [.trade, .quote, .depth].contains(kind) || kind == .indicator && hasSeriesAlone
        else { return }
        tickCount += 1
        tickAfter = tickAfter ?? now - start
        guard ticks.count < ticksMax else { return }
        ticks.append(
            Tick(
                symbol: registry.instrument(header.symbol)?.symbol.text ?? "", kind: "\(kind)",
                providerTime: header.providerTime, receiveTime: header.receiveTime,
                text: Self.text(record)))
    }

    private static func text(_ record: TapeRecord) -> String {
        if case .trade(let trade) = record { return "\(trade.price) x \(trade.size)" }
        if case .indicator(let value) = record {
            return "\(FixedPoint.text(value.value, decimals: Price.decimals)) \(value.unit)"
        }
        guard case .quote(let quote) = record else { return "" }
        return "\(quote.bidPrice) x \(quote.bidSize), \(quote.askPrice) x \(quote.askSize)"
    }
}
