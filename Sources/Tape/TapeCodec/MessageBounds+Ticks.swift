public import MarketModel
internal import Primitives

// The ticks that `RecordCursor` returns as bounds. Each reader returns `nil` when the message is of
// another template or a text is longer than its limit. Raw numbers of enumerations are not checked.
extension MessageBounds {
    /// Returns the header that every tick begins with; `nil` when the message is no tick. It also
    /// works for ticks of unknown templates, because every future template must begin in the same
    /// way.
    public func tickHeader(in packet: RawSpan) -> TickHeader? {
        guard WireFormat.Template.isTick(template), template != WireFormat.Template.bar,
            blockLength >= WireFormat.tickHeaderBytes
        else { return nil }
        return header(in: packet)
    }

    public func depthUpdate(in packet: RawSpan) -> DepthUpdate? {
        guard template == WireFormat.Template.depthUpdate else { return nil }
        var update = DepthUpdate(
            header: header(in: packet), position: packet.uint32(at: body + 64), side: .ask,
            operation: .insert, price: price(32, packet), size: size(40, packet),
            marketMaker: MarketMaker(
                first: ShortText(raw: packet.uint64(at: body + 48)),
                second: ShortText(raw: packet.uint64(at: body + 56))),
            flags: DepthFlags(rawValue: packet.uint8(at: body + 70)))
        update.side = packet.uint8(at: body + 68)
        update.operation = packet.uint8(at: body + 69)
        return update
    }

    public func depthReset(in packet: RawSpan) -> DepthReset? {
        guard template == WireFormat.Template.depthReset else { return nil }
        var reset = DepthReset(header: header(in: packet), reason: .unknown)
        reset.reason = packet.uint8(at: body + 32)
        return reset
    }

    public func providerBar(in packet: RawSpan) -> ProviderBar? {
        guard template == WireFormat.Template.providerBar else { return nil }
        var bar = ProviderBar(
            header: header(in: packet), openTime: time(32, packet), closeTime: time(40, packet),
            kind: .unknown)
        bar.open = price(48, packet)
        bar.high = price(56, packet)
        bar.low = price(64, packet)
        bar.close = price(72, packet)
        bar.vwap = price(80, packet)
        bar.volume = packet.int128(at: body + 88)
        bar.trades = packet.int64(at: body + 104)
        bar.kind = packet.uint8(at: body + 112)
        bar.flags = ProviderBarFlags(rawValue: packet.uint8(at: body + 113))
        return bar
    }

    public func optionComputation(in packet: RawSpan) -> OptionComputation? {
        guard template == WireFormat.Template.optionComputation else { return nil }
        var option = OptionComputation(header: header(in: packet), kind: .unknown)
        option.impliedVolatility = ratio(32, packet)
        option.delta = ratio(40, packet)
        option.gamma = ratio(48, packet)
        option.vega = ratio(56, packet)
        option.theta = ratio(64, packet)
        option.optionPrice = price(72, packet)
        option.dividends = price(80, packet)
        option.underlyingPrice = price(88, packet)
        option.kind = packet.uint8(at: body + 96)
        option.basis = packet.uint8(at: body + 97)
        return option
    }

    public func lateTick(in packet: RawSpan) -> LateTickRecord? {
        guard template == WireFormat.Template.lateTick,
            let source = packet.sourceName(at: body + 104)
        else { return nil }
        let quote = Quote(
            header: header(in: packet), bidPrice: price(32, packet), bidSize: size(40, packet),
            askPrice: price(64, packet), askSize: size(72, packet),
            bidExchange: ShortText(raw: packet.uint64(at: body + 48)),
            askExchange: ShortText(raw: packet.uint64(at: body + 56)))
        var late = LateTickRecord(
            quote, source: source, ordinal: packet.uint64(at: body + 80),
            series: packet.uint16(at: body + 128), openTime: time(88, packet),
            closeTime: time(96, packet), reason: .windowClosed)
        late.reason = packet.uint8(at: body + 130)
        late.kind = packet.uint8(at: body + 131)
        return late
    }

    // MARK: parts

    func header(in packet: RawSpan) -> TickHeader {
        TickHeader(packet.extracting(body..<body + WireFormat.tickHeaderBytes))
    }

    func time(_ offset: Int, _ packet: RawSpan) -> Timestamp {
        Timestamp(nanoseconds: packet.int64(at: body + offset))
    }

    private func price(_ offset: Int, _ packet: RawSpan) -> Price {
        Price(raw: packet.int64(at: body + offset))
    }

    private func size(_ offset: Int, _ packet: RawSpan) -> Quantity {
        Quantity(raw: packet.int64(at: body + offset))
    }

    private func ratio(_ offset: Int, _ packet: RawSpan) -> Ratio {
        Ratio(raw: packet.int64(at: body + offset))
    }
}
