import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import Testing

/// Takes the definitions of packets.
protocol DefinitionTaker {
    mutating func register(_ definition: SymbolDefinition) -> UInt32
    mutating func register(_ definition: SeriesDefinition) -> UInt16
}

extension TestSource: DefinitionTaker {}
extension PacketBuilder: DefinitionTaker {}

extension DefinitionTaker {
    /// Defines a symbol, and in bars its source.
    @discardableResult
    mutating func define(
        _ symbol: Symbol, provider: String = "", of source: SourceName? = nil
    ) -> UInt32 {
        register(
            SymbolDefinition(symbol: symbol, provider: provider, since: .undefined, source: source))
    }

    @discardableResult
    mutating func define(
        _ symbol: String, provider: String = "", of source: String? = nil
    ) throws -> UInt32 {
        define(
            try #require(Symbol(symbol)), provider: provider, of: source.flatMap { SourceName($0) })
    }

    @discardableResult
    mutating func define(
        series name: String, nanoseconds: Int64 = 1_000_000_000
    ) throws -> UInt16 {
        register(
            SeriesDefinition(name: try #require(SeriesName(name)), widthNanoseconds: nanoseconds))
    }
}

extension WriterBench {
    /// Returns an operator's lane with the bars of one symbol and source, of one second each.
    func bars(_ symbol: String = "AAPL", of source: String = "desk-1") throws -> TestSource {
        var lane = TestSource(tape, Partition(1), source: .operator, kind: .bars)
        try lane.define(symbol, of: source)
        try lane.define(series: "1s")
        return lane
    }
}

extension Bar {
    /// A bar of one second, or of another width, from `open` on; all times in nanoseconds.
    init(
        from open: Int64, width: Int64 = 1_000_000_000, symbol: UInt32 = 0, series: UInt16 = 0,
        close: Price = .undefined
    ) {
        self.init(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: open + width))
        self.close = close
    }
}

extension TickHeader {
    /// A header of one time, in nanoseconds.
    init(_ symbol: UInt32 = 0, at time: Int64, received: Int64? = nil) {
        self.init(
            symbol: symbol, providerTime: Timestamp(nanoseconds: time),
            receiveTime: Timestamp(nanoseconds: received ?? time))
    }
}

extension Trade {
    /// A trade of the least size.
    init(_ header: TickHeader, _ price: Price) {
        self.init(header: header, price: price, size: Quantity(raw: 1))
    }
}
