import EngineKit
import MarketModel
import Primitives

/// A service's past, as it answers requests.
struct FaultPast {
    /// No connection is made until then.
    var refusedUntil: Int64 = .min
    var eventsPerPage = Int.max
    /// What is answered in place of the next pages.
    var answers: [StreamAnswer] = []
    /// Whether the last quarter of an hour is denied.
    var isDelayed = false
    /// Whether no request is answered.
    var isSilent = false
    /// How many requests came.
    var requests = 0
}

/// The address of a request for a past.
package struct PastQuery {
    package let path: String
    private let values: [String: String]

    package init(_ target: String) {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        path = parts.first ?? ""
        let pairs = (parts.dropFirst().first ?? "").split(separator: "&").map { pair in
            pair.split(separator: "=", maxSplits: 1).map { Self.decoded(String($0)) }
        }
        values = Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
    }

    package subscript(_ name: String) -> String? { values[name] }

    private static func decoded(_ text: String) -> String {
        let parts = text.split(separator: "%", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(String(parts.first ?? "")) { sum, part in
            let scalar = UInt8(part.prefix(2), radix: 16).map { Unicode.Scalar($0) }
            return sum + (scalar.map { String($0) } ?? "") + part.dropFirst(2)
        }
    }
}

/// Where a page begins among the events of a span, as a service's token says it.
private struct PastToken {
    let place: Int
    let span: Range<Timestamp>

    init(_ place: Int, _ span: Range<Timestamp>) { (self.place, self.span) = (place, span) }

    init?(_ text: String) {
        let parts = text.split(separator: "_").compactMap { Int64($0) }
        guard parts.count == 3 else { return nil }
        self.init(
            Int(parts[0]),
            Timestamp(nanoseconds: parts[1])..<Timestamp(nanoseconds: parts[2]))
    }

    var text: String {
        "\(place)_\(span.lowerBound.nanoseconds)_\(span.upperBound.nanoseconds)"
    }
}

/// What happens while a gap is filled.
package enum Filling: CaseIterable, Sendable {
    /// One page has it all; or several have.
    case once, paged
    /// The past denies what is younger than a quarter of an hour.
    case delayed
    /// Requests fail, are too many, or are answered with something else, before one is answered.
    case trouble
    /// The connection is cut again meanwhile.
    case cutAgain
    /// The process is killed during the outage, before it asks, or after a page.
    case killedDuring, killedBefore, killedBetween
    /// The gateway was killed and is back after ten minutes.
    case absent

    /// Whether another process continues.
    var isKilled: Bool {
        switch self {
        case .killedDuring, .killedBefore, .killedBetween, .absent: true
        case .once, .paged, .delayed, .trouble, .cutAgain: false
        }
    }
}

extension FaultWorld {
    /// Answers a request for the past, as `past` says.
    mutating func answer(_ fetch: StreamFetch) {
        past.requests += 1
        guard !past.isSilent else { return }
        if !past.answers.isEmpty {
            return bench.answer(fetch.number, past.answers.removeFirst())
        }
        guard let asked = bench.asked(PastQuery(fetch.target)),
            let token = PastToken(asked.page) ?? asked.span.map({ PastToken(0, $0) })
        else {
            return bench.answer(fetch.number, .refused("no such address: \(fetch.target)"))
        }
        let (span, place) = (token.span, token.place)
        let present = Bench.origin.advanced(byNanoseconds: bench.time)
        if past.isDelayed, present.nanoseconds(since: span.upperBound) < 900_000_000_000 {
            return bench.answer(fetch.number, .denied("no recent trades for this account"))
        }
        let all = happened.enumerated().filter { span.contains($0.element) }
            .map { PastEvent(id: UInt64($0.offset + 1), time: $0.element) }
        let page = all.dropFirst(place).prefix(past.eventsPerPage)
        let next = place + page.count
        let more = next < all.count ? PastToken(next, span).text : ""
        bench.answer(fetch.number, .page(bench.page(Array(page), next: more)))
    }

    /// Cuts the connection for half a minute, and lets the gap be filled. Returns what is wrong, in
    /// sentences: nothing is missing afterwards, but for the edges of what another process left.
    package static func problems(of filling: Filling, _ bench: Bench) -> [String] {
        var world = FaultWorld(bench)
        world.bench.turn()
        world.carryOutWishes()
        world.run(seconds: 60)
        world.run(filling)
        world.bench.stop()
        world.carryOutWishes()
        return world.problems(isKilled: filling.isKilled)
    }

    /// Cuts the connection, and lets the next one be made after so long.
    private mutating func outage(seconds: Int64 = 30) {
        past.refusedUntil = bench.time + seconds * 1_000_000_000
        cut()
        run(seconds: seconds + 5)
    }

    /// The host's time of what came last.
    private var reached: Timestamp {
        Bench.origin.advanced(byNanoseconds: bench.time + bench.hostAhead)
    }

    /// Kills the process, and lets another one begin with what is on the tape.
    mutating func kill(awaySeconds: Int64 = 0) {
        carryOutWishes()
        let (gaps, reached) = (openGaps, reached)
        passWithoutProcess(seconds: awaySeconds)
        begin(gaps, reached: reached)
    }

    private mutating func run(_ filling: Filling) {
        switch filling {
        case .once: outage()
        case .paged:
            past.eventsPerPage = 7
            outage()
        case .delayed:
            past.isDelayed = true
            outage()
            run(seconds: 960)
        case .trouble:
            past.answers = [
                .failed("cut"), .limited(retryAfter: 2_000_000_000, isBanned: false),
                .page(Array("no page".utf8)), .failed("cut"),
            ]
            outage()
        case .cutAgain:
            outage()
            run(seconds: 20)
            outage()
        case .killedDuring:
            past.refusedUntil = bench.time + 60_000_000_000
            cut()
            run(seconds: 30)
            kill()
            run(seconds: 35)
        case .killedBefore:
            outage(seconds: 60)
            kill()
        case .killedBetween:
            past.eventsPerPage = 30
            outage(seconds: 60)
            while past.requests < 4 { step() }
            kill()
        case .absent: kill(awaySeconds: 600)
        }
        run(seconds: 150)
    }

    /// Returns what is wrong with the tape. `isKilled`: what another process left may be missing.
    private func problems(isKilled: Bool) -> [String] {
        var problems: [String] = []
        let there = tape.compactMap { Bench.event(of: $0)?.id }
        if Set(there).count != there.count {
            problems.append("\(there.count - Set(there).count) came twice")
        }
        guard let first = there.min() else { return ["nothing came"] }
        let (known, missing) = (Set(there), gaps.ofMissing)
        let lost = happened.enumerated().dropFirst(Int(first)).filter {
            !known.contains(UInt64($0.offset + 1))
        }
        // What is under way at the end is lost, and is in a gap.
        let last = Bench.origin.advanced(byNanoseconds: bench.time - 5_000_000_000)
        let unrecorded = lost.count { !missing.haveMissing($0.element) }
        let left = lost.count { $0.element < last }
        if unrecorded > 0 { problems.append("\(unrecorded) lie in no gap") }
        // 23 seconds at each edge, and the restart.
        if left > (isKilled ? 510 : 0) { problems.append("\(left) of \(lost.count) are missing") }
        let filled = tape.count { record in
            if case .trade(let trade) = record {
                trade.header.flags.contains(.backfilled)
            } else {
                false
            }
        }
        if filled == 0 { problems.append("nothing was filled") }
        let doubted = happened.enumerated().count {
            known.contains(UInt64($0.offset + 1)) && $0.element < last
                && missing.haveMissing($0.element)
        }
        if !isKilled, doubted > 0 { problems.append("\(doubted) came and lie in a gap") }
        return problems
    }
}
