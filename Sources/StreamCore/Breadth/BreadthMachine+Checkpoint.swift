internal import MarketModel
internal import Primitives

// The state as bytes: what stood before the kept windows, and those windows. What stands behind
// the last told window follows from both.
extension BreadthMachine {
    private static let envelope = StateEnvelope("BRDT", version: 1)
    private static let dayBytes = 24
    private static let cellBytes = 28
    private static let symbolBytesMin = 36
    private static let windowBytesMin = 24

    func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(text: shape)
        bytes.append(integer: watermark.nanoseconds)
        bytes.append(integer: ignored)
        bytes.append(integer: refused)
        bytes.append(integer: UInt64(toldCount))
        bytes.append(integer: changedFrom == nil ? UInt16(0) : UInt16(1))
        bytes.append(integer: changedFrom ?? 0)
        bytes.append(integer: UInt32(base.count))
        for symbol in base {
            bytes.append(integer: symbol.number)
            Self.append(symbol.today, to: &bytes)
            bytes.append(integer: UInt32(symbol.days.count))
            for day in symbol.days { Self.append(day, to: &bytes) }
        }
        bytes.append(integer: UInt32(windows.count))
        for window in windows { Self.append(window, to: &bytes) }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Of what the state is: another rule's is none of this one's.
    private var shape: String {
        "\(rule.series) \(widthNanoseconds) \(lateness) \(names.joined(separator: ","))"
    }

    private static func append(_ day: BreadthSymbol.Day, to bytes: inout [UInt8]) {
        bytes.append(integer: day.high)
        bytes.append(integer: day.low)
        bytes.append(integer: day.close)
    }

    private static func append(_ window: Window, to bytes: inout [UInt8]) {
        bytes.append(integer: window.start)
        bytes.append(integer: window.day)
        bytes.append(integer: UInt32(window.cells.count))
        for cell in window.cells {
            bytes.append(integer: cell.symbol)
            append(cell.bar, to: &bytes)
        }
        bytes.append(integer: UInt32(window.told.count))
        for (value, version) in zip(window.told, window.versions) {
            bytes.append(integer: UInt64(truncatingIfNeeded: value))
            bytes.append(integer: UInt64(truncatingIfNeeded: value >> 64))
            bytes.append(integer: version)
        }
    }

    // MARK: restoring

    /// The machine whose `encode` made the bytes at `offset`, which is moved behind them. `blank`
    /// is one of the same rule.
    init(
        _ blank: BreadthMachine, restoring bytes: RawSpan, offset: inout Int
    ) throws(CheckpointError) {
        self = blank
        var reader = try Self.envelope.open(bytes, from: offset, isLast: false)
        offset = reader.endOfEnvelope
        let found = try reader.text(of: .series, max: Int(UInt16.max), in: bytes)
        guard found == shape else {
            throw .otherSeries(found: found, configured: shape)
        }
        watermark = Timestamp(nanoseconds: try reader.int64(in: bytes))
        ignored = try reader.tally(in: bytes)
        refused = try reader.tally(in: bytes)
        let told = try reader.uint64(in: bytes)
        let isChanged = try reader.uint16(in: bytes)
        let from = try reader.int64(in: bytes)
        changedFrom = isChanged == 0 ? nil : from
        try restoreSymbols(&reader, bytes)
        try restoreWindows(&reader, bytes)
        guard told <= windows.count else { throw reader.malformed(.window) }
        toldCount = Int(told)
        try reader.finish()
        front = base
        for window in windows.prefix(toldCount) { apply(window, to: &front) }
    }

    private static func day(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> BreadthSymbol.Day {
        BreadthSymbol.Day(
            high: try reader.int64(in: bytes), low: try reader.int64(in: bytes),
            close: try reader.int64(in: bytes))
    }

    private mutating func restoreSymbols(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .symbol, max: symbolsMax, bytesEach: Self.symbolBytesMin, in: bytes)
        for _ in 0..<count {
            let number = try reader.int64(in: bytes)
            let today = try Self.day(&reader, bytes)
            let days = try reader.count(
                of: .symbol, max: depth, bytesEach: Self.dayBytes, in: bytes)
            var known: [BreadthSymbol.Day] = []
            for _ in 0..<days { known.append(try Self.day(&reader, bytes)) }
            base.append(BreadthSymbol(number: number, today: today, days: known))
        }
    }

    private mutating func restoreWindows(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: Self.cellsMax, bytesEach: Self.windowBytesMin, in: bytes)
        for _ in 0..<count {
            var window = Window(
                start: try reader.int64(in: bytes), day: try reader.int64(in: bytes))
            guard windows.last.map({ $0.start < window.start }) ?? true else {
                throw reader.malformed(.window)
            }
            let cells = try reader.count(
                of: .window, max: symbolsMax, bytesEach: Self.cellBytes, in: bytes)
            for _ in 0..<cells {
                let symbol = try reader.uint32(in: bytes)
                guard symbol < base.count, window.cells.last.map({ $0.symbol < symbol }) ?? true
                else { throw reader.malformed(.symbol) }
                window.cells.append(Cell(symbol: symbol, bar: try Self.day(&reader, bytes)))
            }
            try restoreTold(&window, &reader, bytes)
            cellCount += window.cells.count
            windows.append(window)
        }
    }

    private func restoreTold(
        _ window: inout Window, _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        let told = try reader.uint32(in: bytes)
        guard told == 0 || told == names.count else { throw reader.malformed(.window) }
        for _ in 0..<told {
            let low = try reader.uint64(in: bytes)
            let high = try reader.uint64(in: bytes)
            window.told.append(Int128(truncatingIfNeeded: high) << 64 | Int128(low))
            window.versions.append(try reader.uint32(in: bytes))
        }
    }
}
