import DeploymentWatch
import Membership
import Primitives

/// Judges each step of a tick's way by itself. Pure.
struct EdgeLook {
    private static let operators = GroupName.operators.text

    private let sighting: Sighting
    private var now: MonotonicTime { sighting.now }

    init(_ sighting: Sighting) { self.sighting = sighting }

    /// A source's ticks on their way to the tape.
    func source(_ head: Sighting.Head, _ rate: Double?) -> Overview.Edge {
        var edge = Overview.Edge(id: "source:\(head.name)", from: head.name, to: "tape: ticks")
        edge.rate = rate
        edge.newestAt = head.changedAt
        edge.measuredAt = head.reportedAt
        if sighting.isAlive(head.gateways) != true {
            edge.look = .absent("gateway of \(head.name)")
        } else {
            judge(&edge, what: "tick")
            if let closed = sighting.closedWords(head.name) {
                edge.words = edge.state == .flows ? "\(closed), and ticks come" : closed
                edge.state = .closed
            } else if let silence = sighting.silenceInSession(head) {
                edge.words = "silent in its session for \(SpanText.of(silence))"
            }
        }
        return withoutNews(edge)
    }

    /// A group's way from the tape.
    func reader(
        _ name: String, _ purpose: String, input: String, _ rate: Double?
    ) -> Overview.Edge {
        var edge = Overview.Edge(id: "reader:\(name)", from: input, to: name, unit: "records/s")
        edge.rate = rate
        let group = sighting.groups.first { $0.name == name }
        note(group, &edge)
        switch sighting.isAlive(name) {
        case true?: judgeLag(&edge, group)
        case false?, nil:
            edge.look = .absent(name, so: purpose)
        }
        return withoutNews(edge)
    }

    /// A reader besides operators and stores. It may have no members.
    func other(_ group: Sighting.Group) -> Overview.Edge {
        var edge = Overview.Edge(id: "reader:\(group.name)", from: "tape", to: group.name)
        note(group, &edge)
        judgeLag(&edge, group)
        return withoutNews(edge)
    }

    func bars(_ head: Sighting.Head?, _ rate: Double?) -> Overview.Edge {
        var edge = Overview.Edge(id: "bars", from: Self.operators, to: "tape: bars", unit: "bars/s")
        guard let head else {
            // A new tape has no bar before the first window closes.
            edge.state = sighting.isAlive(Self.operators) == true ? .quiet : .dead
            edge.words = "no bar yet"
            edge.measuredAt = now
            return withoutNews(edge)
        }
        edge.rate = rate
        edge.newestAt = head.changedAt
        edge.measuredAt = head.reportedAt
        if sighting.isAlive(Self.operators) == true {
            judge(&edge, what: "bar", quietAfter: StepLook.barsQuietSeconds)
            if edge.state == .quiet, let closed = sighting.allClosedWords {
                edge.state = .closed
                edge.words = closed
            }
        } else {
            edge.look = .absent(Self.operators)
        }
        return withoutNews(edge)
    }

    /// From the store whose database the cockpit reads.
    var database: Overview.Edge {
        let store = sighting.database.fresh(at: now)?.store ?? GroupName.store.text
        var edge = Overview.Edge(id: "database", from: store, to: "database", unit: "rows/s")
        edge.measuredAt = sighting.database.measuredAt
        guard let database = sighting.database.fresh(at: now) else {
            let isAsked = sighting.database.value != nil || sighting.database.problem != nil
            edge.state = isAsked || !sighting.isLooking ? .dead : .unknown
            edge.words = OverviewMaker.line(sighting.database.absence(at: now) ?? "not asked yet")
            return edge
        }
        guard let age = database.writtenSeconds else {
            edge.state = .quiet
            edge.words = "it answers, and nothing was written yet"
            return edge
        }
        edge.newestAt = edge.measuredAt - Int64(min(max(0, age), 1e9) * 1e9)
        guard sighting.isAlive(store) == true else {
            edge.look = .absent("writer")
            return edge
        }
        judge(&edge, what: "commit")
        return edge
    }

    // MARK: parts

    private func note(_ group: Sighting.Group?, _ edge: inout Overview.Edge) {
        guard let group else { return }
        let lags = [group.ticks, group.bars].compactMap { $0 }
        if !lags.isEmpty {
            edge.lagRecords = lags.reduce(0) { $0 &+ $1.records }
            edge.lagSeconds =
                lags.contains { $0.seconds == nil } ? nil : lags.compactMap(\.seconds).max()
        }
        edge.measuredAt = group.reportedAt
    }

    private func judge(
        _ edge: inout Overview.Edge, what: String, quietAfter: Double = StepLook.quietSeconds
    ) {
        edge.look = .flow(
            of: what, age: edge.newestAt.map(age), quietAfter: quietAfter, since: "cockpit")
    }

    private func age(_ newest: MonotonicTime) -> Double { Double(now - newest) / 1e9 }

    private func judgeLag(_ edge: inout Overview.Edge, _ group: Sighting.Group?) {
        let isFed = sighting.sources.contains {
            $0.changedAt.map(age).map { $0 <= StepLook.quietSeconds } ?? false
        }
        edge.look = .reader(
            records: group == nil ? nil : edge.lagRecords, seconds: edge.lagSeconds,
            unheard: group?.unheard ?? 0, isFed: isFed)
    }

    /// Takes the life from an edge whose owner has said nothing for too long, whatever it said.
    private func withoutNews(_ edge: Overview.Edge) -> Overview.Edge {
        var edge = edge
        if let problem = sighting.natsProblem {
            edge.state = .unknown
            edge.words = "NATS cannot be heard: \(OverviewMaker.line(problem))"
        } else if sighting.isLooking,
            edge.state == .dead || now - edge.measuredAt > Freshness.nanoseconds
        {
            edge.state = .unknown
            edge.words = "not known yet: the cockpit has just begun to listen"
        } else if edge.state != .dead, now - edge.measuredAt > Freshness.nanoseconds {
            edge.state = .dead
            let isNever = edge.measuredAt == .distantPast
            edge.words =
                isNever
                ? "nobody has said anything yet"
                : "no news for \(SpanText.short(Double(now - edge.measuredAt) / 1e9))"
        }
        return edge
    }
}

extension Overview.Edge {
    fileprivate var look: StepLook {
        get { StepLook(state, words) }
        set { (state, words) = (newValue.state, newValue.words) }
    }
}

extension Sighting {
    /// Whether what has not been heard had no time to come yet, so that it says nothing.
    var isLooking: Bool { now - listening.since < Freshness.nanoseconds }

    /// Returns whether a ready member of the group is heard. `nil` if none of its members was ever
    /// heard.
    func isAlive(_ group: String) -> Bool? {
        let own = members.filter { $0.group == group }
        guard !own.isEmpty else { return nil }
        return own.contains { $0.isReady && $0.isHeard(at: now) }
    }
}
