import MarketModel
import Primitives
import TapeCodec

// The values of each kind of record.
extension TailTick {
    mutating func set(
        _ record: TapeRecord, _ symbol: SymbolDefinition?, _ series: (UInt16) -> SeriesDefinition?
    ) {
        switch record {
        case .trade(let trade): set(trade)
        case .quote(let quote): set(quote)
        case .depth(let depth): set(depth)
        case .depthReset(let reset):
            add("reason", Self.name(DepthResetReason.self, reset.reason))
        case .providerBar(let bar): set(bar)
        case .option(let option): set(option)
        case .news(let news): set(news)
        case .bulletin(let bulletin): set(bulletin)
        case .fundamental(let part): set(part)
        case .indicator(let value): set(value)
        case .subscription(let record): set(record)
        case .gap(let gap): set(gap)
        case .repair(let request): set(request)
        case .bar(let bar): set(bar, symbol, series(bar.series))
        case .lateTick(let late): set(late, series(late.series))
        }
        if let header = record.header { addTail(header, symbol) }
        if case .providerBar(let bar) = record { time = bar.closeTime }
    }

    /// Sets a tick of a template that this version does not know. All templates share the header.
    mutating func set(
        _ template: UInt16, _ header: TickHeader?, _ symbol: SymbolDefinition?
    ) {
        add("template", "0x\(String(template, radix: 16))")
        if let header { addTail(header, symbol) }
    }

    private mutating func set(_ trade: Trade) {
        add("price", trade.price)
        add("size", trade.size)
        add("exchange", trade.exchange)
        add("conditions", trade.conditions)
        if trade.header.action != 0 {
            add("action", Self.name(TradeAction.self, trade.header.action))
        }
    }

    private mutating func set(_ quote: Quote) {
        add("bid", quote.bidPrice)
        add("bid_size", quote.bidSize)
        add("bid_exchange", quote.bidExchange)
        add("ask", quote.askPrice)
        add("ask_size", quote.askSize)
        add("ask_exchange", quote.askExchange)
    }

    private mutating func set(
        _ bar: Bar, _ symbol: SymbolDefinition?, _ series: SeriesDefinition?
    ) {
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

    private mutating func set(_ depth: DepthUpdate) {
        add("side", Self.name(BookSide.self, depth.side))
        add("operation", Self.name(DepthOperation.self, depth.operation))
        add("position", .unsigned(UInt64(depth.position)))
        add("price", depth.price)
        add("size", depth.size)
        add("market_maker", depth.marketMaker.text)
    }

    private mutating func set(_ bar: ProviderBar) {
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
    }

    private mutating func set(_ option: OptionComputation) {
        add("of", Self.name(OptionComputationKind.self, option.kind))
        add("implied_volatility", option.impliedVolatility)
        add("delta", option.delta)
        add("gamma", option.gamma)
        add("vega", option.vega)
        add("theta", option.theta)
        add("price", option.optionPrice)
        add("dividends", option.dividends)
        add("underlying_price", option.underlyingPrice)
    }

    private mutating func set(_ late: LateTickRecord, _ series: SeriesDefinition?) {
        add("of", Self.name(DataKind.self, late.kind))
        add("series", series?.name.text ?? "")
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
    }
}
