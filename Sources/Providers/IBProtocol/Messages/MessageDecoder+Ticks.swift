internal import MarketModel
internal import Primitives

// The frequent kinds.
extension MessageDecoder {
    @inline(__always)
    static func tickPrice(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        var tick = TickPrice(
            request: fields.number(), type: fields.number(), price: fields.price(),
            size: fields.size())
        // What the price allows.
        fields.skip()
        // A spread may cost -1 and a book may be empty; only both together mean that there is none.
        // Elsewhere the meaning of -1 depends on the contract: an index may have this value.
        if TickType.isQuote(tick.type), isNone(tick.price, tick.size) {
            tick.price = .undefined
            tick.size = .undefined
        }
        if !TickType.hasSize(tick.type) { tick.size = .undefined }
        return .tick(.price(tick))
    }

    @inline(__always)
    private static func isNone(_ price: Price, _ size: Quantity) -> Bool {
        price.raw == -1_000_000_000 && (size.raw == 0 || !size.isDefined)
    }

    @inline(__always)
    static func tickSize(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .tick(
            .size(
                TickSize(request: fields.number(), type: fields.number(), size: fields.size())))
    }

    static func tickGeneric(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .tick(
            .generic(
                TickGeneric(request: fields.number(), type: fields.number(), value: fields.ratio()))
        )
    }

    @inline(__always)
    static func tickString(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let request = fields.number()
        let type = fields.number()
        switch type {
        case TickType.realTimeVolume, TickType.realTimeTradeVolume:
            return realTimeVolume(&fields, request, type)
        case TickType.lastTimestamp, TickType.delayedLastTimestamp:
            return .tick(.time(TickTime(request: request, type: type, time: fields.seconds())))
        case TickType.bidExchange, TickType.askExchange, TickType.lastExchange:
            return .tick(
                .exchange(
                    TickExchange(request: request, type: type, exchange: fields.shortText())))
        default:
            return .feed(.text(TickString(request: request, type: type, text: fields.text())))
        }
    }

    /// Reads `price;size;epoch milliseconds`. A volume, an average and a mark follow.
    private static func realTimeVolume(
        _ fields: inout FieldCursor, _ request: Int32, _ type: Int32
    ) -> IBMessage {
        let text = fields.next()
        var parts = SplitText(fields.bytes, text, at: UInt8(ascii: ";"))
        let price = fields.decimal(parts.next(), Price.decimals, .refuse)
        let size = fields.size(parts.next())
        let timeRange = parts.next()
        for _ in 0..<3 { _ = parts.next() }
        if parts.isShort { fields.fail(.missing) }
        var time = Timestamp.undefined
        if !timeRange.isEmpty {
            let read = FieldCursor.time(in: fields.bytes, timeRange, unit: 1_000_000)
            if let read { time = read } else { fields.fail(.notATime) }
        }
        return .tick(
            .realTimeVolume(
                RealTimeVolume(
                    request: request, type: type, price: Price(raw: price), size: size, time: time))
        )
    }

    static func tickOption(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        let type = fields.number()
        let basis: OptionComputationBasis =
            switch fields.optionalInteger() {
            case 0: .returns
            case 1: .prices
            default: .unknown
            }
        let volatility = fields.ratio()
        let delta = known(fields.ratio())
        let price = known(fields.average())
        let dividends = known(fields.average())
        let gamma = known(fields.ratio())
        let vega = known(fields.ratio())
        let theta = known(fields.ratio())
        return .tick(
            .option(
                TickOption(
                    request: request, type: type, basis: basis,
                    impliedVolatility: volatility.raw < 0 ? .undefined : volatility, delta: delta,
                    gamma: gamma, vega: vega, theta: theta, optionPrice: price,
                    dividends: dividends,
                    underlyingPrice: known(fields.average()))))
    }

    /// Returns undefined for a greek of -2, which was not computed.
    private static func known(_ value: Ratio) -> Ratio {
        value.raw == -2_000_000_000 ? .undefined : value
    }

    private static func known(_ value: Price) -> Price {
        value.raw == -1_000_000_000 ? .undefined : value
    }

    @inline(__always)
    static func depth(_ fields: inout FieldCursor, hasMarketMaker: Bool) -> IBMessage? {
        fields.skip()
        let request = fields.number()
        let position = fields.number()
        let maker = hasMarketMaker ? fields.marketMaker() : .none
        let operation = DepthOperation(rawValue: fields.mask())
        let side = BookSide(rawValue: fields.mask())
        let price = fields.price()
        let size = fields.size()
        var flags: DepthFlags = hasMarketMaker ? .level2 : []
        if hasMarketMaker, fields.flag() { flags.insert(.smart) }
        guard let operation, let side else {
            fields.fail(.outOfRange)
            return nil
        }
        let isDelete = operation == .delete
        return .tick(
            .depth(
                DepthMessage(
                    request: request, position: position, side: side, operation: operation,
                    price: isDelete ? .undefined : price, size: isDelete ? .undefined : size,
                    marketMaker: maker, flags: flags)))
    }

    @inline(__always)
    static func tickByTick(_ fields: inout FieldCursor) -> IBMessage? {
        let request = fields.number()
        let kind = fields.number()
        let time = fields.seconds()
        switch kind {
        case 1, 2:
            return .tick(
                .trade(
                    request: request, all: kind == 2,
                    TradeTick(
                        time: time, price: fields.price(), size: fields.size(), mask: fields.mask(),
                        exchange: fields.shortText(), conditions: fields.shortText())))
        case 3:
            let tick = QuoteTick(
                time: time, bidPrice: fields.price(), askPrice: fields.price(),
                bidSize: fields.size(), askSize: fields.size())
            // Attributes.
            fields.skip()
            return .tick(.quote(request: request, tick))
        case 4:
            return .tick(
                .midpoint(
                    request: request, MidpointTick(time: time, price: fields.price())))
        default:
            fields.fail(.outOfRange)
            return nil
        }
    }

    static func realTimeBar(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let request = fields.number()
        let time = fields.seconds()
        let (open, high, low, close) = (
            fields.price(), fields.price(), fields.price(), fields.price()
        )
        let volume = fields.volume()
        let vwap = positive(fields.average(), volume)
        return .tick(
            .bar(
                RealTimeBar(
                    request: request, time: time, open: open, high: high, low: low, close: close,
                    vwap: vwap, volume: volume, trades: fields.tradeCount())))
    }

    /// Returns undefined for the average of a bar without a volume, which is -1.
    static func positive(_ average: Price, _ volume: Int128) -> Price {
        volume == ProviderBar.undefinedVolume ? .undefined : average
    }
}

extension TradeTick {
    @inline(__always)
    init(
        time: Timestamp, price: Price, size: Quantity, mask: UInt8, exchange: ShortText,
        conditions: ShortText
    ) {
        self.time = time
        self.price = price
        self.size = size
        self.exchange = exchange
        self.conditions = conditions
        attributes = TradeAttributes(rawValue: mask & 3)
    }
}

extension QuoteTick {
    /// Reads the fields in their order. A side with the price -1 and the size 0 has no quote.
    @inline(__always)
    init(
        time: Timestamp, bidPrice: Price, askPrice: Price, bidSize: Quantity, askSize: Quantity
    ) {
        let hasBid = bidPrice.raw != -1_000_000_000 || bidSize.raw != 0
        let hasAsk = askPrice.raw != -1_000_000_000 || askSize.raw != 0
        self.time = time
        self.bidPrice = hasBid ? bidPrice : .undefined
        self.bidSize = hasBid ? bidSize : .undefined
        self.askPrice = hasAsk ? askPrice : .undefined
        self.askSize = hasAsk ? askSize : .undefined
    }
}

extension FieldCursor {
    /// Reads a small number that stands for bits or a choice; empty is 0.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func mask() -> UInt8 {
        let range = next()
        guard !range.isEmpty else { return 0 }
        guard let value = Self.integer(in: bytes, range) else {
            fail(.notANumber)
            return 0
        }
        guard let mask = UInt8(exactly: value) else {
            fail(.outOfRange)
            return 0
        }
        return mask
    }
}

/// Reads the parts of a field between separators.
private struct SplitText: ~Escapable {
    private let bytes: RawSpan
    private let end: Int
    private let separator: UInt8
    private var place: Int
    private(set) var isShort = false

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, _ range: Range<Int>, at separator: UInt8) {
        self.bytes = bytes
        self.separator = separator
        end = range.upperBound
        place = range.lowerBound
    }

    @_lifetime(self: copy self)
    mutating func next() -> Range<Int> {
        let start = place
        guard start <= end else {
            isShort = true
            return end..<end
        }
        var stop = start
        while stop < end, bytes.uint8(at: stop) != separator { stop += 1 }
        place = stop + 1
        return start..<stop
    }
}
