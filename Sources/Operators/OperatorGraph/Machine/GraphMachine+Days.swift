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
        let symbols = symbols
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            guard case .other(let message) = item, let bar = message.providerBar(in: packet),
                let name = walk.symbol(bar.header.symbol, in: packet)?.symbol,
                let symbol = symbols.index(of: name)
            else { continue }
            for index in histories.indices {
                histories[index].take(bar, symbol: symbol, named: name)
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
