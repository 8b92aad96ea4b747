import DeploymentWatch
import Membership
import Primitives

/// The numbers below the verdict. A number that is not known now has no value.
struct Figures {
    private let sighting: Sighting
    private let edges: [Overview.Edge]

    init(_ sighting: Sighting, _ edges: [Overview.Edge]) {
        self.sighting = sighting
        self.edges = edges
    }

    var all: [Overview.Figure] { rates + delays + counts }

    // MARK: with a line

    private var rates: [Overview.Figure] {
        let sources = edges.filter { $0.id.hasPrefix("source:") }.compactMap { Self.alive($0) }
        let ticks = sources.compactMap(\.rate)
        let stored = Self.living(stores)?.compactMap(\.rate) ?? []
        return [
            Self.rate(
                FigureName.ticks, .ticks, ticks, sources.map(\.measuredAt).max()),
            Self.rate(
                FigureName.bars, .bars, [Self.alive(edge("bars"))?.rate].compactMap { $0 },
                edge("bars")?.measuredAt),
            Self.rate(
                "Records stored per second", .stored, stored, stores.map(\.measuredAt).min()),
        ]
    }

    private var delays: [Overview.Figure] {
        let operators = edge("reader:\(GroupName.operators)")
        let slowest = Self.living(stores)?.max {
            ($0.lagSeconds ?? 0, $0.lagRecords ?? 0) < ($1.lagSeconds ?? 0, $1.lagRecords ?? 0)
        }
        let commit = sighting.database.fresh(at: sighting.now)?.writtenSeconds
        return [
            Self.lag(
                FigureName.operators, .operators, Self.alive(operators), operators?.measuredAt),
            Self.lag(FigureName.writers, .writers, slowest, stores.map(\.measuredAt).min()),
            .init(
                name: FigureName.commit, value: commit.map { "\(SpanText.short($0)) old" },
                measuredAt: sighting.database.measuredAt, line: .commit, number: commit),
        ]
    }

    // MARK: counts

    private var counts: [Overview.Figure] {
        let now = sighting.now
        let free = sighting.streams.fresh(at: now)?.compactMap(\.freePercent).min()
        let services = sighting.freshServices
        let queue = services.compactMap(\.queue.rows).reduce(0, &+)
        let room = services.compactMap(\.queue.rowsMax).reduce(0, &+)
        let heard = sighting.members.filter { $0.isHeard(at: now) }
        let isHearing = sighting.natsProblem == nil
        return [
            .init(
                name: FigureName.room, value: free.map { "\($0) % free" },
                measuredAt: sighting.streams.measuredAt, line: .room,
                number: free.map { Double($0) }),
            .init(
                name: FigureName.gaps,
                value: sighting.gaps.fresh(at: now).map { CountText.of($0.open) },
                measuredAt: sighting.gaps.measuredAt),
            .init(
                name: FigureName.ready,
                value: isHearing
                    ? "\(heard.count(where: \.isReady)) of \(sighting.members.count)" : nil,
                measuredAt: isHearing ? now : .distantPast),
            .init(
                name: "Rows that wait",
                value: room > 0 ? "\(CountText.of(queue)) of \(CountText.of(room))" : nil,
                measuredAt: sighting.services.measuredAt),
        ]
    }

    // MARK: parts

    private func edge(_ id: String) -> Overview.Edge? { edges.first { $0.id == id } }

    /// The ways from the tape to the stores that are needed.
    private var stores: [Overview.Edge] {
        sighting.needed.filter(\.isStore).compactMap { edge("reader:\($0)") }
    }

    private static func alive(_ edge: Overview.Edge?) -> Overview.Edge? {
        edge.flatMap { [.dead, .unknown].contains($0.state) ? nil : $0 }
    }

    /// Returns them if all are alive: a number of some of them says too little.
    private static func living(_ edges: [Overview.Edge]) -> [Overview.Edge]? {
        edges.allSatisfy { alive($0) != nil } ? edges : nil
    }

    private static func rate(
        _ name: String, _ line: FigureTrails.Line, _ rates: [Double], _ measuredAt: MonotonicTime?
    ) -> Overview.Figure {
        let rate = rates.isEmpty ? nil : rates.reduce(0, +)
        return .init(
            name: name, value: rate.map { RateText.of($0) },
            measuredAt: measuredAt ?? .distantPast, line: line, number: rate)
    }

    /// A reader that has read all is not behind.
    private static func lag(
        _ name: String, _ line: FigureTrails.Line, _ edge: Overview.Edge?,
        _ measuredAt: MonotonicTime?
    ) -> Overview.Figure {
        var figure = Overview.Figure(
            name: name, value: nil, measuredAt: measuredAt ?? .distantPast, line: line)
        guard let edge, let records = edge.lagRecords else { return figure }
        let count = CountText.of(records)
        figure.value = edge.lagSeconds.map { "\(SpanText.short($0)) (\(count))" } ?? count
        figure.number = records == 0 ? 0 : edge.lagSeconds
        return figure
    }
}
