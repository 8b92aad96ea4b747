import MarketModel
import Primitives
import TapeCodec

// What each kind of message shows.
extension TailTick {
    mutating func set(_ trade: Trade, _ symbol: SymbolDefinition?) {
        kind = .trade
        add("price", trade.price)
        add("size", trade.size)
        add("exchange", trade.exchange)
        add("conditions", trade.conditions)
        if trade.header.action != 0 {
            add("action", Self.name(TradeAction.self, trade.header.action))
        }
        addTail(trade.header, symbol)
    }

    mutating func set(_ quote: Quote, _ symbol: SymbolDefinition?) {
        kind = .quote
        add("bid", quote.bidPrice)
        add("bid_size", quote.bidSize)
        add("bid_exchange", quote.bidExchange)
        add("ask", quote.askPrice)
        add("ask_size", quote.askSize)
        add("ask_exchange", quote.askExchange)
        addTail(quote.header, symbol)
    }

    mutating func set(_ bar: Bar, _ symbol: SymbolDefinition?, _ series: SeriesDefinition?) {
        kind = .bar
        self.symbol = symbol?.symbol.text ?? ""
        time = bar.openTime
        add("series", series?.name.text ?? "")
        add("close_time", bar.closeTime)
        if bar.number != 0 { add("number", .integer(bar.number)) }
        add("open", bar.open)
        add("high", bar.high)
        add("low", bar.low)
        add("close", bar.close)
        add("volume", .wide(bar.volume, decimals: Quantity.decimals))
        add("vwap", bar.vwap)
        add("notional", .wide(bar.notional, decimals: Price.decimals + Quantity.decimals))
        add("trades", .unsigned(bar.trades))
        if bar.excluded.total > 0 { add("excluded", .unsigned(bar.excluded.total)) }
        if let ordinal { add("revision", .unsigned(ordinal)) }
        add("generation", .unsigned(UInt64(bar.generation)))
        add("reason", Self.name(BarReason.self, bar.reason))
        let flags = bar.flags.names
        if !flags.isEmpty { add("flags", .flags(flags)) }
        if let source = symbol?.source { add("of_source", source.text) }
    }

    /// Everything else; false when the message is not what its template says.
    mutating func set(
        _ message: MessageBounds, in packet: RawSpan, _ names: (UInt32) -> SymbolDefinition?,
        _ series: (UInt16) -> SeriesDefinition?
    ) -> Bool {
        kind = TickKind(template: message.template)
        switch kind {
        case .depth: return set(message.depthUpdate(in: packet), names)
        case .depthReset: return set(message.depthReset(in: packet), names)
        case .providerBar: return set(message.providerBar(in: packet), names)
        case .option: return set(message.optionComputation(in: packet), names)
        case .news: return set(message.newsHeadline(in: packet), names)
        case .bulletin: return set(message.newsBulletin(in: packet), names)
        case .fundamental: return set(message.fundamentalPart(in: packet), names)
        case .indicator: return set(message.indicatorValue(in: packet), names)
        case .subscription: return set(message.subscriptionRecord(in: packet), names)
        case .gap: return set(message.gapRecord(in: packet), names)
        case .repair: return set(message.repairRequest(in: packet), names)
        case .lateTick: return set(message.lateTick(in: packet), names, series)
        case .unknown, .trade, .quote, .bar, .marker, .watermark:
            add("template", "0x\(String(message.template, radix: 16))")
            if let header = message.tickHeader(in: packet) { addTail(header, names(header.symbol)) }
            return true
        }
    }

    private mutating func set(
        _ depth: DepthUpdate?, _ names: (UInt32) -> SymbolDefinition?
    ) -> Bool {
        guard let depth else { return false }
        add("side", Self.name(BookSide.self, depth.side))
        add("operation", Self.name(DepthOperation.self, depth.operation))
        add("position", .unsigned(UInt64(depth.position)))
        add("price", depth.price)
        add("size", depth.size)
        add("market_maker", depth.marketMaker.text)
        addTail(depth.header, names(depth.header.symbol))
        return true
    }

    private mutating func set(
        _ reset: DepthReset?, _ names: (UInt32) -> SymbolDefinition?
    ) -> Bool {
        guard let reset else { return false }
        add("reason", Self.name(DepthResetReason.self, reset.reason))
        addTail(reset.header, names(reset.header.symbol))
        return true
    }

    private mutating func set(
        _ bar: ProviderBar?, _ names: (UInt32) -> SymbolDefinition?
    ) -> Bool {
        guard let bar else { return false }
        add("what", Self.name(ProviderBarKind.self, bar.kind))
        add("open_time", bar.openTime)
        add("close_time", bar.closeTime)
        add("open", bar.open)
        add("high", bar.high)
        add("low", bar.low)
        add("close", bar.close)
        if bar.volume != ProviderBar.undefinedVolume {
            add("volume", .wide(bar.volume, decimals: Quantity.decimals))
        }
        add("vwap", bar.vwap)
        if bar.trades != ProviderBar.undefinedCount { add("trades", .integer(bar.trades)) }
        addTail(bar.header, names(bar.header.symbol))
        time = bar.closeTime
        return true
    }

    private mutating func set(
        _ option: OptionComputation?, _ names: (UInt32) -> SymbolDefinition?
    ) -> Bool {
        guard let option else { return false }
        add("of", Self.name(OptionComputationKind.self, option.kind))
        add("implied_volatility", option.impliedVolatility)
        add("delta", option.delta)
        add("gamma", option.gamma)
        add("vega", option.vega)
        add("theta", option.theta)
        add("price", option.optionPrice)
        add("dividends", option.dividends)
        add("underlying_price", option.underlyingPrice)
        addTail(option.header, names(option.header.symbol))
        return true
    }

    private mutating func set(
        _ late: LateTickRecord?, _ names: (UInt32) -> SymbolDefinition?,
        _ series: (UInt16) -> SeriesDefinition?
    ) -> Bool {
        guard let late else { return false }
        add("of", Self.name(DataKind.self, late.kind))
        add("series", series(late.series)?.name.text ?? "")
        add("reason", Self.name(LateTickReason.self, late.reason))
        add("price", late.price)
        add("size", late.size)
        add("ask", late.askPrice)
        add("ask_size", late.askSize)
        add("exchange", late.exchange)
        add("conditions", late.conditions)
        add("open_time", late.openTime)
        add("close_time", late.closeTime)
        add("of_source", late.source.text)
        add("of_ordinal", .unsigned(late.ordinal))
        addTail(late.header, names(late.header.symbol))
        return true
    }
}
