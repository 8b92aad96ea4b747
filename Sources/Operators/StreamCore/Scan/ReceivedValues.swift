public import MarketModel
public import Primitives

/// The last values of providers that derivations of a graph take, of a partition's symbols. To
/// *pass on* a value is to publish it in the packets of bars, which the share over all partitions
/// reads.
///
/// A value of an earlier period than the last one decides nothing: a service tells its past, and
/// corrects it. One that is sent again without a change is not passed on again.
///
/// A value that one thread owns. Pure: its results follow from the calls alone. It keeps one value
/// for each symbol and derivation that takes it.
public struct ReceivedValues: Sendable {
    /// A value to pass on.
    public struct PassedOn: Hashable, Sendable {
        /// The index among the indicators.
        public var indicator: Int
        /// The caller's number of the symbol.
        public var symbol: UInt32
        public var value: Int128
        public var received: Timestamp
        /// False when a value that was received at this time was passed on before.
        public var isFirst: Bool
    }

    private struct Last: Hashable, Sendable {
        /// The beginning of the period that it describes.
        var start: Int64
        var value: Int128
        var received: Int64
        /// When the value that was passed on last was received.
        var passedOn = Int64.min
        var isDue = true
    }

    static let envelope = StateEnvelope("TLRV", version: 1)
    private static let encodedBytes = 49

    private let indicators: [Derivation.Indicator]
    private var last: [SampleKey: Last] = [:]
    /// Whether a value is due, so that the others need not be looked at.
    public private(set) var isDue = false

    public init(_ indicators: [Derivation.Indicator]) { self.indicators = indicators }

    /// Takes a value that a source sent. `symbol` is the caller's number.
    public mutating func take(_ value: IndicatorValue, symbol: UInt32, named name: Symbol) {
        let received = value.header.receiveTime
        guard received.isUsable else { return }
        for (index, one) in indicators.enumerated()
        where one.symbol == name && one.name == value.name {
            let key = SampleKey(input: UInt32(index), symbol: symbol)
            var next = Last(
                start: value.periodStart.nanoseconds, value: value.value,
                received: received.nanoseconds)
            if let known = last[key] {
                let isNews = known.start < next.start || known.value != next.value
                guard known.start <= next.start, isNews else { continue }
                next.received = max(next.received, known.received)
                next.passedOn = known.passedOn
            }
            last[key] = next
            isDue = true
        }
    }

    /// Whether a value is due that was received before this time.
    public func holds(before time: Timestamp) -> Bool {
        isDue && last.values.contains { $0.isDue && $0.received < time.nanoseconds }
    }

    /// Appends the values to pass on, in the order of the indicators and symbols.
    public mutating func passOn(into values: inout [PassedOn]) {
        guard isDue else { return }
        isDue = false
        for (key, one) in last.filter(\.value.isDue).sorted(by: { $0.key < $1.key }) {
            values.append(
                PassedOn(
                    indicator: Int(key.input), symbol: key.symbol, value: one.value,
                    received: Timestamp(nanoseconds: one.received),
                    isFirst: one.passedOn != one.received))
            last[key]?.isDue = false
            last[key]?.passedOn = one.received
        }
    }

    /// Lets all values be passed on again.
    public mutating func passOnAgain() {
        for key in last.keys { last[key]?.isDue = true }
        isDue = !last.isEmpty
    }

    // MARK: checkpoint

    /// Appends the state. The same state gives the same bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: UInt32(last.count))
        for (key, one) in last.sorted(by: { $0.key < $1.key }) {
            bytes.append(integer: key.input)
            bytes.append(integer: key.symbol)
            bytes.append(integer: one.start)
            bytes.append(integer: one.received)
            bytes.append(integer: one.passedOn)
            bytes.append(integer: one.value)
            bytes.append(one.isDue ? 1 : 0)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the values of a partition with so many symbols, for the same indicators.
    public init(
        _ indicators: [Derivation.Indicator], restoring bytes: RawSpan, symbols: Int
    ) throws(CheckpointError) {
        self.init(indicators)
        var reader = try Self.envelope.open(bytes)
        let count = try reader.count(
            of: .symbol, max: indicators.count * symbols, bytesEach: Self.encodedBytes, in: bytes)
        var before: SampleKey?
        for _ in 0..<count {
            let key = SampleKey(
                input: try reader.uint32(in: bytes), symbol: try reader.uint32(in: bytes))
            guard key.input < indicators.count, key.symbol < symbols,
                before.map({ $0 < key }) ?? true
            else { throw reader.malformed(.symbol) }
            before = key
            let (start, received) = (try reader.int64(in: bytes), try reader.int64(in: bytes))
            guard Timestamp(nanoseconds: received).isUsable else {
                throw reader.malformed(.symbol)
            }
            let passedOn = try reader.int64(in: bytes)
            last[key] = Last(
                start: start, value: bytes.int128(at: try reader.take(16)), received: received,
                passedOn: passedOn, isDue: try reader.flag(of: .symbol, in: bytes))
        }
        isDue = last.values.contains(where: \.isDue)
        try reader.finish()
    }
}
