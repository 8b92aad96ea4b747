internal import MarketModel
internal import Primitives

extension MissingStretches {
    static let envelope = StateEnvelope("TLMS", version: 1)

    /// Appends the state. The same state gives the same bytes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: UInt32(bySymbol.count))
        for symbol in symbols {
            let all = bySymbol[symbol] ?? OfSymbol()
            bytes.append(integer: symbol)
            all.trades.encode(into: &bytes)
            all.quotes.encode(into: &bytes)
            all.providerBars.encode(into: &bytes)
            if holdsDepth { all.depth.encode(into: &bytes) }
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the gaps of a partition with so many symbols. `holdsProviderBars` and `holdsDepth`
    /// are those of the graph whose state it is.
    public init(
        restoring bytes: RawSpan, symbols symbolCount: Int, holdsProviderBars: Bool = false,
        holdsDepth: Bool = false
    ) throws(CheckpointError) {
        self.init()
        self.holdsProviderBars = holdsProviderBars
        self.holdsDepth = holdsDepth
        var reader = try Self.envelope.open(bytes)
        let count = try reader.count(
            of: .gap, max: symbolCount, bytesEach: 28, in: bytes)
        var last = -1
        for _ in 0..<count {
            let symbol = try reader.uint32(in: bytes)
            guard Int(symbol) > last, Int(symbol) < symbolCount else {
                throw reader.malformed(.gap)
            }
            last = Int(symbol)
            let all = OfSymbol(
                trades: try Missing(&reader, bytes, max: max),
                quotes: try Missing(&reader, bytes, max: max),
                providerBars: try Missing(&reader, bytes, max: max),
                depth: try holdsDepth ? Missing(&reader, bytes, max: max) : Missing())
            guard !all.isEmpty, holdsProviderBars || all.providerBars.isEmpty else {
                throw reader.malformed(.gap)
            }
            set(symbol, all)
        }
        try reader.finish()
    }
}

extension MissingStretches.Missing {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(stretches.count))
        for stretch in stretches {
            bytes.append(integer: stretch.from)
            bytes.append(integer: stretch.to)
        }
        bytes.append(integer: UInt32(starts.count))
        for start in starts { bytes.append(integer: start) }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan, max: Int) throws(CheckpointError) {
        self.init()
        for _ in 0..<(try reader.count(of: .gap, max: max, bytesEach: 16, in: bytes)) {
            let stretch = MissingStretches.Stretch(
                from: try reader.int64(in: bytes), to: try reader.int64(in: bytes))
            guard stretch.from < stretch.to, stretches.last.map({ $0.to < stretch.from }) ?? true
            else { throw reader.malformed(.gap) }
            stretches.append(stretch)
        }
        for _ in 0..<(try reader.count(of: .gap, max: max, bytesEach: 8, in: bytes)) {
            let start = try reader.int64(in: bytes)
            guard starts.last.map({ $0 < start }) ?? true else { throw reader.malformed(.gap) }
            starts.append(start)
        }
    }
}
