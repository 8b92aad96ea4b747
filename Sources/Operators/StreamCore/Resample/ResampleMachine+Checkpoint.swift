internal import MarketModel
internal import Primitives

extension ResampleMachine {
    static let envelope = StateEnvelope("TLRM", version: 1)

    /// Restores the machine whose `encode` wrote these bytes, for the same rule.
    public init(
        rule: ResampleRule, from: BarSeries, restoring bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        self.init(rule: rule, from: from)
        var reader = try Self.envelope.open(bytes)
        try rule.series.checkNames(&reader, bytes)
        counters = try ResampleCounters(&reader, bytes)
        due = Array(repeating: Int64.min, count: tables.sources.entries.count)
        for symbol in 0..<tables.symbols.count {
            held.append(ResampleSymbol(seriesCount: series.count))
            try restore(symbol, &reader, bytes)
        }
        try reader.finish()
    }

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        rule.series.encodeNames(into: &bytes)
        counters.encode(into: &bytes)
        for one in held {
            bytes.append(integer: one.settledThrough)
            bytes.append(integer: UInt32(one.unsettled.count))
            for bar in one.unsettled { bar.encodeFine(into: &bytes) }
            for windows in one.windows {
                bytes.append(integer: UInt32(windows.count))
                for window in windows { window.encode(into: &bytes) }
            }
        }
        Self.envelope.seal(&bytes, from: start)
    }

    private mutating func restore(
        _ symbol: Int, _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        held[symbol].settledThrough = try reader.int64(in: bytes)
        // After a repair a symbol may have more finer bars than live ones may wait.
        unsettled += try reader.items(
            of: .window, max: StreamLimits.unsettledBarsMax + StreamLimits.repairTicksMax,
            bytesEach: Bar.encodedFineBytes, in: bytes
        ) { block in
            guard let bar = Bar(fine: block, symbol: symbol, width: from.widthNanoseconds),
                held[symbol].unsettled.last.map({ $0.openTime < bar.openTime }) ?? true
            else { return false }
            held[symbol].unsettled.append(bar)
            return true
        }
        for index in series.indices { try restore(symbol, index, &reader, bytes) }
    }

    private mutating func restore(
        _ symbol: Int, _ index: Int, _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let width = series[index].widthNanoseconds
        try reader.items(
            of: .window, max: StreamLimits.openWindowsMax,
            bytesEach: ResampleWindow.encodedBytes, in: bytes
        ) { block in
            guard let window = ResampleWindow(block, width: width),
                series[index].window.starts(holding: window.start).contains(window.start),
                held[symbol].windows[index].last.map({ $0.start < window.start }) ?? true
            else { return false }
            held[symbol].windows[index].append(window)
            return true
        }
    }
}

extension ResampleWindow {
    static let encodedBytes = 20 + BarSums.encodedBytes

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: start)
        bytes.append(integer: switchedAt)
        bytes.append(isPartial ? 1 : 0)
        bytes.append(isOnTape ? 1 : 0)
        bytes.append(isDue ? 1 : 0)
        bytes.append(reason)
        settled.encode(into: &bytes)
    }

    /// Reads an encoded window; `nil` when no machine can hold it.
    init?(_ block: RawSpan, width: Int64) {
        let start = block.int64(at: 0)
        guard Timestamp(nanoseconds: start).isUsable, block.uint8(at: 16) < 2,
            block.uint8(at: 17) < 2, block.uint8(at: 18) < 2,
            BarReason(rawValue: block.uint8(at: 19)) != nil,
            let settled = BarSums(block.extracting(20..<Self.encodedBytes))
        else { return nil }
        self.init(start: start, end: start + width)
        switchedAt = block.int64(at: 8)
        isPartial = block.uint8(at: 16) == 1
        isOnTape = block.uint8(at: 17) == 1
        isDue = block.uint8(at: 18) == 1
        reason = block.uint8(at: 19)
        self.settled = settled
    }
}

extension ResampleCounters {
    /// The counters in the order of their bytes.
    private static var terms: [WritableKeyPath<ResampleCounters, UInt64>] {
        [
            \.received, \.counted, \.unknownSymbol, \.late, \.settledEarly, \.bars, \.revisions,
            \.repairs, \.repairsRefused,
        ]
    }

    func encode(into bytes: inout [UInt8]) {
        for term in Self.terms { bytes.append(integer: self[keyPath: term]) }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init()
        try reader.tallies(Self.terms, of: &self, in: bytes)
    }
}
