internal import MarketModel
internal import Primitives

extension ScanMachine {
    private static let envelope = StateEnvelope("TLSC", version: 1)

    /// Restores the machine whose `encode` wrote these bytes, for the same rule and series.
    public init(
        rule: ScanRule, series: BarSeries, restoring bytes: RawSpan
    ) throws(CheckpointError) {
        self.init(rule: rule, series: series)
        var reader = try Self.envelope.open(bytes)
        let name = try reader.text(of: .series, max: 32, in: bytes)
        guard name == series.name.text else {
            throw .otherSeries(found: name, configured: series.name.text)
        }
        watermark = try reader.int64(in: bytes)
        settledThrough = try reader.int64(in: bytes)
        guard watermark != Int64.max else { throw reader.malformed(.header) }
        counters = try ScanCounters(&reader, bytes)
        let count = try reader.count(
            of: .symbol, max: BreadthRule.universeMax, bytesEach: 4, in: bytes)
        let refused = counters.refusedSymbols
        for index in 0..<count {
            let name = try UniverseSymbols.name(&reader, bytes)
            guard symbol(name) == UInt32(index) else { throw reader.malformed(.symbol) }
        }
        counters.refusedSymbols = refused
        try restoreWindows(&reader, bytes)
        carried = try ScanSample.samples(&reader, bytes, of: rule, symbols: known.names.count)
        try reader.finish()
    }

    /// Appends the state. The same state gives the same bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(text: series.name.text)
        bytes.append(integer: watermark)
        bytes.append(integer: settledThrough)
        counters.encode(into: &bytes)
        bytes.append(integer: UInt32(known.names.count))
        for name in known.names {
            bytes.append(text: name.symbol.text)
            bytes.append(text: name.source.text)
        }
        bytes.append(integer: UInt32(windows.count))
        for window in windows { window.encode(into: &bytes) }
        ScanSample.encode(carried, into: &bytes)
        Self.envelope.seal(&bytes, from: start)
    }

    private mutating func restoreWindows(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: Int(Int32.max), bytesEach: ScanWindow.encodedBytes, in: bytes)
        for _ in 0..<count {
            let window = try ScanWindow(
                &reader, bytes, rule, width: series.widthNanoseconds, symbols: known.names.count)
            guard windows.last.map({ $0.openTime < window.openTime }) ?? true,
                window.listed.count <= rule.most
            else { throw reader.malformed(.window) }
            windows.append(window)
        }
    }
}

extension ScanWindow {
    /// The length of a window without symbols.
    static let encodedBytes = 49

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: openTime)
        bytes.append((isOpen ? 1 : 0) | (isDue ? 2 : 0))
        bytes.append(integer: publications)
        bytes.append(integer: metCount)
        bytes.append(integer: leftOut)
        for rows in [met, listed] {
            bytes.append(integer: UInt32(rows.count))
            for (symbol, numbers) in rows.sorted(by: { $0.key < $1.key }) {
                bytes.append(integer: symbol)
                numbers.encode(into: &bytes)
            }
        }
        ScanSample.encode(given, into: &bytes)
        bytes.append(integer: derived)
    }

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, _ rule: ScanRule, width: Int64, symbols: Int
    ) throws(CheckpointError) {
        let openTime = try reader.int64(in: bytes)
        let flags = try reader.uint8(in: bytes)
        guard Timestamp(nanoseconds: openTime).isUsable, flags < 4 else {
            throw reader.malformed(.window)
        }
        self.init(openTime: openTime, closeTime: openTime + width)
        isOpen = flags & 1 != 0
        isDue = flags & 2 != 0
        publications = try reader.uint32(in: bytes)
        metCount = try reader.uint32(in: bytes)
        leftOut = try reader.uint32(in: bytes)
        met = try Self.rows(&reader, bytes, symbols: symbols)
        listed = try Self.rows(&reader, bytes, symbols: symbols)
        given = try ScanSample.samples(&reader, bytes, of: rule, symbols: symbols)
        derived = bytes.int128(at: try reader.take(16))
    }

    private static func rows(
        _ reader: inout StateReader, _ bytes: RawSpan, symbols: Int
    ) throws(CheckpointError) -> [UInt32: ScanNumbers] {
        let count = try reader.count(
            of: .window, max: symbols, bytesEach: ScanNumbers.encodedBytes + 4, in: bytes)
        var rows: [UInt32: ScanNumbers] = [:]
        var last: UInt32?
        for _ in 0..<count {
            let symbol = try reader.uint32(in: bytes)
            guard symbol < symbols, last.map({ $0 < symbol }) ?? true else {
                throw reader.malformed(.window)
            }
            last = symbol
            rows[symbol] = try ScanNumbers(&reader, bytes)
        }
        return rows
    }
}

extension ScanNumbers {
    static let encodedBytes = 64

    func encode(into bytes: inout [UInt8]) {
        for price in [open, high, low, close, vwap] { bytes.append(integer: price) }
        bytes.append(integer: count)
        bytes.append(integer: volume)
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init(
            open: try reader.int64(in: bytes), high: try reader.int64(in: bytes),
            low: try reader.int64(in: bytes), close: try reader.int64(in: bytes),
            vwap: try reader.int64(in: bytes), count: try reader.uint64(in: bytes),
            volume: bytes.int128(at: try reader.take(16)))
    }
}

extension ScanSample {
    private static let encodedBytes = 32

    static func encode(_ samples: [SampleKey: ScanSample], into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(samples.count))
        for (key, sample) in samples.sorted(by: { $0.key < $1.key }) {
            bytes.append(integer: key.input)
            bytes.append(integer: key.symbol)
            bytes.append(integer: sample.time)
            bytes.append(integer: sample.value)
        }
    }

    static func samples(
        _ reader: inout StateReader, _ bytes: RawSpan, of rule: ScanRule, symbols: Int
    ) throws(CheckpointError) -> [SampleKey: ScanSample] {
        let inputs = rule.derivation?.inputs.count ?? 0
        let count = try reader.count(
            of: .window, max: symbols * (inputs + 1), bytesEach: encodedBytes, in: bytes)
        var samples: [SampleKey: ScanSample] = [:]
        var last: SampleKey?
        for _ in 0..<count {
            let key = SampleKey(
                input: try reader.uint32(in: bytes), symbol: try reader.uint32(in: bytes))
            guard key.symbol < symbols, key.input < inputs || key.input == SampleKey.closes,
                last.map({ $0 < key }) ?? true
            else { throw reader.malformed(.window) }
            let time = try reader.int64(in: bytes)
            guard Timestamp(nanoseconds: time).isUsable else { throw reader.malformed(.window) }
            last = key
            samples[key] = ScanSample(time: time, value: bytes.int128(at: try reader.take(16)))
        }
        return samples
    }
}

extension ScanCounters {
    /// The counters in the order of their bytes.
    private static var terms: [WritableKeyPath<ScanCounters, UInt64>] {
        [\.received, \.unknownSymbol, \.late, \.refusedSymbols, \.values]
    }

    func encode(into bytes: inout [UInt8]) {
        for term in Self.terms { bytes.append(integer: self[keyPath: term]) }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        self.init()
        try reader.tallies(Self.terms, of: &self, in: bytes)
    }
}
