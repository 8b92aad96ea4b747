internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

// How a provider's days reach the nodes over all partitions that asked for them.
extension GraphMachine {
    /// Days from a provider for which there was no room.
    package var daysRefused: UInt64 { histories.reduce(0) { $0 &+ $1.refused } }

    /// Takes the days of a packet, by the names of symbols. Any source may have asked the provider
    /// for them.
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

    /// Publishes new days: three values per day, in a row.
    mutating func publishDays(into output: inout GraphOutput) {
        var published: [DailyHistory.PublishedDay] = []
        for index in histories.indices {
            histories[index].publish(into: &published)
            for day in published {
                publish(day, program.plan.histories[index], into: &output.values)
            }
            published.removeAll(keepingCapacity: true)
        }
    }

    private func publish(
        _ day: DailyHistory.PublishedDay, _ plan: HistoryPlan, into values: inout [GraphValue]
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

    /// Publishes all days again, for an owner whose output so far was not published.
    package mutating func publishDaysAgain() {
        for index in histories.indices { histories[index].publishAgain() }
    }
}
