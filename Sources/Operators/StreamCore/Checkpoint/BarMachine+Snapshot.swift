internal import MarketModel
internal import Primitives

extension BarMachine {
    static let envelope = StateEnvelope("TLBM", version: 1)

    /// Appends everything that decides the machine's later results. Two machines with the same
    /// bytes and tables return the same from every call. The same state gives the same bytes,
    /// however it came about: slots, free lists and the order of dictionaries are not in them.
    ///
    /// The state of one `BarMachine` is never larger than `CheckpointLimits.bytesMax`. A caller
    /// that keeps its buffer allocates once.
    public func encode(_: PartitionTables, into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.reserveCapacity(start + 4_096 + windows.openCount * WindowState.encodedBytes)
        encodeSeries(&bytes)
        encodeCounters(&bytes)
        encodeWindows(&bytes)
        encodeFills(&bytes)
        encodeLateTicks(&bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    private func encodeSeries(_ bytes: inout [UInt8]) {
        bytes.append(rule.field.rawValue)
        bytes.append(integer: UInt32(series.all.count))
        for one in series.all {
            bytes.append(contentsOf: one.shapeBytes)
            bytes.append(text: one.name.text)
        }
    }

    private func encodeCounters(_ bytes: inout [UInt8]) {
        var counters = account
        counters.received = receivedTrades
        counters.encode(.all, into: &bytes)
    }

    /// Appends the windows by symbol and series, the newest of each first, as they are linked.
    private func encodeWindows(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(windows.openCount))
        windows.forEach { $0.encode(into: &bytes) }
    }

    /// Appends the fill states of the keys that have one, in order of the keys.
    private func encodeFills(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(fills.states.count { $0 != nil }))
        for (key, state) in fills.states.enumerated() {
            guard let state else { continue }
            bytes.append(integer: UInt32(truncatingIfNeeded: key))
            bytes.append(integer: UInt32(truncatingIfNeeded: state.filled))
            bytes.append(integer: state.base)
            bytes.append(integer: state.close)
            bytes.append(integer: state.last.start)
        }
    }

    private func encodeLateTicks(_ bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(lateTicks.count))
        for tick in lateTicks { tick.encode(into: &bytes) }
    }
}

extension BarSeries {
    static let shapeBytesCount = 34

    /// The window rule, the lateness and the maximum of filled windows, as bytes: everything that
    /// decides which windows the series has, and how long they are kept.
    var shapeBytes: [UInt8] {
        let (kind, sizes) = window.kindAndSizes
        var max: Int64 = 0
        if case .previousClose(let windows) = fill { max = Int64(windows) }
        var bytes: [UInt8] = [kind, 0]
        for number in sizes + [lateness, max] { bytes.append(integer: number) }
        return bytes
    }
}

extension FillTable {
    static let encodedBytes = 32
}

extension WindowState {
    static let encodedBytes = 152

    /// Appends the window. Its end follows from the start and the series, and its link `older` from
    /// the order of the windows.
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: symbol)
        bytes.append(integer: series)
        bytes.append(flags.rawValue)
        bytes.append(phase.rawValue)
        bytes.append(integer: start)
        bytes.append(integer: trades)
        bytes.append(integer: openTime)
        bytes.append(integer: closeTime)
        bytes.append(integer: openOrdinal)
        bytes.append(integer: closeOrdinal)
        bytes.append(integer: openFeed.raw)
        bytes.append(integer: closeFeed.raw)
        bytes.append(integer: open)
        bytes.append(integer: high)
        bytes.append(integer: low)
        bytes.append(integer: close)
        bytes.append(integer: volume)
        bytes.append(integer: notional)
        bytes.append(integer: notionalCarry)
        excluded.encode(into: &bytes)
        bytes.append(integer: UInt32(0))
    }
}

extension LateTick {
    static let encodedBytes = 104

    /// Appends the late tick. The window's end follows from its start and the series.
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: ordinal)
        bytes.append(integer: UInt32(truncatingIfNeeded: source))
        bytes.append(integer: series)
        bytes.append(reason.rawValue)
        bytes.append(kind.rawValue)
        bytes.append(integer: trade.header.symbol)
        bytes.append(integer: trade.header.flags.rawValue)
        bytes.append(integer: trade.header.action)
        bytes.append(integer: trade.header.resolution)
        bytes.append(integer: trade.header.providerTime.nanoseconds)
        bytes.append(integer: trade.header.receiveTime.nanoseconds)
        bytes.append(integer: trade.header.providerID)
        bytes.append(integer: trade.price.raw)
        bytes.append(integer: trade.size.raw)
        bytes.append(integer: trade.exchange.raw)
        bytes.append(integer: trade.conditions.raw)
        bytes.append(integer: askPrice.raw)
        bytes.append(integer: askSize.raw)
        bytes.append(integer: openTime.nanoseconds)
    }
}
