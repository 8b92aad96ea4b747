import MarketModel
import Primitives

// The problems of an engine's output.
extension Verdict {
    /// Returns the events of an instrument that are neither recorded nor in a reported gap, and
    /// those that are recorded twice. `latency`: how late an event without a time of its own may
    /// have been due, in nanoseconds.
    func problems(
        in events: [WorldTrade], _ track: Track, isFilled: Bool, latency: Int64 = 0
    ) -> [String] {
        var found: [String] = []
        guard let instrument = events.first.map({ UInt32($0.instrument) }) else { return [] }
        let key = GapKey(instrument: instrument, kind: track.kind.rawValue, from: .undefined)
        guard let start = firstStart[key] else { return ["no \(track) of \(instrument) began"] }
        let told = isFilled ? abandoned[key] ?? [] : gapsOnTape(instrument, track.kind)
        for event in events {
            let seen = Seen(instrument: instrument, track: track, number: event.number)
            let count = values[seen] ?? 0
            if count > 1 { found.append("\(track) \(event.number) is there \(count) times") }
            guard count == 0, !states.contains(seen), event.time > start.nanoseconds else {
                continue
            }
            // It is where its stamp says, where it happened, or where it was due.
            let first = Timestamp(nanoseconds: event.time / second * second)
            let exact = Timestamp(nanoseconds: event.time)
            let due = exact.advanced(byNanoseconds: latency)
            let isTold = told.contains { range in
                range.contains(first) || range.lowerBound <= due && exact < range.upperBound
                    || track == .bar && range.lowerBound < exact && exact <= range.upperBound
            }
            if !isTold { found.append("\(track) \(event.number) of \(instrument) at \(exact)") }
        }
        return found
    }

    var generalProblems: [String] {
        var found = problems
        for (key, end) in gaps where !end.isDefined {
            found.append("a gap of \(key.instrument) from \(key.from) has no end")
        }
        return found
    }

    private func gapsOnTape(_ instrument: UInt32, _ kind: DataKind) -> [Range<Timestamp>] {
        gaps.compactMap { key, end in
            guard key.instrument == instrument, key.kind == kind.rawValue, key.from < end else {
                return nil
            }
            return key.from..<end
        }
    }
}
