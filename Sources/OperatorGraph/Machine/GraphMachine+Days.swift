internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

// Days that a provider tells of, on their way to the nodes over all partitions that asked for them.
extension GraphMachine {
    /// Days that a provider told of and for which there was no room.
    public var daysRefused: UInt64 { histories.reduce(0) { $0 &+ $1.refused } }

    /// By name, so that nothing is taken from anybody: it does not matter who asked the provider.
    mutating func takeDays(in packet: RawSpan) {
        let symbols = leaves.symbols
        var known: [UInt32] = []
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    guard index < PacketLimits.definitionsMax else { continue }
                    while known.count <= index { known.append(BarMachine.noSymbol) }
                    known[Int(index)] =
                        symbols.index(of: definition.symbol) ?? BarMachine.noSymbol
                } else if let bar = message.providerBar(in: packet),
                    bar.header.symbol < known.count,
                    known[Int(bar.header.symbol)] != BarMachine.noSymbol
                {
                    let symbol = known[Int(bar.header.symbol)]
                    for index in histories.indices {
                        histories[index].take(
                            bar, symbol: symbol, named: symbols.symbol(at: symbol))
                    }
                }
            case .trade, .quote, .bar: continue
            case .malformed: return
            }
        }
    }

    /// Passes on what is new: of each day three values, one behind the other.
    mutating func tellDays(into output: inout GraphOutput) {
        var told: [DailyHistory.Told] = []
        for index in histories.indices {
            histories[index].tell(into: &told)
            for day in told { tell(day, program.plan.histories[index], into: &output.values) }
            told.removeAll(keepingCapacity: true)
        }
    }

    private func tell(
        _ day: DailyHistory.Told, _ plan: HistoryPlan, into values: inout [GraphValue]
    ) {
        let reason = day.isFirst ? BarReason.closed : .backfill
        let bar = day.bar
        for (name, price) in zip(plan.names, [bar.high, bar.low, bar.close]) {
            values.append(
                GraphValue(
                    symbol: day.symbol, name: name, value: Int128(price.raw),
                    periodStart: bar.openTime, periodEnd: bar.closeTime, reason: reason.rawValue))
        }
    }

    /// For an owner whose output so far went nowhere.
    public mutating func tellDaysAgain() {
        for index in histories.indices { histories[index].tellAgain() }
    }
}
