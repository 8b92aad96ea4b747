import DeploymentWatch
import Membership
import Primitives

/// The nine numbers above the tables. A number that is not known now has no value.
struct Figures {
    let all: [Overview.Figure]

    init(_ sighting: Sighting, _ edges: [Overview.Edge]) {
        let now = sighting.now
        let sources = edges.filter { $0.id.hasPrefix("source:") }
        let streams = sighting.streams.fresh(at: now)
        let database = sighting.database.fresh(at: now)
        let gaps = sighting.gaps.fresh(at: now)
        let services = sighting.freshServices
        func edge(_ id: String) -> Overview.Edge? { edges.first { $0.id == id } }
        func alive(_ edge: Overview.Edge?) -> Overview.Edge? {
            edge.flatMap { [.dead, .unknown].contains($0.state) ? nil : $0 }
        }
        let operators = edge("reader:\(GroupName.operators)")
        let stores = sighting.needed.filter(\.isStore).compactMap { edge("reader:\($0)") }
        let living = stores.compactMap { alive($0) }
        let slowest = living.max {
            ($0.lagSeconds ?? 0, $0.lagRecords ?? 0) < ($1.lagSeconds ?? 0, $1.lagRecords ?? 0)
        }
        let flowing = sources.compactMap { alive($0) }
        let rates = flowing.compactMap(\.rate)
        let queue = services.compactMap(\.queue.rows).reduce(0, &+)
        let room = services.compactMap(\.queue.rowsMax).reduce(0, &+)
        let heard = sighting.members.filter { $0.isHeard(at: now) }
        let nats = sighting.natsProblem == nil ? now : MonotonicTime.distantPast
        all = [
            .init(
                name: "Ticks per second",
                value: rates.isEmpty ? nil : RateText.of(rates.reduce(0, +)),
                measuredAt: flowing.map(\.measuredAt).max() ?? .distantPast),
            .init(
                name: "Bars per second", value: alive(edge("bars"))?.rate.map { RateText.of($0) },
                measuredAt: edge("bars")?.measuredAt ?? .distantPast),
            .init(
                name: "Operators behind", value: Self.lag(alive(operators)),
                measuredAt: operators?.measuredAt ?? .distantPast),
            .init(
                name: "Writers behind",
                value: living.count < stores.count ? nil : Self.lag(slowest),
                measuredAt: stores.map(\.measuredAt).min() ?? .distantPast),
            .init(
                name: "Newest commit",
                value: database?.writtenSeconds.map { "\(SpanText.short($0)) old" },
                measuredAt: sighting.database.measuredAt),
            .init(
                name: "Gaps open", value: gaps.map { "\($0.open)" },
                measuredAt: sighting.gaps.measuredAt),
            .init(
                name: "Room on the tape",
                value: streams?.compactMap(\.freePercent).min().map { "\($0) % free" },
                measuredAt: sighting.streams.measuredAt),
            .init(
                name: "Processes ready",
                value: sighting.natsProblem == nil
                    ? "\(heard.count(where: \.isReady)) of \(sighting.members.count)" : nil,
                measuredAt: nats),
            .init(
                name: "Rows that wait", value: room > 0 ? "\(queue) of \(room)" : nil,
                measuredAt: sighting.services.measuredAt),
        ]
    }

    private static func lag(_ edge: Overview.Edge?) -> String? {
        guard let edge, let records = edge.lagRecords else { return nil }
        return edge.lagSeconds.map { "\(SpanText.short($0)) (\(records))" } ?? "\(records)"
    }
}
