public import MarketModel
internal import Primitives

// The ticks that are rarer than trades and quotes. All bytes of a block are written, including the
// unused ones, because the buffer is reused.
extension PacketBuilder {
    /// Returns false when the packet is full; then the tick is not in it.
    public mutating func append(_ update: DepthUpdate) -> Bool {
        let template = WireFormat.Template.depthUpdate
        guard let body = beginTick(template, WireFormat.Block.depthUpdate, update.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(update.price.raw, at: body + 32)
            unsafe buffer.put(update.size.raw, at: body + 40)
            unsafe buffer.put(update.marketMaker.first.raw, at: body + 48)
            unsafe buffer.put(update.marketMaker.second.raw, at: body + 56)
            unsafe buffer.put(update.position, at: body + 64)
            unsafe buffer.put(update.side, at: body + 68)
            unsafe buffer.put(update.operation, at: body + 69)
            unsafe buffer.put(UInt16(update.flags.rawValue), at: body + 70)
        }
        counted(update.header.eventTime)
        return true
    }

    /// As for a depth update.
    public mutating func append(_ reset: DepthReset) -> Bool {
        let template = WireFormat.Template.depthReset
        guard let body = beginTick(template, WireFormat.Block.depthReset, reset.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(UInt64(reset.reason), at: body + 32)
        }
        counted(reset.header.eventTime)
        return true
    }

    /// As for a depth update.
    public mutating func append(_ bar: ProviderBar) -> Bool {
        let template = WireFormat.Template.providerBar
        guard let body = beginTick(template, WireFormat.Block.providerBar, bar.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(bar.openTime.nanoseconds, at: body + 32)
            unsafe buffer.put(bar.closeTime.nanoseconds, at: body + 40)
            unsafe buffer.put(bar.open.raw, at: body + 48)
            unsafe buffer.put(bar.high.raw, at: body + 56)
            unsafe buffer.put(bar.low.raw, at: body + 64)
            unsafe buffer.put(bar.close.raw, at: body + 72)
            unsafe buffer.put(bar.vwap.raw, at: body + 80)
            unsafe buffer.put(bar.volume, at: body + 88)
            unsafe buffer.put(bar.trades, at: body + 104)
            unsafe buffer.put(
                UInt64(bar.kind) | UInt64(bar.flags.rawValue) << 8, at: body + 112)
        }
        counted(bar.closeTime)
        return true
    }

    /// As for a depth update.
    public mutating func append(_ option: OptionComputation) -> Bool {
        let template = WireFormat.Template.optionComputation
        let block = WireFormat.Block.optionComputation
        guard let body = beginTick(template, block, option.header) else { return false }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(option.impliedVolatility.raw, at: body + 32)
            unsafe buffer.put(option.delta.raw, at: body + 40)
            unsafe buffer.put(option.gamma.raw, at: body + 48)
            unsafe buffer.put(option.vega.raw, at: body + 56)
            unsafe buffer.put(option.theta.raw, at: body + 64)
            unsafe buffer.put(option.optionPrice.raw, at: body + 72)
            unsafe buffer.put(option.dividends.raw, at: body + 80)
            unsafe buffer.put(option.underlyingPrice.raw, at: body + 88)
            unsafe buffer.put(UInt64(option.kind) | UInt64(option.basis) << 8, at: body + 96)
        }
        counted(option.header.eventTime)
        return true
    }

    /// As for a depth update. The record goes onto the tape of derived data, as bars do.
    public mutating func append(_ late: LateTickRecord) -> Bool {
        let template = WireFormat.Template.lateTick
        guard !isFull else { return false }
        _ = symbolIndex(late.header)
        let series = defineSeries(late.series)
        guard let body = beginTick(template, WireFormat.Block.lateTick, late.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(late.price.raw, at: body + 32)
            unsafe buffer.put(late.size.raw, at: body + 40)
            unsafe buffer.put(late.exchange.raw, at: body + 48)
            unsafe buffer.put(late.conditions.raw, at: body + 56)
            unsafe buffer.put(late.askPrice.raw, at: body + 64)
            unsafe buffer.put(late.askSize.raw, at: body + 72)
            unsafe buffer.put(late.ordinal, at: body + 80)
            unsafe buffer.put(late.openTime.nanoseconds, at: body + 88)
            unsafe buffer.put(late.closeTime.nanoseconds, at: body + 96)
            unsafe buffer.put(late.source, at: body + 104)
            unsafe buffer.put(
                UInt64(series) | UInt64(late.reason) << 16 | UInt64(late.kind) << 24,
                at: body + 128)
        }
        counted(late.openTime)
        return true
    }

    // MARK: parts

    /// Defines the symbol if needed, and writes message header and tick header. Returns `nil` and
    /// writes nothing when the tick, with `variableBytes` after its block, has to wait for the next
    /// packet.
    mutating func beginTick(
        _ template: UInt16, _ block: Int, _ header: TickHeader, variableBytes: Int = 0
    ) -> Int? {
        let needed =
            WireFormat.messageHeaderBytes + block + variableBytes
            + PacketLimits.definitionsOfTickBytesMax
        guard !isFull, used + needed <= bytes.count else { return nil }
        let index = symbolIndex(header)
        let body = begin(template, block: block)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(header, index: index, at: body)
        }
        return body
    }

    private mutating func symbolIndex(_ header: TickHeader) -> UInt32 {
        header.symbol == TickHeader.noSymbol ? TickHeader.noSymbol : defineSymbol(header.symbol)
    }
}
