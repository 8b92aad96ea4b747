internal import EngineKit
package import MarketModel
package import Primitives

// Which series are wanted.
extension PolledEngine {
    /// An instrument to begin, and where it was left.
    package struct Begun: Sendable {
        package var number: UInt32
        package var instrument: Instrument
        /// The time until which it is complete on the tape; undefined: nothing is missing.
        package var reached: Timestamp
        /// The newest values of it on the tape, in any order.
        package var last: [PublishedValue]

        package init(
            number: UInt32, instrument: Instrument, reached: Timestamp,
            last: [PublishedValue] = []
        ) {
            self.number = number
            self.instrument = instrument
            self.reached = reached
            self.last = last
        }
    }

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [Begun], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout PolledOutput
    ) {
        let both = Set(begun.map(\.number)).intersection(ended)
        for number in ended {
            refused.removeAll { $0.instrument == number }
            for place in series.indices
            where series[place].instrument == number && series[place].isWanted {
                series[place].isWanted = false
                series[place].feed = PolledFeed()
                // What is in both lists goes on with what it knows.
                guard !both.contains(number) else { continue }
                series[place].openGap = nil
                series[place].polledTo = .undefined
            }
        }
        for item in begun { begin(item, gaps, now, into: &out) }
    }

    private mutating func begin(
        _ item: Begun, _ gaps: [OpenGap], _ now: Moment, into out: inout PolledOutput
    ) {
        let contract = item.instrument.contract
        let given = contract.providerSymbol
        let name = given.isEmpty ? item.instrument.symbol.text : given
        let currency = settings.table == .coingecko ? contract.currency.lowercased() : ""
        let known = series.firstIndex { $0.name == name && $0.currency == currency }
        if let problem = problem(item, name, currency, known) {
            refused.append(
                ShownFeed(
                    instrument: item.number, name: name, state: .refused, reason: problem))
            out.note(.refused(instrument: item.number, reason: problem))
            out.records.append(
                .feed(FeedState(instrument: item.number, state: .refused, time: now.wall)))
            return
        }
        let place = known ?? series.count
        let isSame = known.map { series[$0].instrument == item.number } ?? false
        if known == nil {
            series.append(PolledSeries(instrument: item.number, name: name, currency: currency))
        } else if !isSame {
            series[place] = PolledSeries(
                instrument: item.number, name: name, currency: currency)
        }
        series[place].isWanted = true
        series[place].feed = PolledFeed()
        series[place].dueAt = now.monotonic
        series[place].heardAt = now.monotonic
        if settings.table != .fred {
            series[place].facts = PolledFacts(frequency: .daily, unit: "")
        }
        out.records.append(
            .feed(FeedState(instrument: item.number, state: .starting, time: now.wall)))
        if series[place].known.isEmpty {
            for value in item.last {
                series[place].keep(
                    PolledKnown(
                        start: value.periodStart, value: value.value, unit: nil,
                        revision: value.revision))
            }
        }
        inherit(item, gaps, place, now, into: &out)
    }

    /// Takes over what an earlier process left missing.
    private mutating func inherit(
        _ item: Begun, _ gaps: [OpenGap], _ place: Int, _ now: Moment,
        into out: inout PolledOutput
    ) {
        let left = gaps.filter {
            $0.instrument == item.number && [.indicator, .any].contains($0.kind)
        }
        series[place].inherited += left.filter { $0.to.isDefined }
        guard series[place].openGap == nil else { return }
        if let open = left.filter({ !$0.to.isDefined }).min(by: { $0.from < $1.from }) {
            series[place].openGap = UnendedGap(from: open.from, reason: open.reason)
        } else if item.reached.isDefined, !series[place].polledTo.isDefined {
            // So long before the end the last good answer may have been asked for.
            let from = item.reached.advanced(
                byNanoseconds: -settings.every - PolledLimits.askedWithin)
            let gap = UnendedGap(from: from, reason: .gatewayLost)
            series[place].beginGap(gap, "", at: now.wall, into: &out.records)
        }
    }

    /// Returns why an instrument cannot be delivered; `nil`: it can.
    private func problem(
        _ item: Begun, _ name: String, _ currency: String, _ known: Int?
    ) -> String? {
        let table = settings.table
        guard item.instrument.feeds.contains(.indicators) else {
            return "only values of series come from here: feeds: indicators"
        }
        guard (1...PolledLimits.nameBytesMax).contains(name.utf8.count),
            name.utf8.allSatisfy(Self.isOfName)
        else { return "'\(name)' is no name of \(table.title): write it like \(table.example)" }
        if let only = table.onlySeries, name != only {
            return "\(table.title) has one series: write \(only)"
        }
        if table == .coingecko, currency.isEmpty {
            return "the currency of its price is missing: write it like currency: USD"
        }
        if let known, series[known].isWanted, series[known].instrument != item.number {
            return "\(name) is asked for by another instrument"
        }
        return nil
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte) || "-._".utf8.contains(byte)
    }

    // MARK: what is said of them

    /// Shows a state of a series, if it is another one.
    mutating func show(
        _ place: Int, _ state: FeedState.State, _ reason: String, _ now: Moment,
        into out: inout PolledOutput
    ) {
        series[place].feed.reason = reason
        guard series[place].feed.state != state else { return }
        series[place].feed.state = state
        out.records.append(
            .feed(
                FeedState(
                    instrument: series[place].instrument, state: state, time: now.wall)))
    }

    /// Puts the beginning of the subscription on record, and what became of earlier gaps.
    mutating func announce(_ place: Int, _ now: Moment, into out: inout PolledOutput) {
        guard !series[place].feed.isAnnounced else { return }
        series[place].feed.isAnnounced = true
        series[place].announce(
            subscription(place, .start, now),
            "\(settings.table.title) does not say what was in between", at: now.wall,
            into: &out.records)
    }

    func subscription(
        _ place: Int, _ action: SubscriptionAction, _ now: Moment
    ) -> SubscriptionRecord {
        SubscriptionRecord(
            header: series[place].header(at: now.wall), action: action, kind: .indicator,
            mode: .live, provider: settings.table.rawValue)
    }
}
