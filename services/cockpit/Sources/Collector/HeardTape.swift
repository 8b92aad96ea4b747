import DeploymentWatch
import MarketModel
import Membership
import Primitives
import TapeCodec
import TapeTransport

/// What sources, operators and readers said over core NATS, as heads and lags. Pure.
struct HeardTape {
    let heads: HeadStore
    let positions: PositionStore
    let facts: TapeFacts?
    let now: MonotonicTime

    func write(into sighting: inout Sighting) {
        if let facts { sighting.needed = facts.needed }
        let retired = facts?.retired ?? []
        var sources: [SourceName: Sighting.Head] = [:]
        for (source, heads) in grouped(.ticks)
        where source != .manual && !retired.contains(source) {
            sources[source] = head(source.text, heads, gatewayOf: source)
        }
        // A source on the tape of which nothing was heard has no gateway that works.
        for source in facts?.sources ?? [] where sources[source] == nil {
            sources[source] = Sighting.Head(
                name: source.text, gateways: source.gatewayGroup.text, ordinals: 0,
                reportedAt: .distantPast)
        }
        sighting.listening.sourcesHidden = facts?.unseen.count { sources[$0] == nil } ?? 0
        sighting.sources = sources.sorted { $0.key < $1.key }.map(\.value)
        let bars = grouped(.bars).values.flatMap { $0 }
        sighting.bars = bars.isEmpty ? nil : head("bars", bars, gatewayOf: nil)
        sighting.groups = positions.groups.sorted { $0.key < $1.key }.map { name, reports in
            group(name, reports)
        }
    }

    /// When the last of all this was heard.
    var heardAt: MonotonicTime {
        let heads = [heads.receivedAt(.ticks), heads.receivedAt(.bars)].compactMap { $0 }
        return (heads + positions.groups.values.map(\.receivedAt)).max() ?? .distantPast
    }

    private func grouped(_ input: ReaderPosition.Input) -> [SourceName: [HeadStore.Entry]] {
        var found: [SourceName: [HeadStore.Entry]] = [:]
        for (key, entry) in heads.entries where key.input == input {
            found[key.source, default: []].append(entry)
        }
        return found
    }

    private func head(
        _ name: String, _ entries: [HeadStore.Entry], gatewayOf source: SourceName?
    ) -> Sighting.Head {
        let changes = entries.compactMap { entry in
            entry.head.lastOrdinal == 0 ? nil : entry.passed(entry.head.lastOrdinal - 1)
        }
        return Sighting.Head(
            name: name, gateways: source?.gatewayGroup.text ?? GroupName.operators.text,
            ordinals: entries.reduce(0) { $0 &+ $1.head.lastOrdinal },
            reportedAt: entries.map(\.receivedAt).max() ?? .distantPast,
            changedAt: changes.max())
    }

    private func group(
        _ name: String, _ reports: PositionStore.Reports
    ) -> Sighting.Group {
        var group = Sighting.Group(name: name, reportedAt: reports.receivedAt)
        group.ticks = lag(.ticks, reports)
        group.bars = lag(.bars, reports)
        group.read = reports.positions.values.flatMap(\.sources).reduce(0) { $0 &+ $1.lastOrdinal }
        guard group.ticks != nil else { return group }
        let all = Set(heads.entries.keys.lazy.filter { $0.input == .ticks }.map(\.partition))
        let told = Set(
            reports.positions.keys.lazy.filter { $0.input == .ticks }.map(\.partition))
        group.unheard = all.subtracting(told).count
        return group
    }

    private func lag(
        _ input: ReaderPosition.Input, _ reports: PositionStore.Reports
    ) -> Sighting.Lag? {
        let own = reports.positions.values.filter { $0.input == input }
        guard !own.isEmpty else { return nil }
        let lag = heads.lag(of: own, now: now)
        return Sighting.Lag(
            records: lag.ticks, seconds: lag.nanoseconds.map { Double($0) / 1e9 })
    }
}
