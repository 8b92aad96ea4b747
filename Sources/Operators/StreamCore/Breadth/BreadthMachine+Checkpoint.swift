internal import MarketModel
internal import Primitives

extension BreadthMachine {
    static let envelope = StateEnvelope("TLBR", version: 1)

    /// Restores the machine whose `encode` wrote these bytes, for the same rule, series, calendar
    /// and number of partitions.
    public init(
        rule: BreadthRule, series: BarSeries, calendar: SessionCalendar?, partitions: Int,
        restoring bytes: RawSpan
    ) throws(CheckpointError) {
        self.init(rule: rule, series: series, calendar: calendar, partitions: partitions)
        var reader = try Self.envelope.open(bytes)
        let name = try reader.text(of: .series, max: 32, in: bytes)
        guard name == series.name.text else {
            throw .otherSeries(found: name, configured: series.name.text)
        }
        guard try reader.uint32(in: bytes) == UInt32(rule.measures.count),
            try reader.uint32(in: bytes) == UInt32(watermarks.count)
        else { throw reader.malformed(.header) }
        for index in watermarks.indices {
            watermarks[index] = try reader.int64(in: bytes)
            guard watermarks[index] != Int64.max else { throw reader.malformed(.header) }
        }
        settledThrough = try reader.int64(in: bytes)
        counters = try BreadthCounters(&reader, bytes)
        try restoreSymbols(&reader, bytes)
        try restoreWindows(&reader, bytes)
        try reader.finish()
    }

    /// Appends the state. The same state gives the same bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(text: series.name.text)
        bytes.append(integer: UInt32(rule.measures.count))
        bytes.append(integer: UInt32(watermarks.count))
        for watermark in watermarks { bytes.append(integer: watermark) }
        bytes.append(integer: settledThrough)
        counters.encode(into: &bytes)
        bytes.append(integer: UInt32(symbols.count))
        for (name, symbol) in zip(known.names, symbols) {
            bytes.append(text: name.symbol.text)
            bytes.append(text: name.source.text)
            symbol.encode(into: &bytes)
        }
        bytes.append(integer: UInt32(windows.count))
        for window in windows { window.encode(into: &bytes) }
        Self.envelope.seal(&bytes, from: start)
    }

    private mutating func restoreSymbols(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .symbol, max: BreadthRule.universeMax, bytesEach: 20 + BreadthDay.encodedBytes,
            in: bytes)
        for index in 0..<count {
            let name = try UniverseSymbols.name(&reader, bytes)
            guard symbol(name) == UInt32(index) else { throw reader.malformed(.symbol) }
            symbols[index] = try BreadthSymbol(&reader, bytes, rule)
        }
    }

    private mutating func restoreWindows(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: Int(Int32.max), bytesEach: 11, in: bytes)
        for _ in 0..<count {
            let window = try BreadthWindow(
                &reader, bytes, width: series.widthNanoseconds, measures: rule.measures.count)
            guard windows.last.map({ $0.openTime < window.openTime }) ?? true else {
                throw reader.malformed(.window)
            }
            windows.append(window)
        }
    }
}

extension BreadthDay {
    static let encodedBytes = 29

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: day)
        bytes.append(integer: close)
        bytes.append(integer: high)
        bytes.append(integer: low)
        bytes.append(origin.rawValue)
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init(
            day: Int32(bitPattern: try reader.uint32(in: bytes)),
            close: try reader.int64(in: bytes), high: try reader.int64(in: bytes),
            low: try reader.int64(in: bytes))
        guard day >= 0, let origin = Origin(rawValue: try reader.uint8(in: bytes)) else {
            throw reader.malformed(.symbol)
        }
        self.origin = origin
    }
}

extension BreadthBar {
    static let encodedBytes = 45

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: openTime)
        bytes.append(integer: closeTime)
        bytes.append(integer: day)
        bytes.append(integer: close)
        bytes.append(integer: high)
        bytes.append(integer: low)
        bytes.append((isThere ? 1 : 0) | (isPartial ? 2 : 0))
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init(
            openTime: try reader.int64(in: bytes), closeTime: try reader.int64(in: bytes),
            day: Int32(bitPattern: try reader.uint32(in: bytes)),
            close: try reader.int64(in: bytes), high: try reader.int64(in: bytes),
            low: try reader.int64(in: bytes), isThere: false)
        let flags = try reader.uint8(in: bytes)
        guard day > 0, openTime < closeTime, flags < 4 else { throw reader.malformed(.symbol) }
        isThere = flags & 1 != 0
        isPartial = flags & 2 != 0
    }
}

extension BreadthSymbol {
    func encode(into bytes: inout [UInt8]) {
        today.encode(into: &bytes)
        bytes.append(integer: settledThrough)
        bytes.append(integer: UInt32(history.count))
        for day in history { day.encode(into: &bytes) }
        bytes.append(integer: UInt32(unsettled.count))
        for bar in unsettled { bar.encode(into: &bytes) }
    }

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, _ rule: BreadthRule
    ) throws(CheckpointError) {
        let today = try BreadthDay(&reader, bytes)
        let settledThrough = try reader.int64(in: bytes)
        let days = try reader.count(
            of: .symbol, max: rule.historyMax, bytesEach: BreadthDay.encodedBytes, in: bytes)
        var history: [BreadthDay] = []
        for _ in 0..<days {
            let day = try BreadthDay(&reader, bytes)
            guard day.day > history.last?.day ?? 0 else { throw reader.malformed(.symbol) }
            history.append(day)
        }
        let count = try reader.count(
            of: .symbol, max: Int(Int32.max), bytesEach: BreadthBar.encodedBytes, in: bytes)
        var unsettled: [BreadthBar] = []
        for _ in 0..<count {
            let bar = try BreadthBar(&reader, bytes)
            guard unsettled.last.map({ $0.openTime < bar.openTime }) ?? true else {
                throw reader.malformed(.symbol)
            }
            unsettled.append(bar)
        }
        self.init(
            today: today, history: history, unsettled: unsettled,
            settledThrough: settledThrough, rule)
    }
}

extension BreadthWindow {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: openTime)
        bytes.append(isDue ? 1 : 0)
        bytes.append(reason)
        bytes.append(results.isEmpty ? 0 : 1)
        for result in results {
            bytes.append(integer: result.value)
            bytes.append(integer: result.symbols)
        }
    }

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, width: Int64, measures: Int
    ) throws(CheckpointError) {
        let openTime = try reader.int64(in: bytes)
        guard Timestamp(nanoseconds: openTime).isUsable else { throw reader.malformed(.window) }
        self.init(openTime: openTime, closeTime: openTime + width)
        isDue = try reader.flag(of: .window, in: bytes)
        reason = try reader.uint8(in: bytes)
        guard BarReason(rawValue: reason) != nil else { throw reader.malformed(.window) }
        guard try reader.flag(of: .window, in: bytes) else { return }
        for _ in 0..<measures {
            let start = try reader.take(20)
            results.append(
                BreadthResult(
                    value: bytes.int128(at: start), symbols: bytes.uint32(at: start + 16)))
        }
    }
}

extension BreadthCounters {
    /// The counters in the order of their bytes.
    private static var terms: [WritableKeyPath<BreadthCounters, UInt64>] {
        [\.received, \.unknownSymbol, \.outsideSession, \.late, \.refusedSymbols, \.values]
    }

    func encode(into bytes: inout [UInt8]) {
        for term in Self.terms { bytes.append(integer: self[keyPath: term]) }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init()
        try reader.tallies(Self.terms, of: &self, in: bytes)
    }
}
