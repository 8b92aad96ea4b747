import MarketModel
import Primitives
import StreamCore
import TapeCodec

@testable import OperatorWorker

/// One output without the indexes that only its packet explains.
enum NamedOutput: Hashable {
    case bar(Bar, SourceSymbol, SeriesName)
    case late(LateTickRecord, SourceSymbol, SeriesName)
    case value(IndicatorValue, SourceSymbol?)

    init(_ bar: Bar, _ symbol: SourceSymbol, _ series: SeriesName) {
        var plain = bar
        plain.symbol = 0
        plain.series = 0
        self = .bar(plain, symbol, series)
    }

    init(_ late: LateTickRecord, _ symbol: SourceSymbol, _ series: SeriesName) {
        var plain = late
        plain.header.symbol = 0
        plain.series = 0
        self = .late(plain, symbol, series)
    }

    init(_ value: IndicatorValue, _ symbol: SourceSymbol?) {
        var plain = value
        plain.header.symbol = 0
        self = .value(plain, symbol)
    }

    /// The generation of the graph. `nil` for outputs other than bars, which have none.
    var generation: UInt32? {
        if case .bar(let bar, _, _) = self { bar.generation } else { nil }
    }
}

extension SimulatedBars.Packet {
    /// Returns its bytes on a tape, for reading back.
    func sealed() -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(0), source: .operator)
        var symbols: [SourceSymbol: UInt32] = [:]
        var series: [SeriesName: UInt16] = [:]
        func index(_ symbol: SourceSymbol) -> UInt32 {
            if let known = symbols[symbol] { return known }
            let made = builder.register(
                SymbolDefinition(
                    symbol: symbol.symbol, provider: "", since: .undefined, source: symbol.source))
            symbols[symbol] = made
            return made
        }
        func index(_ name: SeriesName) -> UInt16 {
            if let known = series[name] { return known }
            let made = builder.register(SeriesDefinition(name: name, widthNanoseconds: 1))
            series[name] = made
            return made
        }
        for output in outputs {
            switch output {
            case .bar(var bar, let symbol, let name):
                (bar.symbol, bar.series) = (index(symbol), index(name))
                _ = builder.append(bar)
            case .late(var late, let symbol, let name):
                (late.header.symbol, late.series) = (index(symbol), index(name))
                _ = builder.append(late)
            case .value(var value, let symbol):
                value.header.symbol = symbol.map { index($0) } ?? TickHeader.noSymbol
                _ = builder.append(value)
            }
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: firstOrdinal, watermark: watermark,
                sendTime: watermark),
            output: output)
    }
}
