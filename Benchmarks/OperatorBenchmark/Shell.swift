import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// The inner loop of the operator's shell.
struct Shell {
    private(set) var machine: BarMachine
    private let source: Int
    private var symbols: [UInt32] = []
    private var cursor = RecordCursor()
    private var ordinal: UInt64 = 1
    private var definition: MessageBounds?

    init() throws {
        machine = BarMachine(series: try BarSeriesSet(["1s", "1m", "1h"]))
        guard let name = SourceName("bench"),
            let source = machine.source(name, firstSeen: .undefined)
        else { throw OperatorBenchmark.Unusable() }
        self.source = source
    }

    mutating func take(_ packet: RawSpan) {
        symbols.removeAll(keepingCapacity: true)
        ordinal = 1
        cursor = RecordCursor()
        takeTrades(packet)
        while let message = definition {
            define(message, packet)
            takeTrades(packet)
        }
    }

    private mutating func takeTrades(_ packet: RawSpan) {
        let known = symbols
        var cursor = cursor
        var ordinal = ordinal
        var definition: MessageBounds?
        machine.trades(source: source) {
            while let record = cursor.next(in: packet) {
                switch record {
                case .trade(var trade):
                    let index = Int(trade.header.symbol)
                    trade.header.symbol = index < known.count ? known[index] : BarMachine.noSymbol
                    defer { ordinal &+= 1 }
                    return (trade, ordinal)
                case .quote, .bar: ordinal &+= 1
                case .other(let message):
                    definition = message
                    return nil
                case .malformed: return nil
                }
            }
            return nil
        }
        self.cursor = cursor
        self.ordinal = ordinal
        self.definition = definition
    }

    private mutating func define(_ message: MessageBounds, _ packet: RawSpan) {
        guard let (index, definition) = message.symbolDefinition(in: packet) else { return }
        let subscription = Subscription(
            symbol: definition.symbol, provider: definition.provider, since: definition.since)
        while symbols.count <= index { symbols.append(BarMachine.noSymbol) }
        symbols[Int(index)] = machine.symbol(subscription, source: source) ?? BarMachine.noSymbol
    }
}
