internal import MarketModel
internal import Primitives
internal import TapeCodec

/// One source of ticks: the symbols that it feeds, and its packets.
struct SimulatedSource {
    enum Tick {
        case trade(Trade)
        case quote(Quote)
        case providerBar(ProviderBar)
        case value(IndicatorValue)
        case row(DepthUpdate)
        case reset(DepthReset)
        case gap(GapRecord)
        /// A gap of all symbols of the source.
        case gapOfAll(GapRecord)
        case repair(RepairRequest)
        case change(TradeChange)
    }

    let name: SourceName
    private var ticks: PacketBuilder
    private var watermarks: PacketBuilder
    private var nextOrdinal: UInt64 = 1
    private var nextWatermark: UInt64 = 1
    /// The last watermark. It never goes back.
    private var watermark = Int64.min
    private var fed: [(definition: SymbolDefinition, index: UInt32)] = []
    /// The last trade or quote, with its symbol.
    private(set) var lastTick: (tick: Tick, symbol: Symbol)?
    /// How much later than those of other sources its ticks come, in nanoseconds.
    let lag: Int64
    /// The epoch of its gateway, and that of its last retirement; 0 for none.
    private(set) var epoch: UInt64 = 1
    private var retiredEpoch: UInt64 = 0
    /// It sends nothing before this time. `Int64.max`: not before the end of the market.
    var quietUntil = Int64.min
    /// Whether it was silent or retired before.
    var hasReturned = false
    /// The send time of its last packet.
    private(set) var lastSent = SimulatedInput.start

    init(_ name: SourceName, symbols: [Symbol], lag: Int64 = 0) {
        self.name = name
        self.lag = lag
        ticks = PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
        watermarks = PacketBuilder(kind: .watermark, partition: Partition(0), source: name)
        for symbol in symbols {
            feed(symbol, provider: "p", since: Timestamp(nanoseconds: SimulatedInput.start - lag))
        }
    }

    var symbolNames: [Symbol] { fed.map(\.definition.symbol) }
    var hasTicks: Bool { ticks.tickCount > 0 }
    /// The ordinal of the next tick.
    var ordinal: UInt64 { nextOrdinal + UInt64(ticks.tickCount) }

    func feeds(_ symbol: Symbol?) -> Bool { fed.contains { $0.definition.symbol == symbol } }

    func randomSymbol(using random: inout SeededRandom) -> Symbol? {
        fed.randomElement(using: &random)?.definition.symbol
    }

    /// Feeds a symbol from the next tick on. A `provider` of `nil` keeps the present one. `source`
    /// is the source that a person's record concerns.
    mutating func feed(
        _ symbol: Symbol, provider: String?, since: Timestamp, of source: SourceName? = nil
    ) {
        let known = fed.first { $0.definition.symbol == symbol }?.definition
        define(
            SymbolDefinition(
                symbol: symbol, provider: provider ?? known?.provider ?? "p", since: since,
                source: source, lot: known?.lot))
    }

    /// States another lot of a symbol from the next tick on; `nil`: none.
    mutating func setLot(_ lot: RoundLot?, of symbol: Symbol) {
        guard var definition = fed.first(where: { $0.definition.symbol == symbol })?.definition
        else { return }
        definition.lot = lot
        define(definition)
    }

    private mutating func define(_ definition: SymbolDefinition) {
        let index = ticks.register(definition)
        if let known = fed.firstIndex(where: { $0.definition.symbol == definition.symbol }) {
            fed[known] = (definition, index)
        } else {
            fed.append((definition, index))
        }
    }

    mutating func drop(_ symbol: Symbol) {
        fed.removeAll { $0.definition.symbol == symbol }
        if lastTick?.symbol == symbol { lastTick = nil }
    }

    mutating func append(_ last: (tick: Tick, symbol: Symbol)) { append(last.tick, last.symbol) }

    // MARK: life

    var isRetired: Bool { retiredEpoch > epoch }

    /// Seals the packet by which a person retires it.
    mutating func retire(sendTime: Int64) -> SealedPacket {
        retiredEpoch = max(epoch, retiredEpoch) + 1
        return mark(epoch: retiredEpoch, flags: .retirement, sendTime: sendTime)
    }

    /// Begins a higher epoch, which ends a retirement.
    mutating func beginEpoch() { epoch = max(epoch, retiredEpoch) + 1 }

    /// Seals the marker by which a person resumes it, or its next gateway opens its epoch.
    mutating func resume(sendTime: Int64) -> SealedPacket {
        beginEpoch()
        return mark(epoch: epoch, flags: [], sendTime: sendTime)
    }

    private mutating func mark(
        epoch: UInt64, flags: PacketFlags, sendTime: Int64
    ) -> SealedPacket {
        let seal = PacketBuilder.Seal(
            epoch: epoch, firstOrdinal: nextWatermark,
            watermark: Timestamp(nanoseconds: Int64.min),
            sendTime: Timestamp(nanoseconds: sendTime))
        return watermarks.seal(
            seal,
            marker: EpochMarker(
                startOrdinal: nextWatermark, previousEpoch: epoch - 1, previousSequence: 1),
            flags: flags)
    }

    mutating func append(_ tick: Tick, _ symbol: Symbol) {
        guard let index = fed.first(where: { $0.definition.symbol == symbol })?.index else {
            return
        }
        append(tick, symbol, index)
    }

    private mutating func append(_ tick: Tick, _ symbol: Symbol, _ index: UInt32) {
        switch tick {
        case .trade(var trade):
            trade.header.symbol = index
            _ = ticks.append(trade)
            if trade.header.action == 0, !trade.header.flags.contains(.backfilled) {
                lastTick = (tick, symbol)
            }
        case .quote(var quote):
            quote.header.symbol = index
            _ = ticks.append(quote)
            lastTick = (tick, symbol)
        case .providerBar(var bar):
            bar.header.symbol = index
            _ = ticks.append(bar)
        case .value(var value):
            value.header.symbol = index
            _ = ticks.append(value)
        case .row(var row):
            row.header.symbol = index
            _ = ticks.append(row)
        case .reset(var reset):
            reset.header.symbol = index
            _ = ticks.append(reset)
        case .gap(var gap):
            gap.header.symbol = index
            _ = ticks.append(gap)
        case .gapOfAll(var gap):
            gap.header.symbol = TickHeader.noSymbol
            _ = ticks.append(gap)
        case .repair(var request):
            request.header.symbol = index
            _ = ticks.append(request)
        case .change(var change):
            change.header.symbol = index
            _ = ticks.append(change)
        }
    }

    /// Seals a packet. `watermark` is `nil` when the packet brings no new one.
    mutating func seal(isIdle: Bool, watermark told: Int64?, sendTime: Int64) -> SealedPacket {
        if let told { watermark = max(watermark, told) }
        lastSent = sendTime
        let seal = PacketBuilder.Seal(
            epoch: epoch, firstOrdinal: isIdle ? nextWatermark : nextOrdinal,
            watermark: told == nil ? .undefined : Timestamp(nanoseconds: watermark),
            sendTime: Timestamp(nanoseconds: sendTime))
        if isIdle {
            nextWatermark += 1
            return watermarks.seal(seal)
        }
        let packet = ticks.seal(seal)
        nextOrdinal = packet.header.nextOrdinal
        return packet
    }
}
