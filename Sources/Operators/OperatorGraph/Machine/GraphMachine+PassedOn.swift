internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

// How what providers tell reaches the nodes over all partitions that use it: each partition
// publishes the days of its symbols as values, and the values that derivations take.
extension GraphMachine {
    /// The number of days from providers for which there was no room.
    package var daysRefused: UInt64 { histories.reduce(0) { $0 &+ $1.refused } }

    /// Takes the days of a packet. `source` is `nil` for `manual`.
    mutating func takeDays(in packet: RawSpan, source: Int?) {
        let tables = leaves.tables
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            guard case .other(let message) = item, let bar = message.providerBar(in: packet),
                let found = walk.symbol(bar.header.symbol, in: packet)
            else { continue }
            for symbol in tables.indexes(of: found.symbol, named: found.source, source: source) {
                for index in histories.indices {
                    histories[index].take(bar, symbol: symbol, named: found.symbol)
                }
            }
        }
    }

    /// Publishes new and changed days, each as three values: high, low and close.
    mutating func publishDays(into output: inout GraphOutput) {
        var published: [DailyHistory.PublishedDay] = []
        for index in histories.indices {
            histories[index].publish(into: &published)
            for day in published {
                publish(day, program.plan.passedOn.days[index], into: &output.values)
            }
            published.removeAll(keepingCapacity: true)
        }
    }

    private func publish(
        _ day: DailyHistory.PublishedDay, _ plan: DaysPlan, into values: inout [GraphValue]
    ) {
        let reason = day.isFirst ? BarReason.closed : .backfill
        let bar = day.bar
        for (name, price) in zip(plan.names, [bar.high, bar.low, bar.close]) {
            var value = GraphValue(
                symbol: day.symbol, name: name, value: Int128(price.raw),
                periodStart: bar.openTime, periodEnd: bar.closeTime, reason: reason.rawValue)
            value.isPassedOn = true
            values.append(value)
        }
    }

    // MARK: values

    /// Takes a provider's value, if the packet's source feeds its symbol. A packet may reach over
    /// the end of a window, for which an earlier value of the packet is the last one. So values
    /// that were received earlier are published first.
    mutating func takeIndicator(
        _ value: IndicatorValue, _ source: Int, into output: inout GraphOutput
    ) {
        let symbol = packetSymbols[value.header.symbol]
        guard symbols.isFed(symbol, by: source) else { return }
        if indicators.holds(before: value.header.receiveTime) { passOnIndicators(into: &output) }
        indicators.take(value, symbol: symbol, named: symbols.pair(at: symbol).symbol)
    }

    /// Publishes values of providers that are new. The time of one is that of its receipt, because
    /// that decides from which window on it counts.
    mutating func passOnIndicators(into output: inout GraphOutput) {
        guard indicators.isDue else { return }
        var values: [ReceivedValues.PassedOn] = []
        indicators.passOn(into: &values)
        for one in values {
            let reason = one.isFirst ? BarReason.closed : .backfill
            var value = GraphValue(
                symbol: one.symbol, name: program.plan.passedOn.indicators[one.indicator].name,
                value: one.value, periodStart: one.received,
                periodEnd: one.received.advanced(byNanoseconds: 1), reason: reason.rawValue)
            value.isPassedOn = true
            output.values.append(value)
        }
    }

    /// Lets all that is passed on from providers be published again. A new line of output calls it
    /// when its state is built, because its output so far was dropped.
    package mutating func passOnAgain() {
        for index in histories.indices { histories[index].publishAgain() }
        indicators.passOnAgain()
    }
}
